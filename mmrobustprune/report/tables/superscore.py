"""The superscore of SR-GKP (NeurIPS 2023): the best checkpoint of each metric, chosen two ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .cards import Card, Column

ORACLE = (
    'Each value is of the checkpoint that is best in it on the test set itself (oracle); '
    'the values of one row may come from different checkpoints.'
)
HONEST = (
    'Each value is of the checkpoint that is best in it on held-out data; '
    'the test set chose nothing.'
)
OPTIMISM = 'What choosing on the test set adds: oracle less held-out.'


@dataclass(frozen=True)
class Checkpoint:
    """Values of one fully pruned checkpoint, higher is better.

    Attributes:
        test: metric -> value on the test set.
        val: metric -> value on held-out data.
    """

    method: str
    epoch: int
    test: Mapping[str, float]
    val: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pick:
    """The value on the test set, and the epoch it is of."""

    value: float
    epoch: int


def superscore(
    checkpoints: Sequence[Checkpoint], select_on: str = 'test'
) -> dict[str, dict[str, Pick]]:
    """Method -> metric -> the best checkpoint's value on the test set; of equals the earliest.

    Args:
        checkpoints: of any number of methods, all with the same metrics.
        select_on: 'test' (oracle) or 'val' (held-out).

    Raises:
        ValueError: nothing given, another `select_on`, or a checkpoint that lacks a value.
    """
    if select_on not in ('test', 'val'):
        raise ValueError(f"select_on={select_on!r} is unknown; choose 'test' or 'val'.")
    if not checkpoints:
        raise ValueError('a superscore of no checkpoints was asked for; give at least one.')
    metrics = list(checkpoints[0].test)
    for one in checkpoints:
        _refuse_other_metrics(one, metrics, select_on)
    found: dict[str, dict[str, Pick]] = {}
    for method in dict.fromkeys(one.method for one in checkpoints):
        own = [one for one in checkpoints if one.method == method]
        own.sort(key=lambda one: one.epoch)
        found[method] = {metric: _best(own, metric, select_on) for metric in metrics}
    return found


def optimism(checkpoints: Sequence[Checkpoint]) -> dict[str, dict[str, float]]:
    """Method -> metric -> oracle less held-out choice, never below 0."""
    oracle = superscore(checkpoints, 'test')
    honest = superscore(checkpoints, 'val')
    found: dict[str, dict[str, float]] = {}
    for method, picks in oracle.items():
        found[method] = {
            metric: pick.value - honest[method][metric].value for metric, pick in picks.items()
        }
    return found


def best_rows(checkpoints: Sequence[Checkpoint], method: str) -> list[Checkpoint]:
    """The checkpoints that are best in some metric on the test set, whole and each once."""
    own = {one.epoch: one for one in checkpoints if one.method == method}
    picks = superscore(checkpoints)[method]
    epochs = dict.fromkeys(pick.epoch for pick in picks.values())
    return [own[epoch] for epoch in epochs]


def values(picks: Mapping[str, Mapping[str, Pick]]) -> dict[str, dict[str, float]]:
    """The picks without their epochs."""
    found = {}
    for method, row in picks.items():
        found[method] = {metric: pick.value for metric, pick in row.items()}
    return found


def tables(checkpoints: Sequence[Checkpoint], form: str = '.2f') -> dict[str, Card]:
    """Caption -> table, one row per method.

    The oracle's, and with held-out values the honest one's and the optimism.
    """
    metrics = list(checkpoints[0].test) if checkpoints else []

    def card(rows: Mapping[str, Mapping[str, float]], better: str) -> Card:
        return Card(
            [dict(row, name=method) for method, row in rows.items()],
            [Column(metric, metric, form, better) for metric in metrics],
        )

    made = {ORACLE: card(values(superscore(checkpoints)), 'high')}
    if all(one.val for one in checkpoints):
        made[HONEST] = card(values(superscore(checkpoints, 'val')), 'high')
        made[OPTIMISM] = card(optimism(checkpoints), '')
    return made


def markdown(checkpoints: Sequence[Checkpoint], form: str = '.2f') -> str:
    """Every table under its caption."""
    made = tables(checkpoints, form)
    return '\n'.join(f'{caption}\n\n{card.markdown()}' for caption, card in made.items())


def _refuse_other_metrics(one: Checkpoint, metrics: Sequence[str], select_on: str) -> None:
    chosen_on = getattr(one, select_on)
    lacking = [metric for metric in metrics if metric not in one.test or metric not in chosen_on]
    if lacking or len(one.test) != len(metrics):
        raise ValueError(
            f'epoch {one.epoch} of {one.method} has not the same values as the others '
            f'({", ".join(lacking) or "more metrics"}; chosen on {select_on}); '
            'evaluate all of them alike.'
        )


def _best(own: Sequence[Checkpoint], metric: str, select_on: str) -> Pick:
    best = max(own, key=lambda one: getattr(one, select_on)[metric])
    return Pick(best.test[metric], best.epoch)
