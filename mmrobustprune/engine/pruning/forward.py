"""The forward calls of a pruning: the model's own, or the one that a recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.model import forward_of, tensor_forward


def named_in(config: Mapping[str, Any]) -> str:
    """What a config says as `robust_prune.forward`; '' where it says nothing."""
    return (config.get('robust_prune') or {}).get('forward') or ''


def whole_forward(path: str) -> Forward:
    """The function of `robust_prune.forward`, or the model's own tensor forward.

    Args:
        path: 'package.module:function' of `function(model, example) -> outputs`, whose outputs must
            keep their meaning and depend on the parameters through autograd; `example` holds
            `inputs` (N, C, H, W) and `data_samples`. '' is the model's own.

    Raises:
        ValueError: there is no such module or function.
    """
    if not path:
        return tensor_forward
    module, _, name = path.partition(':')
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as problem:
        raise ValueError(
            f"robust_prune.forward='{path}' cannot be loaded ({problem}); give "
            "'package.module:function' of a module that Python finds."
        ) from problem


def structure_forward(path: str, model: nn.Module) -> Forward:
    """The forward with which a network is traced and certified: the same, or less of it.

    Args:
        path: as for `whole_forward`.
        model: whose own forward may do less where that changes no structure.
    """
    return whole_forward(path) if path else forward_of(model)
