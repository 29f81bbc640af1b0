"""Masks at one bit per entry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def pack_bits(mask: Tensor) -> Tensor:
    """The entries of a bool mask as uint8, eight a byte, on the CPU: (ceil(entries / 8),)."""
    return torch.from_numpy(np.packbits(mask.detach().cpu().bool().numpy()))


def unpack_bits(bits: Tensor, shape: Sequence[int]) -> Tensor:
    """The mask of that shape whose bits `pack_bits` gave."""
    entries = int(np.prod(shape, dtype=int))
    flat = np.unpackbits(bits.cpu().numpy(), count=entries).astype(bool)
    return torch.from_numpy(flat).reshape(tuple(shape))
