"""Margins between two models as bars, one corruption below the other."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmrobustprune.report.tables.margins import MEAN, Margins

from .style import COLOURS, INK, QUIET, few_ticks, look, save, words, wrap


def margin_chart(path: str | Path, margins: Margins) -> Path:
    """Draw the margins sorted from the largest to the smallest, the mean at the bottom."""
    values = margins.values
    rows = sorted((name for name in values if name != MEAN), key=lambda name: -values[name][0])
    places = {name: float(at) for at, name in enumerate(rows)}
    if len(rows) > 1 and MEAN in values:
        places[MEAN] = len(rows) + 0.4
    form = '+.1f' if margins.percent else '+.3f'
    with look():
        figure = Figure(figsize=(6.4, 0.27 * (max(places.values()) + 1.3) + 0.3))
        axes = figure.subplots()
        for name, at in places.items():
            _bar(axes, at, *values[name], is_mean=name == MEAN)
        axes.axvline(0, color=INK, linewidth=1)
        left, right = axes.get_xlim()
        for name, at in places.items():  # numbers in a column of their own, where no bar ends
            axes.text(
                1.02,
                at,
                _signed(values[name][0], form),
                transform=axes.get_yaxis_transform(),
                va='center',
                fontsize=8.5,
                weight='bold' if name == MEAN else 'normal',
            )
        axes.set_yticks([*places.values()], [words(name) for name in places])
        if MEAN in places:
            axes.get_yticklabels()[-1].set_weight('bold')
        axes.set(
            xlim=(left, right),
            ylim=(max(places.values()) + 0.6, -0.6),
            xlabel=f'{margins.metric} margin' + ' (points)' * margins.percent,
        )
        few_ticks(axes.xaxis, 8)
        axes.set_title(wrap(f'{margins.ours} minus {margins.theirs}', 62))
        axes.grid(axis='y', visible=False)
        axes.spines['left'].set_visible(False)
        return save(figure, path)


def _bar(
    axes: Axes, at: float, value: float, low: float | None, high: float | None, is_mean: bool
) -> None:
    """A bar with its interval, pale where the interval holds zero."""
    better = COLOURS[0] if value >= 0 else COLOURS[1]
    unsure = low is not None and low <= 0 <= high
    axes.barh(
        at,
        value,
        height=0.72,
        color=QUIET if is_mean else better,
        alpha=0.4 if unsure else 0.8,
        linewidth=0,
    )
    if low is not None:
        axes.errorbar(
            value,
            at,
            xerr=[[value - low], [high - value]],
            color=INK,
            elinewidth=1.3,
            capsize=3,
            capthick=1.3,
        )


def _signed(value: float, form: str) -> str:
    """A number with its sign, in one digit where it rounds to zero; 0 has none."""
    text = format(value, form)
    if not float(text):
        text = f'{value:+.1g}' if value else text[1:]
    return text.replace('-', '\u2212')
