"""The margin between two models, corruption by corruption, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from mmrobustprune.report.figures.style import COLOURS, INK, QUIET, look, save, words, wrap
from mmrobustprune.report.runs import Run

from .grid import Grid, is_percent

MEAN = 'mean'


@dataclass(frozen=True)
class Margins:
    """How far `ours` is above `theirs`: corruption -> (difference, low, high), the mean over them under 'mean'.

    The mean is over the benchmark corruptions, as mPC is, over all where there is none of these, and not there where one of
    them is incomplete.
    Without evidence of every image `low` and `high` are None and `why` says so.
    """

    ours: str
    theirs: str
    metric: str
    percent: bool
    values: Mapping[str, tuple[float, float | None, float | None]]
    level: float = 0.95
    why: str = ''

    def note(self) -> str:
        """One sentence: what the bars and lines are."""
        ends = (
            f'Lines: {self.level:.0%} intervals, paired bootstrap over the images.'
            if not self.why
            else f'No intervals: {self.why}.'
        )
        return f'{self.ours} minus {self.theirs}; above zero {self.ours} is better. {ends}'


def margins(
    ours: Run,
    theirs: Run,
    pair: Sequence[Grid],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Margins:
    """The margins over the corruptions that both runs have in full.

    Args:
        pair: the grids of `ours` and `theirs`, over the same cells.
        draws, level, seed: of `corruption.bootstrap.paired_margin`; no draws, no intervals.
    Raises:
        ValueError: no corruption is complete in both, or the evidence beside a result gives another number.
    """
    plain = {
        name: above - below
        for name in pair[0].corruptions
        if (above := pair[0].mean(name)) is not None and (below := pair[1].mean(name)) is not None
    }
    if not plain:
        raise ValueError(
            f"'{ours.label}' and '{theirs.label}' have no corruption in full; evaluate the missing cells."
        )
    cells = {name: [cell for cell in pair[0].counted if cell.corruption == name] for name in plain}
    asked = list(dict.fromkeys(cell.corruption for cell in pair[0].counted))
    counted = [name for name in asked if name in pair[0].suite.corruptions] or asked
    over = counted if plain.keys() >= {*counted} else None
    if over:
        plain[MEAN] = fmean(plain[name] for name in over)
    shared = dict(
        ours=ours.name,
        theirs=theirs.name,
        metric=ours.metric,
        percent=is_percent(pair),
        level=level,
    )
    absent = [
        run.name
        for run in (ours, theirs)
        if not all(run.evidence_file(cell).is_file() for row in cells.values() for cell in row)
    ]
    if absent or not draws:
        why = (
            f'{" and ".join(dict.fromkeys(absent))} kept no evidence of every image'
            if absent
            else 'none were asked for'
        )
        return Margins(
            values={name: (value, None, None) for name, value in plain.items()}, why=why, **shared
        )
    from mmrobustprune.corruption.bootstrap import paired_margin
    from mmrobustprune.corruption.evidence import load

    both = [
        {name: [load(run.evidence_file(cell)) for cell in row] for name, row in cells.items()}
        for run in (ours, theirs)
    ]
    found = paired_margin(*both, draws=draws, level=level, seed=seed, over=over)
    for name, value in plain.items():
        if abs(found[name][0] - value) > (
            1e-4 if shared['percent'] else 1e-6
        ):  # mmpretrain's top-1 is in single precision
            raise ValueError(
                f"the evidence of '{ours.label}' or '{theirs.label}' gives a margin of {found[name][0]:.6g} on "
                f'{name} and results.json {value:.6g}; evaluate both again.'
            )
    return Margins(values={name: found[name] for name in plain}, **shared)


def margin_chart(path: str | Path, margins: Margins) -> Path:
    """Draw the margins sorted from the largest to the smallest, the mean at the bottom."""
    rows = sorted(
        (name for name in margins.values if name != MEAN), key=lambda name: -margins.values[name][0]
    )
    places = {name: float(at) for at, name in enumerate(rows)}
    if len(rows) > 1 and MEAN in margins.values:
        places[MEAN] = len(rows) + 0.4
    form = '+.1f' if margins.percent else '+.3f'
    with look():
        figure = Figure(figsize=(6.4, 0.27 * (max(places.values()) + 1.3) + 0.3))
        axes = figure.subplots()
        for name, at in places.items():
            value, low, high = margins.values[name]
            better = COLOURS[0] if value >= 0 else COLOURS[1]
            unsure = low is not None and low <= 0 <= high
            axes.barh(
                at,
                value,
                height=0.72,
                color=QUIET if name == MEAN else better,
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
        axes.axvline(0, color=INK, linewidth=1)
        left, right = axes.get_xlim()
        for name, at in places.items():  # numbers in a column of their own, where no bar ends
            axes.text(
                1.02,
                at,
                _signed(margins.values[name][0], form),
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
        axes.set_title(wrap(f'{margins.ours} minus {margins.theirs}', 62))
        axes.grid(axis='y', visible=False)
        axes.spines['left'].set_visible(False)
        return save(figure, path)


def _signed(value: float, form: str) -> str:
    """A number with its sign, none where it rounds to zero."""
    text = format(value, form)
    return text.replace('-', '\u2212') if float(text) else text[1:]
