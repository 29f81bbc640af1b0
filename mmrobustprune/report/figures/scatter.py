"""Clean against robust accuracy: the ideal line, lines of equal ratio, every run a point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from .style import INK, PALE, QUIET, dress, few_ticks, look, save, wrap


@dataclass(frozen=True)
class Point:
    """A run: clean and robust accuracy in one unit, and its size (parameters) where known."""

    name: str
    clean: float
    robust: float
    size: float | None = None


def tradeoff(
    path: str | Path, points: Sequence[Point], metric: str = 'accuracy', robust: str = 'mPC'
) -> Path:
    """Draw clean along, robust up, the ideal robust = clean (nothing lost) and robust = R * clean.

    Points of one name (repeats) share colour, mark and label; areas go with the parameters.
    """
    dressed = dress(point.name for point in points)
    clean = [point.clean for point in points]
    lowest = min(point.robust for point in points)
    highest = max(point.robust for point in points)
    pad = max(0.24 * (max(clean) - min(clean)), 0.03 * max(clean))
    left = max(0.0, min(clean) - pad)
    right = max(clean) + pad
    bottom = max(0.0, lowest - 0.16 * (right - lowest))
    top = max(right, 1.05 * highest)  # a network may gain under corruption
    largest = max((point.size or 0 for point in points), default=0)
    with look():
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.subplots()
        axes.set(
            xlim=(left, right),
            ylim=(bottom, top),
            xlabel=f'clean {metric}',
            ylabel=f'{metric} under corruption ({robust})',
            title='Clean against robust',
        )
        few_ticks(axes.xaxis, 8)
        few_ticks(axes.yaxis, 8)
        _lines(axes)
        for point in points:
            colour, mark = dressed[point.name]
            area = 70 if not largest or not point.size else 40 + 130 * point.size / largest
            axes.scatter(
                point.clean,
                point.robust,
                s=area,
                color=colour,
                marker=mark,
                edgecolor='white',
                linewidth=0.9,
                zorder=4,
            )
        places: dict[str, list[tuple[float, float]]] = {name: [] for name in dressed}
        for point in points:
            places[point.name].append((point.clean, point.robust))
        label(axes, places, {name: colour for name, (colour, _) in dressed.items()})
        return save(figure, path)


def _lines(axes: Axes) -> None:
    """The ideal line, and lines of equal ratio where they cross the figure, named at their ends."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    along = np.array([left, right])
    axes.plot(along, along, color=INK, linewidth=1.3, linestyle=(0, (5, 3)), zorder=1)
    axes.annotate(
        'ideal (R = 1)',
        (right, right),
        xytext=(4, 0),
        textcoords='offset points',
        va='center',
        fontsize=8,
        annotation_clip=False,
    )
    ratios = [
        tenth / 10
        for tenth in range(9, 0, -1)
        if tenth / 10 * right > bottom + 0.02 * (top - bottom)
    ]
    for ratio in ratios[::2] if len(ratios) > 5 else ratios:
        axes.plot(along, ratio * along, color=PALE, linewidth=1, zorder=1)
        axes.annotate(
            f'R = {ratio:.1f}',
            (right, ratio * right),
            xytext=(4, 0),
            textcoords='offset points',
            va='center',
            fontsize=8,
            color=QUIET,
            annotation_clip=False,
        )
    axes.grid(visible=False)


def label(
    axes: Axes, points: Mapping[str, Sequence[tuple[float, float]]], colours: Mapping[str, str]
) -> None:
    """Write every name beside its points so that no text covers a point or another text.

    A thin line leads from a name that stands far off.
    """
    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    frame = axes.get_window_extent(renderer)
    dots = axes.transData.transform(np.concatenate([*points.values()]))
    scale = figure.dpi / 72
    texts = {
        name: axes.text(
            0,
            0,
            wrap(name, 26),
            fontsize=9,
            zorder=5,
            va='bottom',
            path_effects=[withStroke(linewidth=2.5, foreground='white')],
        )
        for name in points
    }
    middles = {
        name: axes.transData.transform(np.mean(places, 0)) for name, places in points.items()
    }
    chosen: dict[str, tuple[float, ...]] = {}
    for _ in range(3):  # later rounds see where all the others went
        for name, text in texts.items():
            box = text.get_window_extent(renderer)
            others = [place for other, place in chosen.items() if other != name]
            chosen[name] = min(
                _boxes(middles[name], box.width, box.height, scale),
                key=lambda found: _cost(found, others, dots, frame, scale),
            )
    for name, (left, bottom, right, top, distance) in chosen.items():
        texts[name].set_position(axes.transData.inverted().transform((left, bottom)))
        if distance > 16:
            x, y = middles[name]
            ends = axes.transData.inverted().transform(
                [(x, y), (min(max(x, left), right), min(max(y, bottom), top))]
            )
            axes.plot(*ends.T, color=colours[name], linewidth=0.8, zorder=3)


def _boxes(middle: np.ndarray, wide: float, tall: float, scale: float):
    """Candidates round a point, near ones first.

    Yields:
        left, bottom, right, top in pixels, distance in points.
    """
    for distance, turn in itertools.product((10, 18, 30, 44, 60, 80), range(16)):
        angle = turn * math.pi / 8
        x = middle[0] + scale * distance * math.cos(angle) + wide * (math.cos(angle) - 1) / 2
        y = middle[1] + scale * distance * math.sin(angle) + tall * (math.sin(angle) - 1) / 2
        yield x, y, x + wide, y + tall, distance


def _cost(
    box: tuple[float, ...],
    taken: Sequence[tuple[float, ...]],
    dots: np.ndarray,
    frame,
    scale: float,
) -> float:
    """Area that would be covered, outside the frame too, and a little for being far."""
    left, bottom, right, top, distance = box
    room = 3 * scale
    hidden = 0.0
    for other in taken:
        shared_width = min(right, other[2]) - max(left, other[0]) + room
        shared_height = min(top, other[3]) - max(bottom, other[1]) + room
        hidden += max(0, shared_width) * max(0, shared_height)
    beyond = np.maximum(np.maximum([left, bottom] - dots, dots - [right, top]), 0)
    gaps = np.hypot(*beyond.T) / scale
    outside = (
        max(0, frame.x0 - left)
        + max(0, right - frame.x1)
        + max(0, frame.y0 - bottom)
        + max(0, top - frame.y1)
    )
    nearer = np.maximum(distance + 4 - gaps, 0)  # other points should lie farther off
    closer = (gaps < 7).sum() * 400 + nearer.sum()
    return 10 * hidden + closer + 100 * outside + 2 * distance
