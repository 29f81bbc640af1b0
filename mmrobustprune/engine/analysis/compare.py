"""What several checkpoints cost, measured side by side."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mmrobustprune.cost.count import Cost, count, latency
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config, test_size
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward


def measure(
    models: Mapping[str, tuple[str | Path, str | Path]], size: tuple[int, int] | None = None
) -> dict[str, tuple[Cost, dict]]:
    """Parameters, MACs and latency of checkpoints, their timed calls taking turns.

    Args:
        models: name -> (config, checkpoint), dense or pruned.
        size: input height and width in pixels; None reads it from each test pipeline.
    Returns:
        name -> (`Cost` with every layer, the row for cost.json: params, macs, latency in ms for one
        image and how it was measured).
    Raises:
        FileNotFoundError, ValueError: as `load_model` and `test_size`.
    """
    costs = {}
    calls = {}
    sizes = {}
    for name, (file, checkpoint) in models.items():
        model, _, config = load_model(as_config(file), str(checkpoint))
        sizes[name] = size or test_size(config)
        example = example_of_shape(model, *sizes[name])
        costs[name] = count(model, example, tensor_forward)
        calls[name] = partial(tensor_forward, model, example)
    times = latency(calls)
    found = {}
    for name, cost in costs.items():
        row = dict(
            params=cost.params,
            macs=cost.macs,
            latency=times[name]['median_ms'],
            input=sizes[name],
            timing=times[name],
        )
        found[name] = (cost, row)
    return found
