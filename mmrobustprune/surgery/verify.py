"""The certificate of a surgery: the smaller network computes what the masked one computes."""
from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from ..masks.maskset import MaskSet
from .groups import Group, full
from .rebuild import rebuild
from .recording import Forward, default_forward, tensors_in

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def certify(masks: MaskSet, example: Any, forward: Forward | None = None,
            dtype: torch.dtype | None = None, seed: int = 0) -> float:
    """Largest relative difference between the masked network's outputs and the smaller one's.

    max |y_masked - y_removed| / max |y_masked| per output tensor, in evaluation mode, on random
    input of the example's shapes: once with the model's weights, once with random ones (a scale of
    zero or a vanishing signal would hide a wrong cut). Everything is done on copies. ``dtype`` is
    float64, or float32 where the forward does not run in float64 (mmcv's NMS). Raises ValueError
    above 1e-10 (float64) or 1e-4 (float32), with the groups whose removal alone changes outputs.
    """
    if dtype is None:
        try:
            return certify(masks, example, forward, torch.float64, seed)
        except RuntimeError as problem:
            if 'double' not in str(problem).lower():
                raise
            return certify(masks, example, forward, torch.float32, seed)
    forward = forward or default_forward
    example = random_like(example, dtype, seed)

    def error(alive: dict[str, Tensor]) -> float:
        model = copy.deepcopy(masks.model).to(dtype).eval()
        worst = _difference(model, masks, alive, example, forward)
        randomise(model, seed)
        return max(worst, _difference(model, masks, alive, example, forward))

    def only(groups: list[Group]) -> dict[str, Tensor]:
        return full(masks.groups) | {group.name: masks.alive[group.name] for group in groups}

    def guilty(groups: list[Group]) -> list[Group]:
        """The groups of a set that fails which fail by themselves; all where none does."""
        if len(groups) == 1:
            return groups
        halves = groups[:len(groups) // 2], groups[len(groups) // 2:]
        bad = [half for half in halves if error(only(half)) > TOLERANCE[dtype]]
        return [group for half in bad for group in guilty(half)] or groups

    found = error(masks.alive)
    if found <= TOLERANCE[dtype]:
        return found
    cut = [group for group in masks.groups if not masks.alive[group.name].all()]
    raise ValueError(
        'the surgery was refused: the outputs of the masked and of the smaller network differ by '
        f'{found:.2g} where {TOLERANCE[dtype]:.0e} is allowed; leave whole by ignore='
        f'{[group.name for group in guilty(cut)]}.')


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
    errors = [float((s - t).abs().max()) / (float(s.abs().max()) or 1.0)
              for s, t in zip(a, b, strict=True) if s.numel()]
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
        if parameter.dim() > 1:   # keeps the variance of the signal
            bound = (6 * parameter.shape[0] / parameter.numel()) ** 0.5
            fill(parameter, -bound, bound)
        else:
            fill(parameter, 0.5, 1.5)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()


@torch.no_grad()
def _difference(model: nn.Module, masks: MaskSet, alive: dict[str, Tensor], example: Any,
                forward: Forward) -> float:
    twin = MaskSet(model, masks.groups)
    twin.remove(alive)
    removed = rebuild(copy.deepcopy(model), twin.structure('certificate'))
    with FullPrecision():
        ours = forward(model, example)
        if not all(tensor.isfinite().all() for tensor in tensors_in(ours)):
            raise ValueError('the surgery cannot be certified: the network itself gives infinite or NaN outputs; '
                             'initialise or load its weights first.')
        try:
            return difference(ours, forward(removed, example))
        except RuntimeError:   # a width that is a number in the model's code
            return float('inf')
