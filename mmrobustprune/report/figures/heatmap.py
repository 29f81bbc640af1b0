"""A heat map: corruption down, severity across, the clean value and the means beside them."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from mmrobustprune.report.tables.grid import CellTable, is_percent

from .style import (
    HEAT,
    INK,
    QUIET,
    in_lines,
    look,
    mark_groups,
    panels,
    save,
    short,
    stack,
    title_lines,
    words,
    wrap,
)

MEAN = 'mean'
_ROW = 0.27  # inches, a cell's height
_WIDE = 12.5  # inches, the figure's width


def heat_map(path: str | Path, grids: Sequence[CellTable]) -> Path:
    """Draw one panel per run, all on one colour scale from 0 to the best clean value.

    Absent cells are hatched. The row 'mean' is over the benchmark corruptions above it, so its last
    cell is mPC; extra corruptions stand below.
    """
    percent = is_percent(grids)
    rows = grids[0].corruptions
    suite = grids[0].suite
    several = len([name for name in rows if name in suite.corruptions]) > 1
    extra = {name: row for name, row in suite.groups.items() if not {*row} & {*suite.corruptions}}
    groups = {name: row for name, row in suite.groups.items() if name not in extra}
    groups |= ({'': (MEAN,)} if several else {}) | extra
    heights, spans = stack([*rows, MEAN] if several else rows, groups, gap=0.3)
    columns = _columns(grids[0].severities)
    inches = (columns[-1][1] + 1.35) * (0.47 if len(columns) > 3 else 0.68)
    per_line = in_lines(len(grids), max(1, int(_WIDE / inches)))
    tops = [max([grid.clean, *grid.values.values()]) for grid in grids]
    scale = Normalize(0, max(tops) or 1)
    names = [wrap(grid.name, int(inches * 8.5)) for grid in grids]
    tall = (max(heights.values()) + 1.2) * _ROW
    head = 0.45 + 0.19 * title_lines(names)
    first = 0.45 + 0.19 * title_lines(names[:per_line])
    with look():
        figure, places = panels(len(grids), per_line, inches, tall, head, 0.07)
        for number, (axes, grid) in enumerate(zip(places, grids, strict=True)):
            _panel(axes, grid, heights, columns, scale, percent)
            axes.set_title(names[number], pad=20)
            axes.set_yticks(
                [*heights.values()],
                [words(name) for name in heights] if number % per_line == 0 else [],
            )
            if number % per_line == 0:
                mark_groups(axes, {group: span for group, span in spans.items() if group}, 1.33)
        figure.text(
            0,
            1 + first / figure.get_figheight(),
            f'{grids[0].metric} by corruption and severity',
            va='bottom',
            color=QUIET,
        )
        return save(figure, path)


def _columns(severities: Sequence[int]) -> list[tuple[str, float]]:
    """(key, place) of clean, every severity and, where there are several, the mean."""
    columns = [('clean', 0.0), *((str(level), at + 1.3) for at, level in enumerate(severities))]
    return columns + ([(MEAN, columns[-1][1] + 1.3)] if len(severities) > 1 else [])


def _panel(
    axes: Axes,
    grid: CellTable,
    heights: dict[str, float],
    columns: Sequence[tuple[str, float]],
    scale: Normalize,
    percent: bool,
) -> None:
    by_cell = {(cell.corruption, str(cell.severity)): value for cell, value in grid.values.items()}
    for key, at in columns[1:]:
        for row, height in heights.items():
            if row == MEAN or key == MEAN:
                value = grid.mean(None if row == MEAN else row, None if key == MEAN else int(key))
            else:
                value = by_cell.get((row, key))
            _cell(axes, at, height, 1, value, scale, percent, bold=MEAN in (row, key))
        axes.text(
            at,
            -0.72,
            key,
            ha='center',
            va='bottom',
            fontsize=9,
            color=INK if key == MEAN else QUIET,
        )
    low = min(heights.values())
    high = max(heights.values())
    _cell(axes, 0, (low + high) / 2, high - low + 1, grid.clean, scale, percent, bold=True)
    axes.text(0, -0.72, 'clean', ha='center', va='bottom', fontsize=9)
    axes.set(xlim=(-0.55, columns[-1][1] + 0.55), ylim=(high + 0.6, -0.6), xticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _cell(
    axes: Axes,
    x: float,
    y: float,
    tall: float,
    value: float | None,
    scale: Normalize,
    percent: bool,
    bold: bool,
) -> None:
    colour = '#f4f5f6' if value is None else HEAT(scale(value))
    axes.add_patch(
        Rectangle(
            (x - 0.5, y - tall / 2),
            1,
            tall,
            facecolor=colour,
            linewidth=1.2,
            edgecolor='#b9c0c8' if value is None else 'white',
            hatch='////' if value is None else None,
        )
    )
    if value is None:  # the hatching takes the edge's colour, which must not frame the cell
        axes.add_patch(
            Rectangle(
                (x - 0.5, y - tall / 2), 1, tall, fill=False, linewidth=1.4, edgecolor='white'
            )
        )
        return
    red, green, blue, _ = colour
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.6
    axes.text(
        x,
        y,
        short(value, percent),
        ha='center',
        va='center',
        fontsize=8.2,
        color='white' if dark else INK,
        weight='bold' if bold else 'normal',
    )
