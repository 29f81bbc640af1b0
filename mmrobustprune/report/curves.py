"""Curves: accuracy against severity, accuracy per corruption, and a training run with its phases shaded."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .style import COLOURS, INK, MARKS, QUIET, look, save


def severity_curve(path: str | Path, runs: Mapping[str, Mapping[int, Mapping[str, float]]],
                   clean: Mapping[str, float], metric: str = 'AP50') -> Path:
    """Draw the mean over corruptions against severity, the band between the worst and the best corruption shaded.

    Args:
        runs: name -> severity (1 to 5) -> corruption -> metric.
        clean: name -> metric without corruption, drawn at severity 0.
    """
    with look():
        figure = Figure(figsize=(6.2, 3.8))
        axes = figure.subplots()
        for (name, cells), colour, mark in zip(runs.items(), COLOURS, MARKS, strict=False):
            severities = sorted(cells)
            spread = np.array([[f([*cells[s].values()]) for f in (np.mean, np.min, np.max)] for s in severities])
            spread = np.vstack([[clean[name]] * 3, spread])
            along = [0, *severities]
            axes.fill_between(along, spread[:, 1], spread[:, 2], color=colour, alpha=.13, linewidth=0)
            axes.plot(along, spread[:, 0], color=colour, marker=mark, label=name)
        ticks = sorted({0, *(severity for cells in runs.values() for severity in cells)})
        axes.set_xticks(ticks, ['clean' if tick == 0 else str(tick) for tick in ticks])
        axes.set(xlabel='severity', ylabel=metric, ylim=(0, None),
                 title=f'{metric} under corruption (band: worst to best)')
        axes.legend(loc='lower left')
        return save(figure, path)


def corruption_chart(path: str | Path, runs: Mapping[str, Mapping[str, float]], clean: Mapping[str, float],
                     metric: str = 'AP50', severity: str = '3') -> Path:
    """Draw every corruption as a row with one mark per run, the clean values as dashed lines.

    Args:
        runs: name -> corruption -> metric; a corruption a run lacks is left empty.
        clean: name -> metric without corruption.
    """
    corruptions = list(dict.fromkeys(kind for cells in runs.values() for kind in cells))
    mean = {kind: np.mean([cells[kind] for cells in runs.values() if kind in cells]) for kind in corruptions}
    corruptions.sort(key=mean.get)
    with look():
        figure = Figure(figsize=(6.6, 0.29 * len(corruptions) + 1.5))
        axes = figure.subplots()
        for row, kind in enumerate(corruptions):
            here = [cells[kind] for cells in runs.values() if kind in cells]
            axes.plot([min(here), max(here)], [row, row], color='#cfd4da', linewidth=3, zorder=1)
        for (name, cells), colour, mark in zip(runs.items(), COLOURS, MARKS, strict=False):
            rows = [row for row, kind in enumerate(corruptions) if kind in cells]
            axes.scatter([cells[corruptions[row]] for row in rows], rows, s=42, color=colour, marker=mark,
                         edgecolor='white', linewidth=.7, zorder=3, label=name)
            axes.axvline(clean[name], color=colour, linestyle=(0, (4, 3)), linewidth=1.2, zorder=0)
        axes.set_yticks(range(len(corruptions)), [kind.replace('_', ' ') for kind in corruptions])
        axes.set(xlim=(0, None), ylim=(-.7, len(corruptions) - .3), xlabel=f'{metric} (dashed: clean)',
                 title=f'{metric} per corruption at severity {severity}')
        axes.grid(axis='y', visible=False)
        axes.legend(loc='upper right', bbox_to_anchor=(1.01, -40 / (29 * len(corruptions))), ncols=2)
        return save(figure, path)


def training_curve(path: str | Path, loss: Sequence[tuple[float, float]], metric: Sequence[tuple[float, float]] = (),
                   phases: Sequence[tuple[str, float, float]] = (), unit: str = 'iteration',
                   metric_name: str = 'AP50', share: Sequence[tuple[float, float]] = ()) -> Path:
    """Draw loss and metric along a run, its phases shaded and named.

    Args:
        loss: (position, value) pairs.
        metric, share: the same with values in [0, 1]; `share` is the fraction of the parameters still there.
        phases: (name, from, to) in the unit of the positions.
    """
    lower = [(metric_name, metric, COLOURS[2]), ('parameters left', share, COLOURS[3])]
    lower = [series for series in lower if len(series[1])]
    with look():
        figure = Figure(figsize=(7.4, 2.6 + 1.5 * bool(lower)))
        panels = figure.subplots(1 + bool(lower), 1, sharex=True, squeeze=False)[:, 0]
        for number, (name, begin, end) in enumerate(phases):
            for axes in panels:
                axes.axvspan(begin, end, color=COLOURS[number % len(COLOURS)], alpha=.08, linewidth=0)
            panels[0].text((begin + end) / 2, 1.02, name, transform=panels[0].get_xaxis_transform(),
                           ha='center', va='bottom', color=INK, fontsize=9)
        along, values = np.array(loss, float).reshape(-1, 2).T
        panels[0].plot(along, values, color=COLOURS[0], alpha=.3, linewidth=1)
        panels[0].plot(along, _smooth(values), color=COLOURS[0])
        panels[0].set(ylabel='loss', ylim=(0, np.quantile(values, .98) * 1.1 if len(values) else None))
        for name, series, colour in lower:
            panels[1].plot(*np.array(series, float).T, color=colour, marker='o', markersize=3.5, label=name)
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
