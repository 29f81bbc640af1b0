"""Curves: accuracy against severity, and a training run with its phases shaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmrobustprune.report.tables.grid import CellTable

from .style import COLOURS, INK, QUIET, dress, few_ticks, look, save, wrap


def severity_curve(path: str | Path, grids: Sequence[CellTable]) -> Path:
    """Draw the mean over the benchmark corruptions against severity, the clean value at 0.

    With one or two runs the band from the worst to the best corruption is shaded; a severity that
    misses a cell has no mean and leaves a gap.
    """
    metric = grids[0].metric
    levels = grids[0].severities
    bands = len(grids) <= 2
    with look():
        figure = Figure(figsize=(6.2, 3.8))
        axes = figure.subplots()
        for grid, (colour, mark) in zip(grids, dress(range(len(grids))).values(), strict=True):
            means = [grid.clean, *(grid.mean(severity=level) for level in levels)]
            line = np.array([np.nan if mean is None else mean for mean in means])
            if bands:
                rows = [[grid.clean], *(_benchmark_values(grid, level) for level in levels)]
                low = np.where(np.isnan(line), np.nan, [min(row) for row in rows])
                high = np.where(np.isnan(line), np.nan, [max(row) for row in rows])
                axes.fill_between([0, *levels], low, high, color=colour, alpha=0.13, linewidth=0)
            axes.plot([0, *levels], line, color=colour, marker=mark, label=wrap(grid.name, 34))
        axes.set_xticks([0, *levels], ['clean', *map(str, levels)])
        axes.set(
            xlabel='severity',
            ylabel=metric,
            ylim=(0, None) if bands else None,
            title=f'{metric} under corruption' + (' (band: worst to best)' if bands else ''),
        )
        few_ticks(axes.yaxis, 8)
        if len(grids) > 1 and len(grids) <= 4 and max(len(grid.name) for grid in grids) <= 34:
            axes.legend(loc='best')
        elif len(grids) > 1:
            axes.legend(loc='center left', bbox_to_anchor=(1, 0.5))
        return save(figure, path)


def _benchmark_values(grid: CellTable, severity: int) -> list[float]:
    """The benchmark corruptions' values at one severity; NaN where there is none."""
    found = []
    for cell, value in grid.values.items():
        if cell.severity == severity and cell.corruption in grid.suite.corruptions:
            found.append(value)
    return found or [np.nan]


def training_curve(
    path: str | Path,
    loss: Sequence[tuple[float, float]],
    metric: Sequence[tuple[float, float]] = (),
    phases: Sequence[tuple[str, float, float]] = (),
    unit: str = 'iteration',
    metric_name: str = 'AP50',
    share: Sequence[tuple[float, float]] = (),
) -> Path:
    """Draw loss and metric along a run, its phases shaded and named.

    Args:
        loss: (position, value) pairs.
        metric: the same with values in [0, 1].
        phases: (name, from, to) in the unit of the positions.
        unit: of the positions.
        metric_name: in the legend.
        share: as `metric`, the fraction of the parameters still there.
    """
    lower = [(metric_name, metric, COLOURS[2]), ('parameters left', share, COLOURS[3])]
    lower = [series for series in lower if len(series[1])]
    with look():
        figure = Figure(figsize=(7.4, 2.6 + 1.5 * bool(lower)))
        panels = figure.subplots(1 + bool(lower), 1, sharex=True, squeeze=False)[:, 0]
        for number, (name, begin, end) in enumerate(phases):
            for axes in panels:
                axes.axvspan(
                    begin, end, color=COLOURS[number % len(COLOURS)], alpha=0.08, linewidth=0
                )
            panels[0].text(
                (begin + end) / 2,
                1.02,
                name,
                transform=panels[0].get_xaxis_transform(),
                ha='center',
                va='bottom',
                color=INK,
                fontsize=9,
            )
        along, values = np.array(loss, float).reshape(-1, 2).T
        panels[0].plot(along, values, color=COLOURS[0], alpha=0.3, linewidth=1)
        panels[0].plot(along, _smooth(values), color=COLOURS[0])
        panels[0].set(
            ylabel='loss', ylim=(0, np.quantile(values, 0.98) * 1.1 if len(values) else None)
        )
        for name, series, colour in lower:
            panels[1].plot(
                *np.array(series, float).T, color=colour, marker='o', markersize=3.5, label=name
            )
        if lower:
            panels[1].set_ylim(0, 1.05)
            panels[1].legend(loc='lower right')
        panels[-1].set_xlabel(unit, color=QUIET)
        return save(figure, path)


def _smooth(values: np.ndarray, share: float = 0.04) -> np.ndarray:
    """A running mean over `share` of the values, shorter at the ends."""
    width = max(1, round(len(values) * share))
    kernel = np.ones(width)
    return np.convolve(values, kernel, 'same') / np.convolve(np.ones(len(values)), kernel, 'same')
