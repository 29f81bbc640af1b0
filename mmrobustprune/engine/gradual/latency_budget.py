"""A latency as the budget: its table, measured once by one process, and the time on both sides of the removal."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.dependency.groups import Trace
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import example_batch, tensor_forward
from mmrobustprune.latency import (
    LatencyModel,
    LatencySelection,
    LatencyTable,
    Network,
    measure_table,
    measure_whole,
    stamp_of,
)
from mmrobustprune.rng import preserved_rng

TABLE = 'latency_table.json'


def latency_selection(
    recipe: Any, model: nn.Module, trace: Trace, example: dict, work_dir: str
) -> LatencySelection:
    """What keeps the units of most score within a time, by the recipe's table, measured as far as it lacks this network."""
    inputs = pictures(recipe, model, example)
    network, like = Network.read(model, trace, inputs, tensor_forward), stamp_of(model, inputs)
    path = Path(recipe.table or Path(work_dir) / TABLE)

    def measure() -> None:
        table = LatencyTable.open(path, like, create=recipe.may_measure)
        if recipe.may_measure:
            with preserved_rng():  # a run that finds its table goes on as one that made it
                measure_table(
                    table,
                    network,
                    model,
                    inputs,
                    tensor_forward,
                    step=recipe.round_to or 1,
                    seconds=recipe.seconds,
                )

    on_main(measure)
    cost = LatencyModel(network, LatencyTable.open(path, like, create=False))
    print_log(
        f'{path}: {like["device"]}, {like["threads"]} threads, batch {recipe.batch}; the dense network takes '
        f'{cost.dense:.4g} ms',
        'current',
    )
    return LatencySelection(
        cost,
        trace.groups,
        min_keep=recipe.min_keep,
        round_to=recipe.round_to or 1,
        solver=recipe.solver,
        normalise=recipe.normalise,
    )


def measured_latency(
    recipe: Any,
    selection: LatencySelection,
    alive: dict,
    dense: nn.Module,
    model: nn.Module,
    example: dict,
) -> dict[str, float]:
    """Milliseconds of the dense and the pruned network, predicted and measured now; the same for all processes."""
    inputs, cost = pictures(recipe, model, example), selection.cost
    before, now = on_main(
        lambda: [
            getattr(measure_whole(one, inputs, tensor_forward), cost.table.statistic)
            for one in (dense, model)
        ]
    )
    macs = [count(one, inputs, tensor_forward).macs for one in (dense, model)]
    found = dict(
        latency_dense=before,
        latency_dense_predicted=cost.dense,
        latency_predicted=cost.predict(alive),
        latency_measured=now,
        speed_up=before / now,
        macs_ratio=macs[0] / macs[1],
    )
    print_log(
        f'dense {before:.4g} ms, pruned {now:.4g} ms: {before / now:.3g} times as fast (the table foretells '
        f'{cost.dense / found["latency_predicted"]:.3g} times) with {found["macs_ratio"]:.3g} times fewer MACs',
        'current',
    )
    if abs(now / before * cost.dense / found['latency_predicted'] - 1) > 0.1:
        print_log(
            'this differs from the table by more than a tenth, as it does where other work ran during one of the two: measure '
            'again on an idle machine by `tools/analyze.py latency CONFIG CHECKPOINT --table ...`, or make the table anew.',
            'current',
            logging.WARNING,
        )
    return found


def pictures(recipe: Any, model: nn.Module, example: dict) -> dict:
    """The batch that is timed."""
    height, width = recipe.shape or example['inputs'].shape[-2:]
    return example_batch(model, height, width, recipe.batch)
