"""Which images were answered right, as text in a record."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def pack_outcomes(right: Sequence[bool], images: str | Sequence[int]) -> dict[str, Any]:
    """Right and wrong answers at one bit per image.

    Args:
        right: (n,) of every image, in the order of the data set.
        images: which ones: their places in the data set, or what names them.
    Returns:
        `images` (n), `which` (a digest; outcomes are paired where it is equal) and `right`.
    """
    named = images if isinstance(images, str) else ' '.join(map(str, images))
    bits = np.packbits(np.asarray(right, dtype=bool))
    return dict(
        images=len(right),
        which=hashlib.blake2b(named.encode(), digest_size=8).hexdigest(),
        right=base64.b64encode(bits.tobytes()).decode('ascii'),
    )


def unpack_outcomes(packed: Mapping[str, Any]) -> np.ndarray:
    """(n,) bool, what `pack_outcomes` was given."""
    bits = np.frombuffer(base64.b64decode(packed['right']), np.uint8)
    return np.unpackbits(bits, count=packed['images']).astype(bool)
