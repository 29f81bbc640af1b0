"""What can be pruned in a checkpoint, and what not and why, before anything is removed."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config

from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.model import example_of_shape
from mmrobustprune.engine.pruning.forward import structure_forward
from mmrobustprune.surgery.followed import trace


def explain(
    config: Config,
    checkpoint: str,
    size: tuple[int, int],
    ignore: Sequence[str] = (),
    forward: str = '',
    attention: str = 'dims',
) -> str:
    """Every chain of channels that go together, then what is unprunable and why, line by line.

    Args:
        config: of the network.
        checkpoint: its weights.
        size: input in pixels, (H, W).
        ignore: module names, prefixes or patterns to leave as they are.
        forward: 'package.module:function' instead of the model's own, see `Recipe`.
        attention: what a unit of an attention is, see `Recipe`.

    Raises:
        ValueError: the network cannot be traced, or there is no such function.
    """
    model, _, _ = load_model(config, checkpoint)
    call = structure_forward(forward, model)
    return trace(model, example_of_shape(model, *size, call), call, ignore, attention).explain()
