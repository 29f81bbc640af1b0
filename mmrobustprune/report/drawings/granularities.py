"""What may go out of a convolution: single weights, kernels, grouped kernels, filters, channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from mmrobustprune.report.figures.style import HEAT, look, save


def draw_granularities(path: str | Path, weight: Tensor, kept: Mapping[str, Tensor]) -> Path:
    """A panel per way of pruning: the layer's kernels, filter by filter, removed cells white.

    Args:
        path: of the figure.
        weight: (O, C, kh, kw); a row of the panels is a filter, a column an input channel.
        kept: title -> which weights stay, (O, C, kh, kw) of booleans.
    """
    span = float(weight.abs().max())
    with look():
        figure = Figure(figsize=(2.3 * len(kept), 2.9), layout='constrained')
        panels = np.atleast_1d(figure.subplots(1, len(kept)))
        for axes, (title, mask) in zip(panels, kept.items(), strict=True):
            axes.imshow(tiles(weight, mask), cmap=HEAT, vmin=-span, vmax=span)
            axes.set(xticks=[], yticks=[], xlabel='input channels')
            axes.set_title(f'{title}\n{int(mask.sum())} of {mask.numel()} stay', fontsize=8.5)
            axes.grid(visible=False)
        panels[0].set_ylabel('filters')
        return save(figure, path)


def tiles(weight: Tensor, mask: Tensor) -> np.ndarray:
    """Kernels side by side with a line between them, (O * (kh + 1), C * (kw + 1)); NaN is blank."""
    filters, channels, height, width = weight.shape
    board = weight.new_full((filters, height + 1, channels, width + 1), float('nan'))
    shown = weight.where(mask, float('nan')).permute(0, 2, 1, 3)
    board[:, :height, :, :width] = shown
    return board.reshape(filters * (height + 1), channels * (width + 1)).cpu().numpy()
