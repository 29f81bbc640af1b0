"""Accuracy with a part of each group of channels gone, as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .style import BAD, HEAT, INK, QUIET, look, save, short

CLEAN = 'clean'


def sensitivity_map(path: str | Path, results: Mapping[str, Any]) -> Path:
    """Draw a row per group: accuracy clean, and its mean under the corruptions, by units gone.

    Args:
        path: of the figure.
        results: what `tools/analyze.py sensitivity` found: metric, dense, groups, ratios, allowed.
    """
    panels = {CLEAN: [CLEAN]}
    corrupted = [name for name in results['dense'] if name != CLEAN]
    if corrupted:
        named = corrupted[0] if len(corrupted) == 1 else f'mean of {len(corrupted)} corruptions'
        panels[named] = corrupted
    groups = results['groups']
    most = max(len(group['points']) for group in groups)
    with look():
        wide = 1.0 + 0.85 * most * len(panels)
        figure = Figure(figsize=(wide, 0.6 + 0.27 * len(groups)))
        places = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, (title, names) in zip(places, panels.items(), strict=True):
            _panel(axes, groups, names, results, title)
        places[0].set_yticks(range(len(groups)), [group['name'] for group in groups], fontsize=8)
        _limits(places[-1], groups, results['ratios'], most)
        places[0].text(
            -0.5,
            len(groups) + 0.15,
            f'{results["metric"]} with the named share of one group gone, the least worth first; '
            f'limit: at most {results["allowed"]:.0%} of it lost',
            va='top',
            fontsize=8.5,
            color=QUIET,
        )
        return save(figure, path)


def _panel(
    axes: Axes,
    groups: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    results: Mapping[str, Any],
    title: str,
) -> None:
    dense = fmean(results['dense'][name] for name in names)
    percent = dense > 1
    scale = Normalize(0, dense or 1)
    most = max(len(group['points']) for group in groups)
    for row, group in enumerate(groups):
        for column, point in enumerate(group['points']):
            value = fmean(point['values'][name] for name in names)
            share = scale(min(max(value, 0), dense))
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, color=HEAT(share), linewidth=0)
            )
            dark = share > 0.85 or share < 0.12
            axes.text(
                column,
                row,
                f'{short(value, percent)}  −{point["gone"] / group["units"]:.0%}',
                ha='center',
                va='center',
                fontsize=7,
                color='white' if dark else INK,
            )
    axes.set_title(f'{title}\ndense {short(dense, percent)}', fontsize=9.5)
    axes.set(xlim=(-0.5, most - 0.5), ylim=(len(groups) - 0.5, -0.5), xticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _limits(
    axes: Axes, groups: Sequence[Mapping[str, Any]], ratios: Mapping[str, float], most: int
) -> None:
    """The limit of each group at the right end."""
    axes.text(most - 0.4, -0.62, 'limit', fontsize=8.5, color=QUIET, va='bottom')
    for row, group in enumerate(groups):
        limit = ratios.get(group['name'])
        text = '–' if limit is None else 'stays' if limit == 0 else f'{limit:.0%}'
        axes.text(most - 0.4, row, text, va='center', fontsize=8, color=BAD if limit == 0 else INK)
