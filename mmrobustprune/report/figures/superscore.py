"""The superscore of SR-GKP (NeurIPS 2023), the best checkpoint of each metric, and what an honest choice would have given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmrobustprune.report.tables.cards import Card, Column

from .style import COLOURS, look, save

ORACLE = (
    'Each value is of the checkpoint that is best in it on the test set itself (oracle); the values of one row may come '
    'from different checkpoints.'
)
HONEST = 'Each value is of the checkpoint that is best in it on held-out data; the test set chose nothing.'
OPTIMISM = 'What choosing on the test set adds: oracle less held-out.'


@dataclass(frozen=True)
class Checkpoint:
    """Values of one fully pruned checkpoint, higher is better: metric -> value, on the test set and on held-out data."""

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
    """Method -> metric -> the best checkpoint's value on the test set; of equally good checkpoints the earliest.

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
        lacking = [
            metric
            for metric in metrics
            if metric not in one.test or metric not in getattr(one, select_on)
        ]
        if lacking or len(one.test) != len(metrics):
            raise ValueError(
                f'epoch {one.epoch} of {one.method} has not the same values as the others '
                f'({", ".join(lacking) or "more metrics"}; chosen on {select_on}); evaluate all of them alike.'
            )
    found: dict[str, dict[str, Pick]] = {}
    for method in dict.fromkeys(one.method for one in checkpoints):
        own = sorted(
            (one for one in checkpoints if one.method == method), key=lambda one: one.epoch
        )
        best = {
            metric: max(own, key=lambda one: getattr(one, select_on)[metric]) for metric in metrics
        }
        found[method] = {metric: Pick(one.test[metric], one.epoch) for metric, one in best.items()}
    return found


def optimism(checkpoints: Sequence[Checkpoint]) -> dict[str, dict[str, float]]:
    """Method -> metric -> oracle less held-out choice, never below 0."""
    oracle, honest = (superscore(checkpoints, select_on) for select_on in ('test', 'val'))
    return {
        method: {
            metric: pick.value - honest[method][metric].value for metric, pick in picks.items()
        }
        for method, picks in oracle.items()
    }


def best_rows(checkpoints: Sequence[Checkpoint], method: str) -> list[Checkpoint]:
    """The checkpoints that are best in some metric on the test set, whole and each once."""
    own = {one.epoch: one for one in checkpoints if one.method == method}
    picks = superscore(checkpoints)[method]
    return [own[epoch] for epoch in dict.fromkeys(pick.epoch for pick in picks.values())]


def tables(checkpoints: Sequence[Checkpoint], form: str = '.2f') -> dict[str, Card]:
    """Caption -> table, one row per method: the oracle's, and with held-out values the honest one's and the optimism."""
    metrics = list(checkpoints[0].test) if checkpoints else []

    def card(rows: Mapping[str, Mapping[str, float]], better: str) -> Card:
        return Card(
            [dict(values, name=method) for method, values in rows.items()],
            [Column(metric, metric, form, better) for metric in metrics],
        )

    made = {ORACLE: card(_values(superscore(checkpoints)), 'high')}
    if all(one.val for one in checkpoints):
        made[HONEST] = card(_values(superscore(checkpoints, 'val')), 'high')
        made[OPTIMISM] = card(optimism(checkpoints), '')
    return made


def markdown(checkpoints: Sequence[Checkpoint], form: str = '.2f') -> str:
    """Every table under its caption."""
    return '\n'.join(
        f'{caption}\n\n{card.markdown()}' for caption, card in tables(checkpoints, form).items()
    )


def superscore_bars(
    path: str | Path, checkpoints: Sequence[Checkpoint], select_on: str = 'test'
) -> Path:
    """Draw a group of bars per method, one bar per metric."""
    picks = _values(superscore(checkpoints, select_on))
    metrics = list(next(iter(picks.values())))
    width = 0.8 / len(metrics)
    with look():
        figure = Figure(figsize=(max(6.2, 1.2 * len(picks)), 3.8))
        axes = figure.subplots()
        places = np.arange(len(picks))
        for number, metric in enumerate(metrics):
            bars = axes.bar(
                places + (number - (len(metrics) - 1) / 2) * width,
                [values[metric] for values in picks.values()],
                width * 0.92,
                color=COLOURS[number % len(COLOURS)],
                label=metric,
            )
            axes.bar_label(bars, fmt='%.1f', fontsize=7, padding=1)
        axes.set_xticks(places, list(picks))
        axes.grid(axis='x', visible=False)
        chosen = 'on the test set (oracle)' if select_on == 'test' else 'on held-out data'
        axes.set(
            ylabel='accuracy',
            title=f'Superscore, chosen {chosen}',
            xlabel="each bar is the best checkpoint's; bars of one method may be of different ones",
        )
        axes.legend(loc='upper center', bbox_to_anchor=(0.5, -0.17), ncols=len(metrics))
        return save(figure, path)


def _values(picks: Mapping[str, Mapping[str, Pick]]) -> dict[str, dict[str, float]]:
    return {
        method: {metric: pick.value for metric, pick in of.items()} for method, of in picks.items()
    }
