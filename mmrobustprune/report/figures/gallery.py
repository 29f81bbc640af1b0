"""Galleries: one image under corruptions, and what models find in it or take it for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from .style import BAD, GOOD, INK, QUIET, look, save, words, wrap

Draw = Callable[[Axes, np.ndarray], None]  # an (H, W, 3) uint8 RGB image, and a model's answer
CROWD = 8  # with more boxes than these, text would cover the image


@dataclass(frozen=True)
class Found:
    """Detections in one image.

    Attributes:
        boxes: (n, 4), pixels, x1 y1 x2 y2.
        labels: (n,), numbers of the classes.
        scores: (n,), in [0, 1].
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Named:
    """A classifier's first choice.

    Attributes:
        right: None where nobody knows.
    """

    label: str
    probability: float
    right: bool | None = None


def draw_found(
    axes: Axes,
    image: np.ndarray,
    found: Found,
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    least: float = 0.3,
    text: bool = True,
) -> None:
    """Draw an image and its detections.

    Args:
        image: (H, W, 3) uint8 RGB.
        least: detections of a lower score are not drawn.
        text: whether boxes are named.
    """
    high, wide = image.shape[:2]
    _show(axes, image)
    for number in np.argsort(found.scores):  # the surest on top
        label = found.labels[number]
        score = found.scores[number]
        if score < least:
            continue
        colour = np.array(palette[label]) / 255
        x1, y1, x2, y2 = (float(value) for value in found.boxes[number])
        rim = (0, 0, 0, 0.55)  # a dark one keeps any colour readable
        for width, edge in ((3.2, rim), (1.8, colour)):
            axes.add_patch(
                Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=edge, linewidth=width)
            )
        if not text:
            continue
        above = y1 > 0.07 * high
        left = x1 < 0.6 * wide
        axes.text(
            x1 if left else x2,
            y1 if above else y1 + 1,
            f'{classes[label]} {score:.2f}',
            fontsize=6.5,
            color='white' if colour @ (0.299, 0.587, 0.114) < 0.5 else 'black',
            ha='left' if left else 'right',
            va='bottom' if above else 'top',
            clip_on=True,
            bbox=dict(facecolor=colour, edgecolor='none', pad=1.2, alpha=0.9),
        )
    axes.set_axis_off()


def draw_named(axes: Axes, image: np.ndarray, named: Named) -> None:
    """Draw an image and below it the class with its probability, green if right, red if wrong.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    _show(axes, image)
    looks = {True: (GOOD, '\u2713 '), False: (BAD, '\u2717 '), None: (QUIET, '')}
    colour, sign = looks[named.right]
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=2.4)
    axes.set_xlabel(
        wrap(f'{sign}{named.label} {named.probability:.2f}', 26),
        color=colour,
        fontsize=8.5,
        labelpad=3,
    )


def sheet(
    path: str | Path,
    tiles: Sequence[tuple[str, np.ndarray, Draw]],
    title: str = '',
    legend: Mapping[str, tuple[int, int, int]] | None = None,
    captions: bool = False,
) -> Path:
    """Draw one image under many conditions, in rows of about four.

    Args:
        tiles: (name of the condition, image, what draws it).
        title: above all.
        legend: class -> RGB colour, below.
        captions: leave room for a line under every image.
    """
    columns = len(tiles)
    if len(tiles) > 4:
        columns = min((4, 5, 3, 6), key=lambda wide: -len(tiles) % wide)
    lines = -(-len(tiles) // columns)
    high, wide = tiles[0][1].shape[:2]
    width = 2.3
    tall = width * min(max(high / wide, 0.4), 2)
    head = 0.56 if captions else 0.36
    with look():
        figure = Figure(figsize=(columns * width, lines * tall + (lines - 1) * head))
        panels = figure.subplots(
            lines,
            columns,
            squeeze=False,
            gridspec_kw=dict(left=0, right=1, bottom=0, top=1, wspace=0.06, hspace=head / tall),
        )
        for axes in panels.flat[len(tiles) :]:
            axes.set_axis_off()
        for axes, (name, image, draw) in zip(panels.flat, tiles, strict=False):
            draw(axes, image)
            axes.set_title(words(name), loc='center', fontsize=9.5, pad=5)
        inches = figure.get_figheight()
        if title:
            figure.text(0, 1 + 0.36 / inches, title, va='bottom', weight='bold', fontsize=11)
        if legend:
            figure.legend(
                handles=[
                    Patch(color=np.array(colour) / 255, label=name)
                    for name, colour in legend.items()
                ],
                loc='upper center',
                bbox_to_anchor=(0.5, -0.1 / inches),
                ncols=min(len(legend), 6),
                fontsize=9,
            )
        return save(figure, path)


def gallery(
    path: str | Path,
    titles: Sequence[str],
    rows: Sequence[tuple[str, Sequence[tuple[np.ndarray, Found]]]],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    least: float = 0.3,
) -> Path:
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
            raise ValueError(
                f"Row '{name}' has {len(cells)} images for {len(titles)} titles; "
                'give one per title.'
            )
    with look():
        figure = Figure(figsize=(2.05 * len(titles) + 0.3, 2.05 * len(rows) + 0.3))
        panels = figure.subplots(
            len(rows), len(titles), squeeze=False, gridspec_kw=dict(wspace=0.03, hspace=0.03)
        )
        for (name, cells), line in zip(rows, panels, strict=True):
            for (image, found), axes in zip(cells, line, strict=True):
                draw_found(axes, image, found, classes, palette, least)
            line[0].text(
                -0.04,
                0.5,
                name,
                transform=line[0].transAxes,
                rotation=90,
                ha='right',
                va='center',
                weight='bold',
                color=INK,
            )
        for title, axes in zip(titles, panels[0], strict=True):
            axes.set_title(title.replace('_', ' '), loc='center', fontsize=9.5, pad=5)
        return save(figure, path)


def _show(axes: Axes, image: np.ndarray) -> None:
    """The image in its own pixels; those of tiny ones stay square."""
    high, wide = image.shape[:2]
    axes.imshow(
        image,
        extent=(0, wide, high, 0),
        interpolation='nearest' if max(high, wide) < 100 else 'lanczos',
    )
    axes.set(xlim=(0, wide), ylim=(high, 0))
