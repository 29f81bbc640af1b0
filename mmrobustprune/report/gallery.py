"""A gallery: the same picture under corruptions, with what each detector finds in it."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .style import INK, look, save


@dataclass(frozen=True)
class Found:
    """Detections in one picture: `boxes` (n, 4) pixels x1 y1 x2 y2, `labels` (n,) class numbers, `scores` (n,)."""
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def draw_found(axes: Axes, image: np.ndarray, found: Found, classes: Sequence[str],
               palette: Sequence[tuple[int, int, int]], least: float = 0.3) -> None:
    """Draw `image` (H, W, 3) uint8 RGB and its detections of score `least` or more into `axes`."""
    high, wide = image.shape[:2]
    axes.imshow(image, extent=(0, wide, high, 0), interpolation='lanczos')
    axes.set(xlim=(0, wide), ylim=(high, 0))
    for number in np.argsort(found.scores):          # the surest on top
        box, label, score = found.boxes[number], found.labels[number], found.scores[number]
        if score < least:
            continue
        colour = np.array(palette[label]) / 255
        x1, y1, x2, y2 = (float(value) for value in box)
        for width, edge in ((3.2, (0, 0, 0, .55)), (1.8, colour)):     # a dark rim keeps any colour readable
            axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=edge, linewidth=width))
        above, left = y1 > 0.07 * high, x1 < 0.6 * wide
        axes.text(x1 if left else x2, y1 if above else y1 + 1, f'{classes[label]} {score:.2f}',
                  fontsize=6.5, color='black', ha='left' if left else 'right',
                  va='bottom' if above else 'top', clip_on=True,
                  bbox=dict(facecolor=colour, edgecolor='none', pad=1.2, alpha=.9))
    axes.set_axis_off()


def gallery(path: str | Path, titles: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[np.ndarray, Found]]]],
            classes: Sequence[str], palette: Sequence[tuple[int, int, int]], least: float = 0.3) -> Path:
    """Draw one row per detector and one column per condition.

    Args:
        titles: the columns' names, e.g. 'clean', 'fog'.
        rows: (name, [(image, Found) per column]).
        least: detections of a lower score are not drawn.
    Raises:
        ValueError: a row of another length than `titles`.
    """
    for name, cells in rows:
        if len(cells) != len(titles):
            raise ValueError(f"Row '{name}' has {len(cells)} pictures for {len(titles)} titles; give one per title.")
    with look():
        figure = Figure(figsize=(2.05 * len(titles) + .3, 2.05 * len(rows) + .3))
        panels = figure.subplots(len(rows), len(titles), squeeze=False,
                                 gridspec_kw=dict(wspace=.03, hspace=.03))
        for (name, cells), line in zip(rows, panels, strict=True):
            for (image, found), axes in zip(cells, line, strict=True):
                draw_found(axes, image, found, classes, palette, least)
            line[0].text(-.04, .5, name, transform=line[0].transAxes, rotation=90, ha='right', va='center',
                         weight='bold', color=INK)
        for title, axes in zip(titles, panels[0], strict=True):
            axes.set_title(title.replace('_', ' '), loc='center', fontsize=9.5, pad=5)
        return save(figure, path)
