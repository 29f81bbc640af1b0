"""Whether records were made of one experiment: as it is now, and evaluated in one way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .experiment import Experiment
from .job import plan_of

EVALUATION = ('metric', 'suite', 'severities', 'images', 'subset')
ATTACK = ('space', 'label', 'clip', 'keep', 'step', 'steps', 'random_start', 'queries', 'subset')
MADE = ('options', 'config_content')  # of a plan; the path of a config depends on where one stands

Record = Mapping[str, Any]


def refuse_unlike(experiment: Experiment, records: Iterable[Record]) -> None:
    """Refuse records of an experiment that was edited in between.

    Raises:
        ValueError: one was trained with another config or options than its method has now, or
            evaluated otherwise than the others.
    """
    records = list(records)
    _check_plans(experiment, records)
    said: dict[str, tuple[str, Any]] = {}
    for record in records:
        for what, value in _evaluation(record).items():
            label, other = said.setdefault(what, (_label(record), value))
            if other != value:
                raise ValueError(
                    f'{_label(record)} was evaluated with {what} {value} and {label} with {other}; '
                    'remove the record of one and its evaluations, and run it again as the '
                    'experiment is now.'
                )


def _check_plans(experiment: Experiment, records: list[Record]) -> None:
    plans: dict[str, dict[str, Any]] = {}
    for record in records:
        made = record.get('plan')
        if made is None:  # of an earlier version
            continue
        if record['name'] not in plans:
            plans[record['name']] = plan_of(experiment, record['name'])
        for key in MADE:
            now = plans[record['name']][key]
            if made[key] != now:
                raise ValueError(
                    f'{_label(record)} was made with {key} {made[key]} and the experiment now has '
                    f'{now}; remove its record to run it again, or give another --work-dir and '
                    '--results.'
                )


def _evaluation(record: Record) -> dict[str, Any]:
    """How the numbers of a record were made, as far as it says."""
    found = {key: record[key] for key in EVALUATION if record.get(key) is not None}
    for label, every in (record.get('attacks') or {}).items():
        for one in every:
            for key in ATTACK:
                if one.get(key) is not None:
                    found[f'{label} {one["attack"]} {one["eps"]:.3g} {key}'] = one[key]
    return found


def _label(record: Record) -> str:
    return f'{record["name"]}-seed{record["seed"]}'
