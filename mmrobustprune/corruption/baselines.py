"""What corruption errors are measured against: AlexNet's published errors, or another run's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from mmrobustprune.naming import nearest
from mmrobustprune.records.files import read_json

from .suites import Cell, Suite, name_of, suite_of

# what the best value of a metric is, by the evaluator's prefix; error = 1 - value / best
BEST = {
    'accuracy': 100.0,
    'single-label': 100.0,
    'multi-label': 100.0,
    'pascal_voc': 1.0,
    'coco': 1.0,
}


@dataclass(frozen=True)
class CorruptionErrors:
    """mCE and relative mCE in per cent, 100 for the baseline itself.

    Attributes:
        mCE, relative_mCE: None where there is none.
        note: what is not there and why.
    """

    mCE: float | None = None
    relative_mCE: float | None = None
    note: str = ''


@dataclass(frozen=True)
class Baseline:
    """Errors of one model, in [0, 1].

    Attributes:
        name: for tables.
        clean: error on clean images; None where it is not known, and there is no relative mCE.
        errors: by cell.
        about: what a run must agree in to be measured against it, among metric, suite, seed (None:
            published images), data, eval_mode, classes.
        whole: only sums over all of `errors` are known, so that nothing less than the full table
            can be measured.
        published: what is to be said of a run whose images were corrupted here, where the errors
            are of published ones.
    """

    name: str
    clean: float | None
    errors: Mapping[Cell, float]
    about: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False
    published: str = ''

    def compare(
        self,
        clean: float,
        values: Mapping[Cell, float],
        cells: Sequence[Cell],
        facts: Mapping[str, Any],
    ) -> CorruptionErrors:
        """Mean over corruptions of our sum of errors / the baseline's; see `CorruptionErrors`.

        The relative one is of both sums minus the clean error.

        Args:
            clean, values: the metric, unrounded.
            cells: the benchmark cells of the table.
            facts: of the run, as in `about`.
        """
        other = [key for key, value in self.about.items() if facts.get(key) != value]
        if other:
            asked = _show(self.about, other)
            return CorruptionErrors(
                note=f'no mCE: {self.name} has {asked} and this run {_show(facts, other)}.'
            )
        wanted = list(self.errors) if self.whole else list(cells)
        absent = sum(cell not in values or cell not in self.errors for cell in wanted)
        if absent or not wanted:
            return CorruptionErrors(
                note=f'no mCE: {absent} of the {len(wanted)} benchmark cells that it takes are '
                f'missing here or in {self.name}.'
            )
        metric = str(facts.get('metric'))
        ours = _by_corruption({cell: error(values[cell], metric) for cell in wanted})
        theirs = _by_corruption({cell: self.errors[cell] for cell in wanted})
        flawless = [name for name, value in theirs.items() if value <= 0]
        if flawless:
            return CorruptionErrors(note=f'no mCE: {self.name} makes no error under {flawless[0]}.')
        note = _part(wanted, suite_of(facts))
        unhurt = self._unhurt(theirs)
        if unhurt:
            note = f'{note} no relative mCE: {unhurt}.'.strip()
            return CorruptionErrors(_mean_ratio(ours, theirs), note=note)
        if self.published and facts.get('stored', True) is None:
            note = f'{note} {self.published}'.strip()
        relative = _mean_ratio(ours, theirs, error(clean, metric), self.clean)
        return CorruptionErrors(_mean_ratio(ours, theirs), relative, note)

    def _unhurt(self, errors: Mapping[str, float]) -> str:
        """Why errors under corruption minus the clean one are no measure, or ''."""
        if self.clean is None:
            return f'the clean error of {self.name} is not known'
        for name, value in errors.items():
            if value <= self.clean:
                return f'{name} adds no error to {self.name}'
        return ''


def _part(cells: Sequence[Cell], suite: Suite) -> str:
    """What of a suite's benchmark the cells are, or '' where they are all."""
    kinds = {cell.corruption for cell in cells}
    levels = sorted({cell.severity for cell in cells})
    if (len(kinds), len(levels)) == (len(suite.corruptions), len(suite.severities)):
        return ''
    return (
        f'mCE over {len(kinds)} of {len(suite.corruptions)} corruptions, severities '
        f'{" ".join(map(str, levels))}.'
    )


def _by_corruption(errors: Mapping[Cell, float]) -> dict[str, float]:
    rows: dict[str, list[float]] = {}
    for cell, value in errors.items():
        rows.setdefault(cell.corruption, []).append(value)
    return {name: fmean(row) for name, row in rows.items()}


def _mean_ratio(
    ours: Mapping[str, float], theirs: Mapping[str, float], own: float = 0, other: float = 0
) -> float:
    return 100 * fmean((ours[name] - own) / (theirs[name] - other) for name in ours)


def _show(facts: Mapping[str, Any], keys: Sequence[str]) -> str:
    return ', '.join(f'{key} {facts.get(key, "unknown")}' for key in keys)


_ALEXNET = dict(
    gaussian_noise=0.886428,
    shot_noise=0.894468,
    impulse_noise=0.922640,
    defocus_blur=0.819880,
    glass_blur=0.826268,
    motion_blur=0.785948,
    zoom_blur=0.798360,
    snow=0.866816,
    frost=0.826572,
    fog=0.819324,
    brightness=0.564592,
    contrast=0.853204,
    elastic_transform=0.646056,
    pixelate=0.717840,
    jpeg_compression=0.606500,
)

# torchvision's AlexNet on ImageNet-C, means over the five severities (arXiv 1903.12261; to six
# digits in imagenet.py of github.com/google-research/augmix). Its clean top-1 is 56.522 %
# (torchvision, AlexNet_Weights.IMAGENET1K_V1); github.com/google-research/robustness_metrics takes
# an error of .4348 for relative mCE.
ALEXNET = Baseline(
    name='alexnet',
    clean=1 - 0.56522,
    errors={cell: _ALEXNET[cell.corruption] for cell in Suite('imagenet-c').choose()},
    about=dict(metric='accuracy/top1', suite='imagenet-c', classes=1000),
    whole=True,
    published='mCE against errors on the published images; these were made here in the same way '
    'with other random numbers.',
)
BASELINES = {ALEXNET.name: ALEXNET}


def get_baseline(which: str | os.PathLike | Mapping[str, Any]) -> Baseline:
    """A baseline by name, from a results.json, or from what one holds.

    Raises:
        FileNotFoundError: neither a name nor a file.
        ValueError: the file holds no such results.
    """
    if isinstance(which, Mapping):
        return _from_results(which, Path(str(which.get('config') or 'baseline')).stem)
    if which in BASELINES:
        return BASELINES[which]
    path = Path(which)
    path = path / 'results.json' if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(
            f"baseline '{which}' is neither a name{nearest(str(which), BASELINES)} nor a file; "
            f'choose {", ".join(BASELINES)} or give the results.json of another run.'
        )
    results = read_json(path)
    if not isinstance(results, Mapping):
        raise ValueError(
            f'{path} holds no results of a corruption suite; give a results.json of '
            'tools/robustness.py.'
        )
    return _from_results(results, path.parent.name or path.stem)


def _from_results(results: Mapping[str, Any], name: str) -> Baseline:
    try:
        metric = results['metric']
        errors = {
            Cell(one['corruption'], one['severity']): error(one[metric], metric)
            for one in results['cells']
            if one.get(metric) is not None
        }
        clean = error(results['clean'][metric], metric)
    except (KeyError, TypeError) as missing:
        raise ValueError(
            f'baseline {name} is no results of a corruption suite ({missing} is not there); give a '
            'results.json of tools/robustness.py.'
        ) from missing
    keys = ('metric', 'suite', 'data', 'eval_mode')
    about = {key: results[key] for key in keys if results.get(key) is not None}
    if 'suite' in about:
        about['suite'] = name_of(results)
    if 'seed' in results:  # None: published images
        about['seed'] = results['seed']
    return Baseline(name, clean, errors, about)


def error(value: float, metric: str) -> float:
    """1 - value / best.

    Raises:
        ValueError: nobody knows what is best.
    """
    prefix = metric.partition('/')[0]
    if prefix not in BEST:
        raise ValueError(
            f"the best value of metric '{metric}' is not known, so it has no error; errors are "
            f'defined for {", ".join(BEST)}.'
        )
    return 1 - value / BEST[prefix]
