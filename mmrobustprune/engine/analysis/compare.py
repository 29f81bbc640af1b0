"""What several checkpoints cost, measured side by side."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mmrobustprune.cost.count import Cost, count, latency
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config, test_size
from mmrobustprune.engine.bridge.model import example_of_shape
from mmrobustprune.engine.pruning.forward import named_in, whole_forward
from mmrobustprune.grouped_kernels import fix_forms


def measure(
    models: Mapping[str, tuple[str | Path, str | Path]],
    size: tuple[int, int] | None = None,
    forward: str = '',
) -> dict[str, tuple[Cost, dict]]:
    """Parameters, MACs and latency of checkpoints, their timed calls taking turns.

    Layers of grouped kernels are timed in the form in which they are exported, the faster one.

    Args:
        models: name -> (config, checkpoint), dense or pruned.
        size: input height and width in pixels; None reads it from each test pipeline.
        forward: 'package.module:function' that calls each of them; '' is what its config says as
            robust_prune.forward, or the model's own tensor forward.
    Returns:
        name -> (`Cost` with every layer, the row for cost.json: params, macs, latency in ms for one
        image and how it was measured, and the forms of its grouped-kernel layers).
    Raises:
        FileNotFoundError, ValueError: as `load_model`, `test_size` and `whole_forward`.
    """
    costs = {}
    calls = {}
    forms = {}
    sizes = {}
    for name, (file, checkpoint) in models.items():
        given = as_config(file)
        call = whole_forward(forward or named_in(given))
        model, _, config = load_model(given, str(checkpoint))
        sizes[name] = size or test_size(config)
        example = example_of_shape(model, *sizes[name], call)
        costs[name] = count(model, example, call)
        forms[name] = fix_forms(model, 'fastest', example, call)
        calls[name] = partial(call, model, example)
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
        if forms[name]:
            row['forms'] = forms[name]
        found[name] = (cost, row)
    return found
