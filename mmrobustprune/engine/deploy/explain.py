"""What can be pruned in a checkpoint, and what not and why, before anything is removed."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.model import example_of_shape, forward_of


def explain(
    config: Config, checkpoint: str, size: tuple[int, int], ignore: Sequence[str] = ()
) -> str:
    """Every chain of channels that go together, then what is unprunable and why, line by line.

    Args:
        config: of the network.
        checkpoint: its weights.
        size: input in pixels, (H, W).
        ignore: module names, prefixes or patterns to leave as they are.

    Raises:
        ValueError: the network cannot be traced.
    """
    model, _, _ = load_model(config, checkpoint)
    return trace(model, example_of_shape(model, *size), forward_of(model), ignore).explain()
