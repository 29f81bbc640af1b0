"""The figures of S2AP (ICLR 2026 submission), drawn from the work dirs of searches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from mmrobustprune.records.files import read_json
from mmrobustprune.report.figures.search_plots import (
    AXIS,
    Panel,
    curves,
    draw_panels,
    gammas,
    rise_bars,
    signed,
)
from mmrobustprune.report.paper.facts import fits
from mmrobustprune.report.paper.observe import Observation, facts_in, from_record, observe
from mmrobustprune.report.paper.s2ap import ATTACKED, DATA, HOSTS, NETS, WEIGHTS
from mmrobustprune.report.runs import split_name

RHO = 'loss difference@0.01'
ORIGINAL = 'Orig.'
OURS = 'S2AP'
SHOWN = (ORIGINAL, OURS)
VALIDATED = 'mask pgd'  # robust accuracy of the mask on held-out images


@dataclass(frozen=True)
class Search:
    """One search: what identifies it, and a record per measured epoch."""

    facts: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]


Where = Mapping[str, Any]


@dataclass(frozen=True)
class SearchFigure:
    """A figure of what was measured along searches.

    Attributes:
        title: what it shows.
        wheres: what its searches are, one after the other; panels of one stand together.
        panels: from the command line's runs, one `where` and the attack to its panels.
        columns: panels side by side.
    """

    title: str
    wheres: tuple[Where, ...]
    panels: Callable[[Sequence[str], Where, str], list[Panel]]
    columns: int = 4

    def draw(self, path: Path, runs: Sequence[str], robust: str) -> Path:
        """As `PaperFigure.draw`."""
        panels = []
        for where in self.wheres:
            panels += self.panels(runs, where, robust)
        if not panels:
            asked = ' or '.join(map(_asked, self.wheres))
            raise ValueError(
                f"none of the runs belongs to the figure '{path.stem}' ({asked}); give work dirs "
                'of such searches, measured by SearchMeasureHook.'
            )
        return draw_panels(path, panels, self.columns, self.title)


def _asked(where: Where) -> str:
    return ', '.join(f'{name} {value}' for name, value in where.items())


# --- the runs -------------------------------------------------------------------------------------


def read_searches(words: Iterable[str]) -> list[Search]:
    """The measured searches among the runs of a command line."""
    found = []
    for word in words:
        name, path = split_name(word)
        files = sorted(path.glob('*-seed*.json')) if path.is_dir() else [path]
        if (path / 'search.json').is_file():
            found.append(Search(facts_in(path), read_json(path / 'search.json')['records']))
            continue
        for file in files:
            records = (read_json(file).get('search') or {}).get('records')
            if records:
                found.append(Search(from_record(file, name).facts, records))
    return found


def _by_target(words: Sequence[str], where: Where) -> dict[str, dict[str, Sequence]]:
    """Sparsity as it is printed -> 'Orig.-seed0' and the like -> records; both arms are there."""
    fitting = [
        one
        for one in read_searches(words)
        if fits(one.facts, {**WEIGHTS, **ATTACKED, **where, 'search': SHOWN})
    ]
    found: dict[str, dict[str, Sequence]] = {}
    for one in sorted(fitting, key=lambda one: (one.facts['target'], one.facts['search'])):
        arms = found.setdefault(f'{100 * one.facts["target"]:g} %', {})
        key = f'{one.facts["search"]}-seed{one.facts.get("seed") or 0}'
        if key in arms:
            raise ValueError(
                f'two runs are {key} of {where.get("net")} at {100 * one.facts["target"]:g} %; '
                'give one of them.'
            )
        arms[key] = one.records
    for sparsity, arms in found.items():
        there = {key.rpartition('-seed')[0] for key in arms}
        lacking = [name for name in SHOWN if name not in there]
        if lacking:
            raise ValueError(
                f'{where.get("net")} at {sparsity} has no run of {lacking[0]}; give both arms of '
                'each sparsity.'
            )
    return found


def _warmup(words: Sequence[str], where: Where) -> int:
    """Whole epochs of warm-up that the searches say they had."""
    for one in read_searches(words):
        length = str(one.facts.get('robust_prune.warmup', ''))
        if fits(one.facts, where) and length.endswith('epochs'):
            return int(length.split()[0])
    return 0


def _title(where: Where, sparsity: str = '') -> str:
    shown = {name: title for title, name in (*NETS.items(), *DATA.items())}
    named = [shown.get(one, one) for one in where.values() if isinstance(one, str)]
    sparsity = f'{100 * where["target"]:g} %' if 'target' in where else sparsity
    return ', '.join([*named, sparsity] if sparsity else named)


# --- the panels -----------------------------------------------------------------------------------


def _curvature(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    warmup = _warmup(words, where)
    return [
        curves(_title(where, sparsity), arms, _curvature_of(arms), warmup)
        for sparsity, arms in _by_target(words, where).items()
    ]


def _curvature_of(arms: Mapping[str, Sequence[Mapping]]) -> str:
    """The mean over the iterations of an epoch, where all runs measured inside their epochs."""
    for records in arms.values():
        if not any('lambda_max_along' in one for one in records):
            return 'lambda_max'
    return 'lambda_max_along'


def _preview(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    warmup = _warmup(words, where)
    panels = []
    for sparsity, arms in _by_target(words, where).items():
        panels += [
            curves(f'Robust accuracy, {sparsity}', arms, 'attacked', warmup),
            signed(f'Stability, {sparsity}', arms, ORIGINAL, OURS, warmup=warmup),
            curves(f'Largest curvature, {sparsity}', arms, _curvature_of(arms), warmup),
        ]
    return panels


def _distance(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    """The distance to the first mask from the end of the warm-up on."""
    warmup = _warmup(words, where)
    panels = []
    for sparsity, arms in _by_target(words, where).items():
        later = {}
        for name, records in arms.items():
            later[name] = [one for one in records if one['epoch'] >= warmup]
        panels.append(curves(_title(where, sparsity), later, 'hamming_first'))
    return panels


def _gained(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    warmup = _warmup(words, where)
    return [
        signed(_title(where, sparsity), arms, ORIGINAL, OURS, warmup=warmup)
        for sparsity, arms in _by_target(words, where).items()
    ]


def _stability(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    return _distance(words, where, robust) + _gained(words, where, robust)


def _rise(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    """Bars of the loss difference at rho = 0.01 per sparsity."""
    groups: dict[str, dict[str, list[float]]] = {}
    for one in _observed(words, where, RHO):
        arms = groups.setdefault(f'{100 * one.facts["target"]:g} %', {})
        arms.setdefault(one.facts['search'], []).append(one.numbers[RHO].value)
    if not groups:
        return []
    means = {}
    for sparsity, arms in groups.items():
        means[sparsity] = {name: fmean(arms[name]) for name in SHOWN if name in arms}
    return [rise_bars(_title(where), means)]


def _sweep(words: Sequence[str], where: Where, robust: str) -> list[Panel]:
    """Robust accuracy of the mask against gamma, a line per network.

    It is that of the test under the attack where a run has it, else that of the validation.
    """
    names = {name: shown for shown, name in NETS.items()}
    for key in (f'mask {robust}', VALIDATED):
        lines: dict[str, dict[float, list[float]]] = {}
        for one in _observed(words, where, key):
            line = lines.setdefault(names.get(one.facts['net'], one.facts['net']), {})
            line.setdefault(one.facts['gamma'], []).append(one.numbers[key].value)
        if lines:
            images = 'held-out images' if key == VALIDATED else robust
            return [gammas(_title(where), lines, f'{AXIS["attacked"]} (%, {images})')]
    return []


def _observed(words: Sequence[str], where: Where, key: str) -> list[Observation]:
    """The runs that fit and have a number, those of the least target first."""
    asked = {**WEIGHTS, **ATTACKED, **where, 'search': SHOWN}
    fitting = [one for one in observe(words) if fits(one.facts, asked) and key in one.numbers]
    return sorted(fitting, key=lambda one: one.facts['target'])


def _of(nets: Sequence[str], data: Sequence[str], hosts: Sequence[str]) -> tuple[Where, ...]:
    return tuple(
        dict(net=net, data=one, host=host) for net, one, host in product(nets, data, hosts)
    )


CURVATURE = {
    f's2ap-curvature-{net}-{data}-{host.lower()}': SearchFigure(
        f'S2AP, one of Figures 2 and 8 to 17: largest curvature, {net} on {data} by {host}',
        _of([net], [data], [host]),
        _curvature,
    )
    for net, data, host in product(NETS.values(), DATA.values(), HOSTS)
}
TWO = ('resnet18', 'wrn-28-4')
FIGURES = {
    's2ap-1': SearchFigure(
        'S2AP, Figure 1: robust accuracy, stability and curvature of one search',
        _of(['resnet18'], ['cifar10'], ['HARP']),
        _preview,
        3,
    ),
    's2ap-2': SearchFigure(
        'S2AP, Figure 2: largest curvature along the search',
        _of(['wrn-28-4'], ['cifar10'], ['HARP']),
        _curvature,
    ),
    's2ap-3': SearchFigure(
        'S2AP, Figure 3: loss difference at ρ = 0.01', _of(TWO, ['cifar10'], HOSTS), _rise, 2
    ),
    's2ap-4': SearchFigure(
        'S2AP, Figure 4: distance to the first mask, and stability gained',
        _of(TWO, ['cifar10'], ['HARP']),
        _stability,
    ),
    's2ap-5': SearchFigure(
        'S2AP, Figure 5: robust accuracy of the mask against the radius',
        (dict(data='cifar10', host='HARP', target=0.9),),
        _sweep,
        1,
    ),
    's2ap-6': SearchFigure(
        'S2AP, Figure 6: the same as Figure 4 by HYDRA',
        _of(TWO, ['cifar10'], ['HYDRA']),
        _stability,
    ),
    's2ap-7': SearchFigure(
        'S2AP, Figure 7: distance to the first mask, VGG16',
        (*_of(['vgg16-bn'], ['cifar10'], HOSTS), *_of(['vgg16-bn'], ['svhn'], ['HARP'])),
        _distance,
    ),
    **CURVATURE,
}
