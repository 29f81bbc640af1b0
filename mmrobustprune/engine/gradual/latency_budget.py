"""A latency as the budget: its table, measured once by one process, and the time that it saves."""

from __future__ import annotations

import logging
import statistics
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.dependency.groups import Trace
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import example_batch
from mmrobustprune.latency import (
    LatencyModel,
    LatencySelection,
    LatencyTable,
    Network,
    measure_table,
    measure_whole,
    stamp_of,
)
from mmrobustprune.masks.limits import limits_of
from mmrobustprune.rng import preserved_rng

from .setting import Setting

TABLE = 'latency_table.json'
TURNS = 10  # of each network, so that a busy machine slows both alike
PASSES = 5  # measured in a turn, after two that are not


def latency_selection(
    recipe: Any, model: nn.Module, trace: Trace, setting: Setting
) -> LatencySelection:
    """What keeps the units of most score within a time.

    The recipe's table is measured as far as it lacks this network.
    """
    inputs = timed_batch(recipe, model, setting.example)
    network = Network.read(model, trace, inputs, setting.timed_forward)
    like = stamp_of(model, inputs)
    path = Path(recipe.table or Path(setting.work_dir) / TABLE)

    def measure() -> None:
        table = LatencyTable.open(path, like, create=recipe.may_measure)
        if recipe.may_measure:
            with preserved_rng():  # a run that finds its table goes on as one that made it
                measure_table(
                    table,
                    network,
                    model,
                    inputs,
                    setting.timed_forward,
                    step=recipe.round_to or 1,
                    seconds=recipe.seconds,
                )

    on_main(measure)
    cost = LatencyModel(network, LatencyTable.open(path, like, create=False))
    print_log(
        f'{path}: {like["device"]}, {like["threads"]} threads, batch {recipe.batch}; the dense '
        f'network takes {cost.dense:.4g} ms',
        'current',
    )
    return LatencySelection(
        cost,
        trace.groups,
        min_keep=recipe.min_keep,
        round_to=recipe.round_to or 1,
        solver=recipe.solver,
        normalise=recipe.normalise,
        limits=limits_of(model, trace.groups, recipe.ratios),
    )


def measured_latency(
    recipe: Any,
    selection: LatencySelection,
    alive: dict,
    networks: tuple[nn.Module, nn.Module],
    setting: Setting,
) -> dict[str, float]:
    """Milliseconds of the dense and the pruned network, predicted and measured in turns.

    Args:
        recipe: which batch is timed.
        selection: what predicted.
        alive: which units are left, by group.
        networks: the dense one and the pruned one.
        setting: the example and the forward call.

    Returns:
        The same figures for all processes.
    """
    cost = selection.cost
    inputs = timed_batch(recipe, networks[1], setting.example)
    before, now = on_main(
        lambda: times_in_turns(networks, inputs, setting.timed_forward, cost.table.statistic)
    )
    macs = [count(network, inputs, setting.timed_forward).macs for network in networks]
    found = dict(
        latency_dense=before,
        latency_dense_predicted=cost.dense,
        latency_predicted=cost.predict(alive),
        latency_measured=now,
        speed_up=before / now,
        macs_ratio=macs[0] / macs[1],
    )
    predicted = cost.dense / found['latency_predicted']
    print_log(
        f'dense {before:.4g} ms, pruned {now:.4g} ms: {before / now:.3g} times as fast (the table '
        f'foretells {predicted:.3g} times) with {found["macs_ratio"]:.3g} times fewer MACs',
        'current',
    )
    if abs(now / before * predicted - 1) > 0.1:
        print_log(
            'this differs from the table by more than a tenth, as it does where the machine was '
            'busy when the table was made: measure again on an idle machine by `tools/analyze.py '
            'latency CONFIG CHECKPOINT --table ...`, or make the table anew.',
            'current',
            logging.WARNING,
        )
    return found


def times_in_turns(
    networks: tuple[nn.Module, ...], inputs: dict, forward: Forward, statistic: str
) -> list[float]:
    """Milliseconds of each network's forward pass; the networks take turns.

    Args:
        networks: in evaluation mode while they are timed.
        inputs: the batch.
        forward: how they take it.
        statistic: 'median' or 'least' of each turn; over the turns the same.
    """
    turns: list[list[float]] = [[] for _ in networks]
    for _ in range(TURNS):
        for network, times in zip(networks, turns, strict=True):
            timing = measure_whole(network, inputs, forward, warmup=2, repeats=PASSES)
            times.append(getattr(timing, statistic))
    over = min if statistic == 'least' else statistics.median
    return [over(times) for times in turns]


def timed_batch(recipe: Any, model: nn.Module, example: dict) -> dict:
    """The batch that is timed."""
    height, width = recipe.shape or example['inputs'].shape[-2:]
    return example_batch(model, height, width, recipe.batch)
