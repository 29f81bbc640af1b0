"""How a beam search's sets grow from one start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from mmrobustprune.report.figures.style import COLOURS, INK, PALE, QUIET, look, save


def draw_growth(path: str | Path, steps: Sequence[Tensor], chosen: Tensor) -> Path:
    """A line per set, step by step: its members, those that all its elders lack in another colour.

    Args:
        path: of the figure.
        steps: masks (sets, C) of the members after every step, as `Beam.trace` gives them.
        chosen: (K,), the channels that won in the end, from whichever start.
    """
    channels = steps[0].shape[1]
    lines = sum(len(step) for step in steps) + len(steps) + 1
    with look():
        figure = Figure(figsize=(0.28 * channels + 2.2, 0.16 * lines + 0.9), layout='constrained')
        axes = figure.subplots()
        top = 0
        middles = []
        before = steps[0][:0]
        for members in steps:
            for row, one in enumerate(members):
                _line(axes, top + row, one.tolist(), (one & ~_elder(before, one)).tolist())
            middles.append(top + (len(members) - 1) / 2)
            top += len(members) + 1
            before = members
        won = [channel in set(chosen.tolist()) for channel in range(channels)]
        _line(axes, top, won, [False] * channels, INK)
        labels = [*(str(size) for size in range(1, len(steps) + 1)), 'kept']
        axes.set_yticks([*middles, top], labels, fontsize=7)
        axes.set_xticks(range(channels), range(channels), fontsize=7)
        axes.set(
            xlim=(-0.7, channels - 0.3),
            ylim=(top + 0.8, -0.8),
            xlabel='grouped kernel (input channel)',
            ylabel='size of the sets',
        )
        axes.grid(visible=False)
        return save(figure, path)


def _elder(before: Tensor, one: Tensor) -> Tensor:
    """(C,), the set of one member less that this one grew from, the first of several."""
    held = [elder for elder in before if bool((elder <= one).all())]
    return held[0] if held else one & ~one


def _line(axes, row: float, members: list, new: list, colour: str = COLOURS[0]) -> None:
    for channel, (member, fresh) in enumerate(zip(members, new, strict=True)):
        fill = COLOURS[1] if fresh else colour if member else 'white'
        corner = (channel - 0.42, row - 0.42)
        edge = QUIET if member else PALE
        axes.add_patch(Rectangle(corner, 0.84, 0.84, facecolor=fill, edgecolor=edge, linewidth=0.5))
