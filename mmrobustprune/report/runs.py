"""What a run left on disk: accuracy under corruption, cost and training log."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from mmrobustprune.corruption.suites import Cell

PHASES = ('adaptive warm-up', 'pruning', 'fine-tuning')
REPEAT = re.compile(r'-seed\d+$')
RESULTS = 'results.json'
COST = 'cost.json'
LOG = '*/vis_data/scalars.json'
PER_CENT = ('accuracy', 'single-label', 'multi-label')  # mmpretrain's kinds of metrics


@dataclass(frozen=True)
class Log:
    """A training run, every series as (iteration, value).

    Attributes:
        loss: of the training.
        metric: of the validation.
        share: fraction of the parameters that is left.
        phases: (name, first iteration, last iteration).
    """

    loss: list[tuple[float, float]] = field(default_factory=list)
    metric: list[tuple[float, float]] = field(default_factory=list)
    share: list[tuple[float, float]] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One trained model.

    Attributes:
        name: of its row; repeats share it.
        results: what tools/robustness.py wrote.
        cost: params, macs, latency.
        log: of its training.
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
    def percent(self) -> bool:
        """Whether the metric is in per cent, not a fraction; one of unknown name by its values."""
        results = self.results or dict(metric='', P=None, cells=())
        metric = results['metric']
        values = [results['P'], *(cell.get(metric) for cell in results['cells'])]
        values += [value for _, value in self.log.metric]
        of_a_kind = metric.rpartition('/')[0].endswith(PER_CENT)
        return of_a_kind or any(value is not None and value > 1 for value in values)

    @property
    def metric(self) -> str:
        """The short name of the metric that counts, e.g. AP50; '' where nothing was evaluated."""
        return self.results['metric'].rsplit('/', 1)[-1] if self.results else ''

    def record(self) -> dict[str, Any]:
        """What is there of name, clean, mPC, rPC, params, macs, latency, as one flat row."""
        row: dict[str, Any] = dict(name=self.name, **(self.cost or {}))
        if self.results:
            row.update(clean=self.results['P'], mPC=self.results['mPC'], rPC=self.results['rPC'])
        return row

    def evidence_file(self, cell: Cell) -> Path:
        """Where the evidence of every image of a finished cell lies, if it was kept."""
        return self.folder / 'cells' / f'{cell.corruption}-{cell.severity}.npz'


def read_run(folder: str | Path, name: str = '') -> Run:
    """Read the run in `folder`.

    That is results.json and cost.json, there or one folder down, and mmengine's scalars.

    Args:
        folder: the work dir.
        name: of its row; by default the folder's without '-seedN', so that repeats share a row.

    Raises:
        FileNotFoundError: no such folder, or nothing of a run in it.
        ValueError: more than one evaluation in it.
    """
    folder = Path(folder)
    results_file = _only(folder, RESULTS)
    cost_file = _only(folder, COST)
    scalars = sorted(folder.glob(LOG))
    if not results_file and not cost_file and not scalars:
        raise FileNotFoundError(
            f'{folder} holds no results.json, cost.json or training log; '
            'give the work dir of a run.'
        )
    results = json.loads(results_file.read_text()) if results_file else None
    own = folder.resolve().name
    name = name or REPEAT.sub('', own)
    repeat = REPEAT.search(own)
    return Run(
        name=name,
        results=results,
        cost=json.loads(cost_file.read_text()) if cost_file else None,
        log=_read_log(scalars, results['metric'] if results else ''),
        folder=results_file.parent if results_file else folder,
        label=name + (repeat[0] if repeat else ''),
    )


def split_name(word: str | Path) -> tuple[str, Path]:
    """A word of the command line, FOLDER or NAME=FOLDER, as a name ('' without) and a path."""
    if Path(word).exists():
        return '', Path(word)
    name, _, folder = str(word).rpartition('=')
    return name, Path(folder)


def read_runs(words: Sequence[str | Path]) -> list[Run]:
    """Read several runs, each given as a folder or as NAME=FOLDER.

    A folder of several evaluations (as tools/robustness.py leaves one of several models, in
    WORK_DIR/NAME/results.json) is all of them, called by their own folders' names.
    Folders whose names differ only in -seedN are repeats of one name; others of the same name get
    as many of their parents' names in front as tell them apart. Every label is another.

    Raises:
        FileNotFoundError: as `read_run`.
        ValueError: a folder given twice, or one name for a folder of several evaluations.
    """
    named = []
    for word in words:
        name, folder = split_name(word)
        named += [(name, part) for part in _evaluations(folder, name)]
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
    for at, (_, folder) in enumerate(named):
        if labels[runs[at].label] > 1:
            runs[at] = replace(runs[at], label=f'{runs[at].label} ({folder})')
    return runs


def _only(folder: Path, kind: str) -> Path | None:
    """The one file of that name in a folder or one folder down; None where there is none."""
    files = sorted({*folder.glob(kind), *folder.glob(f'*/{kind}')})
    if len(files) > 1:
        raise ValueError(
            f'{folder} holds {len(files)} files {kind} ({", ".join(map(str, files))}); '
            'give the folder of one of them.'
        )
    return files[0] if files else None


def _evaluations(folder: Path, name: str) -> list[Path]:
    """The folder itself, or the folders of several evaluations one folder down.

    A folder with a cost or a training log is that of one run.
    """
    below = sorted(file.parent for file in folder.glob(f'*/{RESULTS}'))
    own = [folder / RESULTS, *folder.glob(COST), *folder.glob(f'*/{COST}'), *folder.glob(LOG)]
    if len(below) < 2 or any(file.exists() for file in own):
        return [folder]
    if name:
        raise ValueError(
            f"'{name}' is one name for {len(below)} evaluations in {folder} "
            f'({", ".join(part.name for part in below)}); give the folder without a name, '
            'or NAME=FOLDER for each of them.'
        )
    return below


def _shortest(places: set[Path]) -> dict[Path, str]:
    """As much of the end of every path as no other one of the same name has."""
    found = {}
    for place in places:
        others = [other for other in places if other != place and other.name == place.name]
        shared = [_equal_parts(place, other) for other in others]
        size = 1 + max(shared, default=0)
        found[place] = '/'.join(place.parts[-size:])
    return found


def _equal_parts(one: Path, other: Path) -> int:
    """How many parts at the end of two paths are equal."""
    pairs = zip(reversed(one.parts), reversed(other.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _read_log(files: list[Path], metric: str) -> Log:
    """The log of a run; a resumed run wrote several files, and later lines replace earlier ones."""
    loss: dict[int, float] = {}
    values: dict[int, float] = {}
    share: dict[int, float] = {}
    phase: dict[int, int] = {}
    for file in files:
        here = 0
        for line in map(json.loads, file.read_text().splitlines()):
            if 'loss' in line:
                here = line.get('iter', line['step'])
                loss[here] = line['loss']
                if 'removed_params' in line:
                    share[here] = 1 - line['removed_params']
                if 'phase' in line:
                    phase[here] = int(line['phase'])
            elif metric in line:
                values[here] = line[metric]
    return Log(
        loss=sorted(loss.items()),
        metric=sorted(values.items()),
        share=sorted(share.items()),
        phases=_spans(sorted(phase.items())),
    )


def _spans(points: list[tuple[float, int]]) -> list[tuple[str, float, float]]:
    """Runs of equal phases as (name, from, to)."""
    names = PHASES
    last = max((phase for _, phase in points), default=0)
    if last >= len(PHASES):  # of a recipe with phases of its own
        names = tuple(f'phase {number + 1}' for number in range(last + 1))
    spans: list[tuple[str, float, float]] = []
    before = 0.0
    for at, phase in points:
        name = names[phase]
        if spans and spans[-1][0] == name:
            spans[-1] = (name, spans[-1][1], at)
        else:
            spans.append((name, before, at))
        before = at
    return spans
