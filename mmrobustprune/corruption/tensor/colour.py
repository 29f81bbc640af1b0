"""Saturation and value of HSV, on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

# which of value, rising, low and falling red, green and blue are, in each sixth of the circle
_SIXTHS = ((0, 1, 2), (3, 0, 2), (2, 0, 1), (2, 3, 0), (1, 2, 0), (0, 2, 3))


def recoloured(unit: Tensor, scale: float, offset: float, lift: float) -> Tensor:
    """Saturation times `scale` plus `offset`, value plus `lift`, as `functions.loops.recoloured`.

    Args:
        unit: (N, 3, H, W), RGB in [0, 1].
    """
    hue, saturation, value = _to_hsv(unit)
    saturation = (saturation * scale + offset).clamp(0, 1)
    return _to_rgb(hue, saturation, (value + lift).clamp(0, 1))


def _to_hsv(unit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value in [0, 1], (N, H, W)."""
    red, green, blue = unit.unbind(1)
    value = unit.amax(1)
    spread = value - unit.amin(1)
    some = torch.where(spread > 0, spread, 1)  # of a grey pixel all differences are 0
    hue = (green - blue) / some / 6
    hue = torch.where(green == value, (2 + (blue - red) / some) / 6, hue)
    hue = torch.where(blue == value, (4 + (red - green) / some) / 6, hue)
    hue = torch.where(hue < 0, hue + 1, hue)
    hue = torch.where(spread > 0, hue, 0)
    return hue, spread / torch.where(value > 0, value, 1), value


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sixth = (hue * 6).floor()
    part = hue * 6 - sixth
    low = value * (1 - saturation)
    falling = value * (1 - part * saturation)
    rising = value * (1 - (1 - part) * saturation)
    choice = torch.tensor(_SIXTHS, device=hue.device)[sixth.long() % 6]
    return torch.stack([value, rising, low, falling], 1).gather(1, choice.permute(0, 3, 1, 2))
