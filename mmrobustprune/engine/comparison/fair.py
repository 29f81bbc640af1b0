"""What may stand in one table: the same budget, and the same cost of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmrobustprune.engine.bridge.config import load_config

from .experiment import DENSE, Budget, Experiment

GRADIENTS = 0.02  # how far two costs of training may lie apart, relative


def refuse_other_budget(experiment: Experiment, name: str) -> None:
    """Refuse, before anything is trained, a method whose config asks for another budget.

    Raises:
        ValueError: `robust_prune` of the method has another target, or one of another kind.
    """
    budget = experiment.budget
    if budget is None or name == DENSE:
        return
    arm = experiment.methods[name]
    asked = load_config(arm.config, arm.words()).get('robust_prune') or {}
    target = asked.get('target')
    kind = asked.get('budget', budget.of)
    if target is None or kind != budget.of:
        return  # what comes out is measured
    if abs(target - budget.removed) > budget.within:
        raise ValueError(
            f"method '{name}' removes {target:.4g} of the {budget.of} and the experiment "
            f'{budget.removed:.4g}; give it options={{"robust_prune.target": {budget.removed:.4g}}}'
            ' or the experiment another budget.'
        )


def removed(record: Mapping[str, Any], budget: Budget) -> float | None:
    """The fraction that a record says was removed; None where it does not say it."""
    if budget.of == 'weights':
        return record.get('removed')
    if budget.of == 'latency':
        ours, dense = record.get('predicted ms'), record.get('dense ms, predicted')
    else:
        ours, dense = record.get(budget.of), (record.get('dense_cost') or {}).get(budget.of)
    return None if ours is None or dense is None else 1 - ours / dense


def refuse_unequal(experiment: Experiment, records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse records that do not belong into one table.

    Raises:
        ValueError: one misses the budget, was trained for another number of epochs, or costs
            another number of gradients than the method it should cost as many as.
    """
    records = [record for record in records if record['name'] != DENSE]
    for record in records:
        _check_budget(experiment, record)
    _check_epochs(experiment, records)
    for name, arm in experiment.methods.items():
        if arm.costs_as:
            _check_gradients(records, name, arm.costs_as)


def _check_budget(experiment: Experiment, record: Mapping[str, Any]) -> None:
    budget = experiment.budget
    share = removed(record, budget) if budget else None
    if share is not None and abs(share - budget.removed) > budget.within:
        raise ValueError(
            f'{_label(record)} removed {share:.4f} of the {budget.of} and the budget is '
            f'{budget.removed:.4g} within {budget.within:g}; set its target so that it meets that, '
            'or leave the method out.'
        )


def _check_epochs(experiment: Experiment, records: list[Mapping[str, Any]]) -> None:
    """All the same epochs, times what each method is allowed."""
    found = {}
    for record in records:
        found[_label(record)] = record['epochs'] / experiment.methods[record['name']].times
    if len(set(found.values())) > 1:
        said = ', '.join(f'{label} {epochs:g}' for label, epochs in found.items())
        raise ValueError(
            f'the runs of {experiment.name} were trained for unequal epochs ({said}); give them '
            'another --results folder, or train them alike.'
        )


def _check_gradients(records: list[Mapping[str, Any]], name: str, other: str) -> None:
    costs = {}
    for wanted in (name, other):
        costs[wanted] = [
            record['gradients']
            for record in records
            if record['name'] == wanted and record.get('gradients')
        ]
    pairs = [(max(costs[name]), min(costs[other]))] if all(costs.values()) else []
    for ours, theirs in pairs:
        if abs(ours / theirs - 1) > GRADIENTS:
            raise ValueError(
                f"'{name}' took {ours:.2f} epochs of gradients and '{other}' {theirs:.2f}, and is "
                'said to cost as many; change its times.'
            )


def _label(record: Mapping[str, Any]) -> str:
    return f'{record["name"]}-seed{record["seed"]}'
