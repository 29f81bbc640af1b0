"""Bars, one panel per run beside the others: accuracy per corruption, or per class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes

from mmrobustprune.corruption.suites import GROUPS
from mmrobustprune.report.tables.grid import Grid, is_percent

from . import style
from .style import (
    INK,
    QUIET,
    dress,
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

_ROW, _PER_LINE = 0.245, 4  # inches, panels


@dataclass(frozen=True)
class Bars:
    """One panel: row -> value (None is drawn as missing), its range, and the value without corruption.

    Attributes:
        clean: one value for all rows, or row -> value.
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
    """Draw the panels side by side over the same rows; the black ticks on the others are the values of `reference`."""
    rows = list(dict.fromkeys(row for panel in panels for row in panel.values))
    heights, spans = stack(rows, groups)
    per_line = in_lines(len(panels), _PER_LINE)
    wide = {1: 4.6, 2: 3.3, 3: 2.6, 4: 2.1}[per_line]
    names = [wrap(panel.name, int(wide * 8.5)) for panel in panels]
    tall = (max(heights.values()) + 1.3) * _ROW
    head = 0.8 + 0.19 * title_lines(names)  # axis labels, and the titles of the next line
    top = max(
        [
            0,
            *(
                value
                for panel in panels
                for row, value in panel.values.items()
                if value is not None
            ),
            *(high for panel in panels for _, high in panel.ranges.values()),
            *(value for panel in panels for value in _clean(panel, rows).values()),
        ]
    )
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


def corruption_bars(path: str | Path, grids: Sequence[Grid], reference: str = '') -> Path:
    """Draw every corruption's mean over the severities, the range from the worst to the best severity as a thin line."""
    levels = grids[0].severities
    panels = []
    for grid in grids:
        rows = {
            name: [
                grid.values[cell]
                for cell in grid.counted
                if cell.corruption == name and cell in grid.values
            ]
            for name in grid.corruptions
        }
        panels.append(
            Bars(
                grid.name,
                {name: grid.mean(name) for name in rows},
                grid.clean,
                {
                    name: (min(values), max(values))
                    for name, values in rows.items()
                    if len(values) > 1
                },
            )
        )
    what = (
        f'severity {levels[0]}'
        if len(levels) == 1
        else f'mean of severities {", ".join(map(str, levels))}'
    )
    return bar_chart(
        path,
        panels,
        grids[0].metric,
        is_percent(grids),
        f'{grids[0].metric} per corruption, {what}',
        reference,
        grids[0].suite.groups,
    )


def class_bars(
    path: str | Path, grids: Sequence[Grid], classes: Sequence[str], reference: str = ''
) -> Path:
    """Draw mPC of the given classes, the clean value of each as a thin line."""
    panels = [
        Bars(
            grid.name,
            {name: means.get(name) for name in classes},
            {name: grid.classes[name] for name in classes if name in grid.classes},
        )
        for grid in grids
        for means in [grid.class_means()]
    ]
    return bar_chart(
        path,
        panels,
        f'mean {grids[0].metric}',
        is_percent(grids),
        f'{grids[0].metric} per class, mean under corruption',
        reference,
        groups={},
    )


def _clean(panel: Bars, rows: Sequence[str]) -> dict[str, float]:
    return (
        dict(panel.clean) if isinstance(panel.clean, Mapping) else dict.fromkeys(rows, panel.clean)
    )


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
