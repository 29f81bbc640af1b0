"""What Torch-Pruning makes of the same network, by itself."""

from __future__ import annotations

from typing import Any

import torch_pruning
from torch import nn

from mmrobustprune.dependency.groups import Trace
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.flags import flags_restored

OUTPUT = 'it is an output of the model'


def prune_with_torch_pruning(
    model: nn.Module, example: Any, forward: Forward, removed: float, trace: Trace | None
) -> None:
    """Prune as `shrink_with_torch_pruning` does, and run the smaller network."""
    shrink_with_torch_pruning(model, example, forward, removed, trace)
    forward(model, example)


def shrink_with_torch_pruning(
    model: nn.Module, example: Any, forward: Forward, removed: float, trace: Trace | None
) -> None:
    """Prune in place by Torch-Pruning's graph and group magnitude, equally in all layers.

    Of every layer 1 - sqrt(1 - removed) of the channels go, so that about `removed` of the
    multiplications do: its input and its output shrink.

    Args:
        model: the dense network.
        example: one batch of inputs.
        forward: `forward(model, example)` returns the outputs.
        removed: fraction of the multiplications.
        trace: ours, which names the output layers that its user would have to name; None names
            none.
    """
    outputs = [] if trace is None else [n for n, why in trace.unprunable.items() if why == OUTPUT]
    named = dict(model.named_modules())
    with flags_restored(model):
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        torch_pruning.pruner.BasePruner(
            model,
            example,
            torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=1 - (1 - removed) ** 0.5,
            ignored_layers=[named[name] for name in outputs if name in named],
            forward_fn=forward,
        ).step()
