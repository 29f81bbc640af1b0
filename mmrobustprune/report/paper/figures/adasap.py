"""Figures of AdaSAP (arXiv 2306.14306), from the runs that fill its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmrobustprune.report.figures.scatter import Point, tradeoff
from mmrobustprune.report.figures.style import COLOURS, INK, QUIET, dress, look, save, words
from mmrobustprune.report.paper import adasap
from mmrobustprune.report.paper.facts import fits
from mmrobustprune.report.paper.fill import Filled, fill
from mmrobustprune.report.paper.observe import Observation, observe

SUITE = 'imagenet-c'
CLASSIFIERS = adasap.TABLES['adasap-classifiers']
DETECTORS = adasap.TABLES['adasap-detectors']
THEIRS = 'Taylor'
OURS = ('AdaSAP_P', 'AdaSAP_P + ASAM')


@dataclass(frozen=True)
class Pair:
    """Two arms under one suite of corruptions, by what identifies their runs."""

    title: str
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    suite: str = SUITE


@dataclass(frozen=True)
class Margin:
    """Ours minus theirs by corruption, in points."""

    title: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class RunFigure:
    """A figure of the numbers that fill the tables.

    Attributes:
        title: what it shows.
        of: draws runs into a file.
    """

    title: str
    of: Callable[[Path, Sequence[Observation]], Path]

    def draw(self, path: Path, runs: Sequence[str], robust: str) -> Path:
        """As `PaperFigure.draw`; no attack is drawn."""
        return self.of(path, observe(runs))


def against_size(path: Path, runs: Sequence[Observation]) -> Path:
    """Figure 1: R_C against the share of the parameters kept, a line per method.

    The ideal is the dense network's R_C at every size.
    """
    lines: dict[str, list[tuple[float, float]]] = {}
    for method, size, ratio in _rows(fill(CLASSIFIERS, runs), 'Size', 'R_C'):
        lines.setdefault(method, []).append((size, ratio))
    _refuse_none(lines, 'Size and R_C')
    dense = [ratio for _, ratio in lines.pop('dense', [])]
    dressed = dress(lines)
    with look():
        figure = Figure(figsize=(6.4, 4.4))
        axes = figure.subplots()
        for ratio in dense:
            axes.axhline(ratio, color=INK, linewidth=1.3, linestyle=(0, (5, 3)), label='ideal')
        for method, points in lines.items():
            colour, mark = dressed[method]
            axes.plot(*zip(*sorted(points), strict=True), color=colour, marker=mark, label=method)
        axes.set(xlabel='share of the parameters kept', ylabel='R_C = IN-C / Val')
        axes.set_title('Robustness against size')
        axes.legend(loc='lower right')
        return save(figure, path)


def against_clean(path: Path, runs: Sequence[Observation]) -> Path:
    """Figure 6: IN-C against Val, every method at every size a point."""
    points = []
    for method, clean, robust in _rows(fill(CLASSIFIERS, runs), 'Val', 'IN-C'):
        points.append(Point(method, clean, robust))
    _refuse_none(points, 'Val and IN-C')
    return tradeoff(path, points, 'Val', 'IN-C')


def margins(path: Path, runs: Sequence[Observation]) -> Path:
    """Figure 4: AdaSAP minus Taylor by corruption, sorted, a panel per size and form.

    The mean is over all types that are shown.
    """
    pairs = []
    for (size, target), ours in product(adasap.SIZES.items(), OURS):
        both = [
            {**adasap.RESNET50, **adasap.CLASSIFIER_ARMS[name], 'target': target}
            for name in (ours, THEIRS)
        ]
        pairs.append(Pair(f'{ours} minus {THEIRS}, {size} kept', *both))
    return _margins(path, runs, pairs)


def detector_margins(path: Path, runs: Sequence[Observation]) -> Path:
    """Figure 5: AdaSAP minus HALP by corruption of VOC-C, a panel per target and form."""
    theirs, *ours = adasap.LATENCY_ARMS
    arms = {name: {**DETECTORS.where, **where} for name, where in adasap.LATENCY_ARMS.items()}
    targets = {run.facts['target'] for run in runs if fits(run.facts, arms[theirs])}
    pairs = []
    for target, name in product(sorted(targets), ours):
        both = [{**arms[one], 'target': target} for one in (name, theirs)]
        pairs.append(Pair(f'{name} minus {theirs}, {1 / (1 - target):.2f}x', *both, 'voc-c'))
    return _margins(path, runs, pairs)


def _margins(path: Path, runs: Sequence[Observation], pairs: Sequence[Pair]) -> Path:
    """A panel for every pair that was run."""
    found = []
    for pair in pairs:
        sides = [_by_corruption(runs, where, pair.suite) for where in (pair.ours, pair.theirs)]
        if all(sides):
            found.append(Margin(pair.title, _differences(pair, *sides)))
    _refuse_none(found, 'both arms of a pair, evaluated under corruption,')
    rows = max(len(one.values) for one in found) + 1.4
    with look():
        figure = Figure(figsize=(4.4 * len(found), 0.27 * rows + 0.9))
        panels = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, one in zip(panels, found, strict=True):
            _panel(axes, one)
        figure.tight_layout()
        return save(figure, path)


def _rows(filled: Filled, first: str, second: str) -> list[tuple[str, float, float]]:
    """Method and two numbers of every row that has both."""
    found = []
    for at, row in enumerate(filled.rows):
        pair = [filled.cells[at, name][-1] for name in (first, second)]
        if all(pair):
            found.append((row.labels[0], pair[0].mean, pair[1].mean))
    return found


def _by_corruption(
    runs: Sequence[Observation], where: Mapping[str, Any], suite: str
) -> dict[str, float]:
    """Mean over the seeds of an arm, by corruption; {} where it was not run."""
    seeds = [run for run in runs if fits(run.facts, where) and suite in run.corruptions]
    for run in seeds[1:]:
        if run.corruptions[suite].keys() != seeds[0].corruptions[suite].keys():
            raise ValueError(
                f'{seeds[0].label} has {len(seeds[0].corruptions[suite])} types of {suite} and '
                f'{run.label} {len(run.corruptions[suite])}; evaluate the runs alike.'
            )
    kinds = seeds[0].corruptions[suite] if seeds else ()
    found = {}
    for kind in kinds:
        found[kind] = fmean(run.corruptions[suite][kind] for run in seeds)
    return found


def _differences(
    pair: Pair, ours: Mapping[str, float], theirs: Mapping[str, float]
) -> dict[str, float]:
    if ours.keys() != theirs.keys():
        raise ValueError(
            f"'{pair.title}' would compare {len(ours)} types of {pair.suite} with {len(theirs)}; "
            'evaluate the runs alike.'
        )
    return {kind: value - theirs[kind] for kind, value in ours.items()}


def _panel(axes: Axes, margin: Margin) -> None:
    rows = sorted(margin.values, key=lambda kind: -margin.values[kind])
    mean = fmean(margin.values.values())
    heights = [*range(len(rows)), len(rows) + 0.4]
    values = [*(margin.values[kind] for kind in rows), mean]
    colours = [COLOURS[0] if value >= 0 else COLOURS[1] for value in values[:-1]]
    axes.barh(heights, values, height=0.72, color=[*colours, QUIET], alpha=0.8, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1)
    named = [*map(words, rows), f'mean of {len(rows)}']
    axes.set_yticks(heights, named)
    axes.set(ylim=(heights[-1] + 0.6, -0.6), xlabel='margin (points)')
    axes.set_title(margin.title, fontsize=9)
    axes.grid(axis='y', visible=False)


def _refuse_none(found: Sequence | Mapping, what: str) -> None:
    if not found:
        raise ValueError(
            f'no run has {what} of a row of that figure; give evaluated runs of the configs in '
            'docs/papers/adasap.md.'
        )


FIGURES = {
    'adasap-1': RunFigure('AdaSAP, Figure 1: R_C against the size', against_size),
    'adasap-4': RunFigure('AdaSAP, Figure 4: margins over Taylor by corruption', margins),
    'adasap-5': RunFigure('AdaSAP, Figure 5: margins over HALP by corruption', detector_margins),
    'adasap-6': RunFigure('AdaSAP, Figure 6: IN-C against Val', against_clean),
}
