"""What a run left on disk: accuracy under corruption, cost and training log, read from its folder."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PHASES = ('adaptive warm-up', 'pruning', 'fine-tuning')


@dataclass(frozen=True)
class Log:
    """A training run, every series as (iteration, value): training loss, validation metric, parameters left."""
    loss: list[tuple[float, float]] = field(default_factory=list)
    metric: list[tuple[float, float]] = field(default_factory=list)
    share: list[tuple[float, float]] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One trained model: its name, `results` of tools/robustness.py, `cost` (params, macs, latency), its log."""
    name: str
    results: Mapping[str, Any] | None = None
    cost: Mapping[str, Any] | None = None
    log: Log = field(default_factory=Log)

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

    def cells(self) -> dict[int, dict[str, float]]:
        """Severity -> corruption -> metric."""
        table: dict[int, dict[str, float]] = {}
        for cell in self.results['cells'] if self.results else ():
            if cell.get(self.results['metric']) is not None:
                table.setdefault(cell['severity'], {})[cell['corruption']] = cell[self.results['metric']]
        return table


def read_run(folder: str | Path, name: str = '') -> Run:
    """Read the run in `folder`: results.json and cost.json, there or one folder down, and mmengine's scalars.

    Args:
        name: of its row; by default the folder's without '-seedN', so that repeats share a row.
    Raises:
        FileNotFoundError: no such folder, or nothing of a run in it.
        ValueError: more than one evaluation in it.
    """
    folder = Path(folder)
    found = {kind: sorted({*folder.glob(kind), *folder.glob(f'*/{kind}')}) for kind in ('results.json', 'cost.json')}
    scalars = sorted(folder.glob('*/vis_data/scalars.json'))
    if not any(found.values()) and not scalars:
        raise FileNotFoundError(f'{folder} holds no results.json, cost.json or training log; give the work dir of a run.')
    for kind, files in found.items():
        if len(files) > 1:
            raise ValueError(f'{folder} holds {len(files)} files {kind} ({", ".join(map(str, files))}); '
                             'give the folder of one of them.')
    results, cost = (json.loads(files[0].read_text()) if files else None for files in found.values())
    metric = results['metric'] if results else ''
    return Run(name or re.sub(r'-seed\d+$', '', folder.resolve().name), results, cost, _read_log(scalars, metric))


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
    return Log(*(sorted(series.items()) for series in (loss, values, share)), _spans(sorted(phase.items())))


def _spans(points: list[tuple[float, int]]) -> list[tuple[str, float, float]]:
    """Runs of equal phases as (name, from, to)."""
    spans: list[tuple[str, float, float]] = []
    before = 0.
    for at, phase in points:
        if spans and spans[-1][0] == PHASES[phase]:
            spans[-1] = (PHASES[phase], spans[-1][1], at)
        else:
            spans.append((PHASES[phase], before, at))
        before = at
    return spans
