"""What a run left on disk: accuracy under corruption, cost and training log, read from its folder."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmrobustprune.corruption.suites import Cell

PHASES = ('adaptive warm-up', 'pruning', 'fine-tuning')
REPEAT = re.compile(r'-seed\d+$')


@dataclass(frozen=True)
class Log:
    """A training run, every series as (iteration, value): training loss, validation metric, parameters left."""

    loss: list[tuple[float, float]] = field(default_factory=list)
    metric: list[tuple[float, float]] = field(default_factory=list)
    share: list[tuple[float, float]] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One trained model: its name, `results` of tools/robustness.py, `cost` (params, macs, latency), its log.

    Attributes:
        folder: of results.json, with the finished cells and their evidence in `cells`.
        label: what errors call the run, told apart from its repeats; by default its name.
    """

    name: str
    results: Mapping[str, Any] | None = None
    cost: Mapping[str, Any] | None = None
    log: Log = field(default_factory=Log)
    folder: Path = Path()
    label: str = ''

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, 'label', self.name)

    @property
    def metric(self) -> str:
        """The short name of the metric that counts, e.g. AP50; '' where nothing was evaluated."""
        return self.results['metric'].rsplit('/', 1)[-1] if self.results else ''

    def record(self) -> dict[str, Any]:
        """The run as one flat row: name, clean, mPC, rPC, params, macs, latency; what is missing is left out."""
        row: dict[str, Any] = dict(name=self.name, **(self.cost or {}))
        if self.results:
            row.update(clean=self.results['P'], mPC=self.results['mPC'], rPC=self.results['rPC'])
        return row

    def evidence_file(self, cell: Cell) -> Path:
        """Where the evidence of every image of a finished cell lies, if it was kept."""
        return self.folder / 'cells' / f'{cell.corruption}-{cell.severity}.npz'


def read_run(folder: str | Path, name: str = '') -> Run:
    """Read the run in `folder`: results.json and cost.json, there or one folder down, and mmengine's scalars.

    Args:
        name: of its row; by default the folder's without '-seedN', so that repeats share a row.
    Raises:
        FileNotFoundError: no such folder, or nothing of a run in it.
        ValueError: more than one evaluation in it.
    """
    folder = Path(folder)
    found = {
        kind: sorted({*folder.glob(kind), *folder.glob(f'*/{kind}')})
        for kind in ('results.json', 'cost.json')
    }
    scalars = sorted(folder.glob('*/vis_data/scalars.json'))
    if not any(found.values()) and not scalars:
        raise FileNotFoundError(
            f'{folder} holds no results.json, cost.json or training log; give the work dir of a run.'
        )
    for kind, files in found.items():
        if len(files) > 1:
            raise ValueError(
                f'{folder} holds {len(files)} files {kind} ({", ".join(map(str, files))}); '
                'give the folder of one of them.'
            )
    results, cost = (
        json.loads(files[0].read_text()) if files else None for files in found.values()
    )
    metric = results['metric'] if results else ''
    own = folder.resolve().name
    name, repeat = name or REPEAT.sub('', own), REPEAT.search(own)
    return Run(
        name,
        results,
        cost,
        _read_log(scalars, metric),
        found['results.json'][0].parent if results else folder,
        name + (repeat[0] if repeat else ''),
    )


def read_runs(words: Sequence[str | Path]) -> list[Run]:
    """Read several runs, each given as a folder or as NAME=FOLDER.

    Folders whose names differ only in -seedN are repeats of one name; others of the same name get as many of their parents'
    names in front as tell them apart. Every label is another.
    Raises:
        FileNotFoundError, ValueError: as `read_run`; a folder given twice.
    """
    named = [
        ('', Path(word)) if Path(word).exists() else (name, Path(folder))
        for word in map(str, words)
        for name, _, folder in [word.rpartition('=')]
    ]
    places = [folder.resolve() for _, folder in named]
    if twice := [str(folder) for folder, times in Counter(places).items() if times > 1]:
        raise ValueError(f'{twice[0]} is given twice; give every run once.')
    plain = [place.with_name(REPEAT.sub('', place.name)) for place in places]
    short = _shortest({place for (name, _), place in zip(named, plain, strict=True) if not name})
    runs = [
        read_run(folder, name or short[place])
        for (name, folder), place in zip(named, plain, strict=True)
    ]
    labels = Counter(run.label for run in runs)
    return [
        replace(run, label=f'{run.label} ({folder})') if labels[run.label] > 1 else run
        for run, (_, folder) in zip(runs, named, strict=True)
    ]


def _shortest(places: set[Path]) -> dict[Path, str]:
    """As much of the end of every path as no other one of the same name has."""
    found = {}
    for place in places:
        others = [other for other in places if other != place and other.name == place.name]
        size = next(
            size
            for size in range(1, len(place.parts) + 1)
            if all(other.parts[-size:] != place.parts[-size:] for other in others)
        )
        found[place] = '/'.join(place.parts[-size:])
    return found


def _read_log(files: list[Path], metric: str) -> Log:
    """The log of a run; a resumed run wrote several files, and later lines replace earlier ones."""
    loss, values, share, phase = {}, {}, {}, {}
    for file in files:
        here = 0
        for line in map(json.loads, file.read_text().splitlines()):
            if 'loss' in line:
                here = line.get('iter', line['step'])
                loss[here] = line['loss']
                share |= {here: 1 - line['removed_params']} if 'removed_params' in line else {}
                phase |= {here: int(line['phase'])} if 'phase' in line else {}
            elif metric in line:
                values[here] = line[metric]
    return Log(
        *(sorted(series.items()) for series in (loss, values, share)), _spans(sorted(phase.items()))
    )


def _spans(points: list[tuple[float, int]]) -> list[tuple[str, float, float]]:
    """Runs of equal phases as (name, from, to)."""
    spans: list[tuple[str, float, float]] = []
    before = 0.0
    for at, phase in points:
        if spans and spans[-1][0] == PHASES[phase]:
            spans[-1] = (PHASES[phase], spans[-1][1], at)
        else:
            spans.append((PHASES[phase], before, at))
        before = at
    return spans
