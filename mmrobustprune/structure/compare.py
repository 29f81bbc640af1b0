"""How far two networks differ on random input, and what makes that comparison exact."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from mmrobustprune.dependency.recording import tensors_in

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def random_like(example: Any, dtype: torch.dtype, seed: int) -> Any:
    """The example with standard normal noise in place of its floating-point tensors."""
    generator = torch.Generator().manual_seed(seed)

    def noise(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        return torch.randn(leaf.shape, generator=generator, dtype=dtype).to(leaf.device)

    return tree_map(noise, example)


def difference(ours: Any, theirs: Any) -> float:
    """max |a - b| / max |a| per tensor, the largest over nested tuples, lists and dicts."""
    a, b = tensors_in(ours), tensors_in(theirs)
    if [t.shape for t in a] != [t.shape for t in b]:
        return float('inf')
    errors = [
        float((s - t).abs().max()) / (float(s.abs().max()) or 1.0)
        for s, t in zip(a, b, strict=True)
        if s.numel()
    ]
    return max((error if error == error else float('inf') for error in errors), default=0.0)


class FullPrecision(TorchFunctionMode):
    """Layers that cast to float32 inside (mmdet's L2Norm) stay in float64."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is Tensor.float and args[0].dtype == torch.float64:
            return args[0]
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Random weights that keep the signal's variance, and statistics as at the start."""
    generator = torch.Generator().manual_seed(seed + 1)

    def fill(tensor: Tensor, low: float, high: float) -> None:
        noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(noise * (high - low) + low)

    for parameter in model.parameters():
        if parameter.dim() > 1:  # keeps the variance of the signal
            bound = (6 * parameter.shape[0] / parameter.numel()) ** 0.5
            fill(parameter, -bound, bound)
        else:
            fill(parameter, 0.5, 1.5)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
