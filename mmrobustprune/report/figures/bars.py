"""Bars, one panel per run beside the others: accuracy per corruption, or per class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from matplotlib.axes import Axes

from mmrobustprune.corruption.suites import GROUPS
from mmrobustprune.report.tables.grid import CellTable, is_percent

from . import style
from .style import (
    INK,
    QUIET,
    dress,
    few_ticks,
    in_lines,
    look,
    mark_groups,
    save,
    short,
    stack,
    title_lines,
    words,
    wrap,
)

_ROW = 0.245  # inches
_PER_LINE = 4  # panels


@dataclass(frozen=True)
class Bars:
    """One panel.

    Attributes:
        name: its title.
        values: row -> value; None is drawn as missing.
        clean: the value without corruption, one for all rows, or row -> value.
        ranges: row -> (low, high).
    """

    name: str
    values: Mapping[str, float | None]
    clean: float | Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def bar_chart(
    path: str | Path,
    panels: Sequence[Bars],
    xlabel: str,
    percent: bool,
    title: str,
    reference: str,
    groups: Mapping[str, Sequence[str]] = GROUPS,
) -> Path:
    """Draw the panels side by side over the same rows.

    The black ticks on the others are the values of `reference`.
    """
    rows = list(dict.fromkeys(chain.from_iterable(panel.values for panel in panels)))
    heights, spans = stack(rows, groups)
    per_line = in_lines(len(panels), _PER_LINE)
    wide = {1: 4.6, 2: 3.3, 3: 2.6, 4: 2.1}[per_line]
    names = [wrap(panel.name, int(wide * 8.5)) for panel in panels]
    tall = (max(heights.values()) + 1.3) * _ROW
    head = 0.8 + 0.19 * title_lines(names)  # axis labels, and the titles of the next line
    top = max(_largest(panel) for panel in panels)
    colours = dress(panel.name for panel in panels)
    compared = next((panel.values for panel in panels if panel.name == reference), {})
    with look():
        figure, places = style.panels(len(panels), per_line, wide, tall, head, 0.08)
        for number, (axes, panel) in enumerate(zip(places, panels, strict=True)):
            ticks = {} if panel.name == reference else compared
            _panel(axes, panel, ticks, heights, colours[panel.name][0], percent, top)
            axes.set(
                xlim=(0, (top or 1) * 1.16),
                ylim=(max(heights.values()) + 0.65, -0.65),
                xlabel=xlabel,
            )
            few_ticks(axes.xaxis, int(wide * 2), free=0.1)
            axes.set_title(names[number], fontsize=10.5)
            axes.set_yticks(
                [*heights.values()],
                [wrap(words(row), 22) for row in heights] if number % per_line == 0 else [],
            )
            if number % per_line == 0:
                mark_groups(axes, spans, 1.33)
        if title:
            above = (0.2 + 0.19 * title_lines(names[:per_line])) / figure.get_figheight()
            figure.text(0, 1 + above, title, va='bottom', color=QUIET)
        return save(figure, path)


def corruption_bars(path: str | Path, grids: Sequence[CellTable], reference: str = '') -> Path:
    """Draw every corruption's mean over the severities, from the worst to the best a thin line."""
    levels = grids[0].severities
    panels = []
    for grid in grids:
        rows: dict[str, list[float]] = {name: [] for name in grid.corruptions}
        for cell in grid.counted:
            if cell in grid.values:
                rows[cell.corruption].append(grid.values[cell])
        means = {name: grid.mean(name) for name in rows}
        ranges = {name: (min(row), max(row)) for name, row in rows.items() if len(row) > 1}
        panels.append(Bars(grid.name, means, grid.clean, ranges))
    what = f'severity {levels[0]}'
    if len(levels) > 1:
        what = f'mean of severities {", ".join(map(str, levels))}'
    return bar_chart(
        path,
        panels,
        grids[0].metric,
        is_percent(grids),
        f'{grids[0].metric} per corruption, {what}; dashed: clean{_ticks(panels, reference)}',
        reference,
        grids[0].suite.groups,
    )


def class_bars(
    path: str | Path, grids: Sequence[CellTable], classes: Sequence[str], reference: str = ''
) -> Path:
    """Draw mPC of the given classes, the clean value of each as a thin line."""
    panels = []
    for grid in grids:
        means = grid.class_means()
        values = {name: means.get(name) for name in classes}
        clean = {name: grid.classes[name] for name in classes if name in grid.classes}
        panels.append(Bars(grid.name, values, clean))
    return bar_chart(
        path,
        panels,
        f'mean {grids[0].metric}',
        is_percent(grids),
        f'{grids[0].metric} per class, mean under corruption',
        reference,
        groups={},
    )


def _ticks(panels: Sequence[Bars], reference: str) -> str:
    """What the black ticks are, where there are any."""
    others = [panel.name for panel in panels if panel.name != reference]
    return f'; black ticks: {reference}' if 0 < len(others) < len(panels) else ''


def _largest(panel: Bars) -> float:
    """The largest number that is drawn in a panel, at least 0."""
    clean = panel.clean.values() if isinstance(panel.clean, Mapping) else [panel.clean]
    values = [value for value in panel.values.values() if value is not None]
    highs = [high for _, high in panel.ranges.values()]
    return max([0, *clean, *values, *highs])


def _panel(
    axes: Axes,
    panel: Bars,
    ticks: Mapping[str, float | None],
    heights: Mapping[str, float],
    colour: str,
    percent: bool,
    top: float,
) -> None:
    there = {row: value for row, value in panel.values.items() if value is not None}
    axes.barh(
        [heights[row] for row in there],
        [*there.values()],
        height=0.72,
        color=colour,
        alpha=0.85,
        linewidth=0,
    )
    if isinstance(panel.clean, Mapping):
        axes.vlines(
            [*panel.clean.values()],
            [heights[row] - 0.4 for row in panel.clean],
            [heights[row] + 0.4 for row in panel.clean],
            color=colour,
            linewidth=1.6,
        )
    else:
        axes.axvline(panel.clean, color=colour, linestyle=(0, (4, 3)), linewidth=1.2)
    for row, (low, high) in panel.ranges.items():
        axes.plot(
            [low, high],
            [heights[row]] * 2,
            color=INK,
            alpha=0.45,
            linewidth=1,
            solid_capstyle='butt',
        )
    for row, height in heights.items():
        value = panel.values.get(row)
        if value is None:
            axes.text(
                0.012 * top,
                height,
                'not complete',
                color=QUIET,
                fontsize=7.5,
                style='italic',
                va='center',
            )
            continue
        if ticks.get(row) is not None:
            axes.plot(
                [ticks[row]] * 2,
                [height - 0.4, height + 0.4],
                color='black',
                linewidth=1.4,
                solid_capstyle='butt',
            )
        axes.text(
            1,
            height,
            short(value, percent),
            transform=axes.get_yaxis_transform(),
            fontsize=7.8,
            ha='right',
            va='center',
        )
    axes.grid(axis='y', visible=False)
    axes.spines['left'].set_visible(False)
