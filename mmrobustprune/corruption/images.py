"""Image files and arrays: decoding as mmcv does, PNG files, hashes, lists of names."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np

from mmrobustprune.records.contents import digest

PNG_END = b'IEND\xaeB`\x82'  # the last bytes of every PNG file
_PACKING = [  # fast: noise stays large
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
]


def decode(path: str | os.PathLike) -> np.ndarray:
    """An image file as uint8 RGB (H, W, 3), decoded as mmcv does by default.

    Raises:
        ValueError: it is not there or no image.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ValueError(
            f'{path} cannot be read ({error.strerror}); mend the file or take it out of the data '
            'set.'
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(f'{path} is no image; mend the file or take it out of the data set.')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def encode(rgb: np.ndarray) -> bytes:
    """A PNG file of a uint8 RGB image (H, W, 3)."""
    return cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _PACKING)[1].tobytes()


def content_of(image: np.ndarray) -> str:
    """Short hash of an image's shape and pixels."""
    return digest(f'{image.shape}'.encode() + np.ascontiguousarray(image).tobytes())


def some(names: Sequence[object], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(str, names[:most])) + more
