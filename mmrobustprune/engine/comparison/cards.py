"""Cards of the leaderboard from the records of an experiment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmrobustprune.engine.bridge.checkpoint import read_checkpoint, weights_of
from mmrobustprune.records.stamp import state_hash
from mmrobustprune.report.comparison.columns import metrics
from mmrobustprune.report.comparison.page import read_records
from mmrobustprune.report.leaderboard.result_card import KEPT, NOT_KEPT, Evaluation, ResultCard

from .experiment import DENSE, Experiment
from .job import Job

TRAINING = ('epochs', 'minutes', 'gradients', 'learning_rate')
COST = ('params', 'macs', 'latency')


def make_cards(experiment: Experiment, work: Path, results: Path) -> list[ResultCard]:
    """A card for every record, with its checkpoint where that is kept.

    Args:
        experiment: whose records lie in `results`.
        work: where its trainings lie, if they are still there.
        results: folder of the records, one per experiment inside.
    """
    folder = results / experiment.name
    return [
        _card(experiment, record, work, folder) for record in read_records(folder, experiment.names)
    ]


def _card(
    experiment: Experiment, record: Mapping[str, Any], work: Path, folder: Path
) -> ResultCard:
    label = f'{record["name"]}-seed{record["seed"]}'
    asked = [column.key for column in metrics([record], experiment.suite)]
    numbers = {key: record[key] for key in asked if record.get(key) is not None}
    job = Job(experiment, record['name'], record['seed'], experiment.epochs, work)
    config, checkpoint = _kept(job, folder / f'{label}.pth')
    evaluations = _evaluations(record)
    kept = bool(checkpoint and evaluations)
    return ResultCard(
        name=f'{experiment.name}-{label}',
        board=experiment.title,
        method=record['name'],
        status=KEPT if kept else NOT_KEPT,
        metric=record['metric'],
        numbers=numbers,
        source=str(folder / f'{label}.json'),
        config=str(config),
        checkpoint=str(checkpoint) if kept else '',
        weights=digest(checkpoint) if kept else '',
        seed=record['seed'],
        images=record['images'],
        cost={key: record[key] for key in COST if record.get(key) is not None},
        training={key: record[key] for key in TRAINING if record.get(key) is not None},
        evaluations=evaluations,
        versions=record.get('versions') or {},
        commit=record.get('commit'),
    )


def digest(checkpoint: str | Path) -> str:
    """What tells the weights of a checkpoint from all others."""
    return state_hash(weights_of(read_checkpoint(str(checkpoint))))


def _kept(job: Job, beside: Path) -> tuple[str | Path, Path | None]:
    """The config of a result and its weights, beside its record or in the work dir."""
    if job.name == DENSE:
        found = [job.dense] if job.experiment.weights else []
        there = [path for path in (beside, *found, job.dense) if path.is_file()]
        return job.config, there[0] if there else None
    pruned = job.folder / 'pruned.pth'
    if pruned.is_file():
        return job.folder / 'pruned.py', pruned
    return job.config, None


def _evaluations(record: Mapping[str, Any]) -> tuple[Evaluation, ...]:
    """The commands that made the numbers, without what was evaluated and where."""
    labels = iter(record.get('attacks') or {})
    found = []
    for line in record.get('commands') or ():
        words = shlex.split(line)
        tool = Path(words[1]).stem if len(words) > 3 else ''
        place = words[words.index('--work-dir') + 1] if '--work-dir' in words else ''
        if tool not in ('robustness', 'attack') or Path(place).name.startswith('mask-'):
            continue
        options = words[4 : words.index('--work-dir')] if place else words[4:]
        label = next(labels, '') if tool == 'attack' else ''
        found.append(Evaluation(tool, label, tuple(options)))
    return tuple(found)
