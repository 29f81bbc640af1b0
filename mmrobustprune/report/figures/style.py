"""One look for all figures: colours for colour-blind eyes and grey printing, quiet axes."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from mmrobustprune.corruption.suites import GROUPS

INK = '#22262b'
QUIET = '#8a929c'
PALE = '#cfd4da'
COLOURS = ('#2f5d8a', '#e0702b', '#3f9b6c', '#a3518f', '#c9a227', '#5bb0cf')
MARKS = ('o', 's', 'D', '^', 'v', 'P')
GOOD = '#2f7d54'
BAD = '#c0392b'
HEAT = LinearSegmentedColormap.from_list(
    'heat', ('#b4532a', '#e9a56b', '#f6ead8', '#a9c6dc', '#2f5d8a')
)

_LOOK = {
    'font.family': 'DejaVu Sans',
    'font.size': 10,
    'text.color': INK,
    'axes.labelcolor': INK,
    'axes.titlesize': 11,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'axes.edgecolor': QUIET,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.grid': True,
    'grid.color': '#e6e8eb',
    'grid.linewidth': 0.8,
    'xtick.color': INK,
    'ytick.color': INK,
    'xtick.major.size': 0,
    'ytick.major.size': 0,
    'legend.frameon': False,
    'lines.linewidth': 2,
    'lines.markersize': 6,
    'savefig.dpi': 160,
    'hatch.linewidth': 0.7,
}


def look() -> rc_context:
    """The context every figure is drawn in; the caller's matplotlib settings stay as they are."""
    return rc_context(_LOOK)


def dress(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name -> (colour, mark), no pair twice among the first 36."""
    size = len(COLOURS)
    return {
        name: (COLOURS[at % size], MARKS[(at + at // size) % size])
        for at, name in enumerate(dict.fromkeys(names))
    }


def words(name: str) -> str:
    """A corruption's name as people write it."""
    return name.replace('_', ' ')


def wrap(name: str, width: int) -> str:
    """A long name in lines of at most `width` characters."""
    return '\n'.join(textwrap.wrap(name, width)) or name


def title_lines(names: Iterable[str]) -> int:
    """Of wrapped names, the most lines that one takes."""
    return max(name.count('\n') + 1 for name in names)


def short(value: float, percent: bool) -> str:
    """A metric's value for a crowded place: 57.1 in per cent, 0.57 as a fraction, near 0 2e-3."""
    text = f'{value:.1f}' if percent else f'{value:.2f}'
    return text if float(text) or not value else f'{value:.0e}'.replace('e-0', 'e-')


def few_ticks(axis: Axis, most: int, free: float = 0.0) -> None:
    """Numbers along an axis that do not collide; near 0 they share a power of ten at its end.

    Args:
        axis: of a panel, its limits set.
        most: intervals at most.
        free: share of the axis at its upper end that has no number, where another panel begins.
    """
    low, high = axis.get_view_interval()
    ticks = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    axis.set_ticks([tick for tick in ticks if low <= tick <= high - free * (high - low)])
    numbers = ScalarFormatter(useMathText=True)
    numbers.set_powerlimits((-3, 5))
    axis.set_major_formatter(numbers)


def stack(
    names: Sequence[str], groups: Mapping[str, Sequence[str]] = GROUPS, gap: float = 0.55
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Rows from the top down with a gap between groups.

    Returns:
        name -> height, and group -> (first, last height).
    """
    of: dict[str, str] = {}
    for group, members in groups.items():
        of |= dict.fromkeys(members, group)
    heights: dict[str, float] = {}
    spans: dict[str, tuple[float, float]] = {}
    at = 0.0
    for group in dict.fromkeys([*groups, *(of.get(name, '') for name in names)]):
        rows = [name for name in names if of.get(name, '') == group]
        if rows:
            heights |= {name: at + row for row, name in enumerate(rows)}
            spans[group] = (at, at + len(rows) - 1)
            at += len(rows) + gap
    return heights, spans


def in_lines(count: int, most: int) -> int:
    """How many of `count` panels stand in a line, at most `most`, so that lines are about equal."""
    return -(-count // -(-count // most))


def panels(
    count: int, per_line: int, wide: float, tall: float, head: float, between: float
) -> tuple[Figure, list[Axes]]:
    """A figure with panels in lines.

    Args:
        count: of panels.
        per_line: of panels.
        wide, tall: of a panel, in inches.
        head: inches above every line but the first, for titles.
        between: space between the panels of a line, of their width.
    """
    lines = -(-count // per_line)
    figure = Figure(figsize=(per_line * wide, lines * tall + (lines - 1) * head))
    places = figure.subplots(
        lines,
        per_line,
        squeeze=False,
        gridspec_kw=dict(left=0, right=1, bottom=0, top=1, wspace=between, hspace=head / tall),
    )
    for axes in places.flat[count:]:
        axes.set_axis_off()
    return figure, [*places.flat[:count]]


def mark_groups(axes: Axes, spans: Mapping[str, tuple[float, float]], left: float) -> None:
    """Name the groups of rows beside their labels; `left` is in inches from the axes."""
    if set(spans) == {''}:
        return
    width = axes.get_position().width * axes.figure.get_figwidth()
    for group, (first, last) in spans.items():
        axes.plot(
            [-left / width] * 2,
            [first - 0.42, last + 0.42],
            transform=axes.get_yaxis_transform(),
            color=PALE,
            linewidth=1.6,
            clip_on=False,
            solid_capstyle='butt',
        )
        lying = last - first < 1
        axes.text(
            -(left + 0.07) / width,
            (first + last) / 2,
            group,
            transform=axes.get_yaxis_transform(),
            color=QUIET,
            rotation=0 if lying else 90,
            ha='right',
            va='center',
            fontsize=8.5,
            clip_on=False,
        )


def save(figure: Figure, path: str | Path) -> Path:
    """Write `figure` to `path` (PNG, SVG or PDF), making the folder; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches='tight', facecolor='white')
    return path
