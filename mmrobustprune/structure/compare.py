"""How far two networks differ on random input, and what of it is rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from mmrobustprune.dependency.kinds import is_batch_norm
from mmrobustprune.dependency.recording import tensors_in

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
CEILING = {torch.float64: 1e-5, torch.float32: 1e-2}  # no rounding is larger than this
_SHAPES = {Tensor.shape.__get__, Tensor.size, Tensor.dim, Tensor.numel, Tensor.device.__get__}
DRAWS = 3  # neighbours of an input on which the effect of one ulp is measured


@dataclass(frozen=True)
class Verdict:
    """Whether two outputs are those of one function.

    Attributes:
        found: largest relative difference, see `difference`.
        allowed: how large it may be.
    """

    found: float
    allowed: float

    @property
    def same(self) -> bool:
        """Whether what was found is allowed."""
        return self.found <= self.allowed


def judge(
    ours: Any, theirs: Any, again: Callable[[Any], Any], example: Any, dtype: torch.dtype
) -> Verdict:
    """Compare the outputs of two networks that should differ by rounding alone.

    Allowed is the larger of 1e-10 (float32: 1e-4) and ten times what one ulp of the input does to
    the outputs, measured, for there are networks that amplify rounding (offsets of deformable
    convolutions, for instance). A network in which one ulp does 1e-6 (1e-3) or more is compared
    at 1e-5 (1e-2): beyond that nothing could be told from an error.

    Args:
        ours: the outputs of one network, nested tuples, lists and dicts of tensors.
        theirs: those of the other.
        again: gives the outputs of the first network for an input.
        example: the input of both.
        dtype: the precision that they were computed in.
    """
    found = difference(ours, theirs)
    allowed = TOLERANCE[dtype]
    if allowed < found < float('inf'):
        effects = [difference(ours, again(one_ulp_off(example, seed))) for seed in range(DRAWS)]
        told = [effect for effect in effects if effect < float('inf')]  # as many outputs as before
        allowed = max(allowed, min(10 * max(told, default=0.0), CEILING[dtype]))
    return Verdict(found, allowed)


def compare(
    one: nn.Module,
    other: nn.Module,
    forward: Callable[[nn.Module, Any], Any],
    example: Any,
    dtype: torch.dtype,
) -> Verdict:
    """The verdict on two networks that should compute the same for an input, see `judge`."""
    with FullPrecision(dtype):
        ours = forward(one, example)
        theirs = forward(other, example)
        return judge(ours, theirs, partial(forward, one), example, dtype)


def one_ulp_off(example: Any, seed: int) -> Any:
    """The example with every floating-point number the next one, up or down at random."""
    generator = torch.Generator().manual_seed(seed)

    def shift(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        up = torch.rand(leaf.shape, generator=generator).to(leaf.device) < 0.5
        return torch.nextafter(leaf, torch.where(up, float('inf'), -float('inf')).to(leaf.dtype))

    return tree_map(shift, example)


def random_like(example: Any, dtype: torch.dtype, seed: int) -> Any:
    """The example with standard normal noise in place of its floating-point tensors."""
    generator = torch.Generator().manual_seed(seed)

    def noise(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        return torch.randn(leaf.shape, generator=generator, dtype=dtype).to(leaf.device)

    return tree_map(noise, example)


def cropped(example: Any, most: int) -> Any:
    """The example with at most that many pixels a side of every image (N, C, H, W)."""
    return _resized(example, lambda side: min(side, most))


def halved(example: Any) -> Any:
    """The example with every image (N, C, H, W) of more than 128 pixels a side at half its size.

    Sides stay multiples of 32 pixels.
    """
    return _resized(example, lambda side: max(side // 64 * 32, 128) if side > 128 else side)


def _resized(example: Any, size: Callable[[int], int]) -> Any:
    def shrink(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point() or leaf.dim() != 4:
            return leaf
        height, width = map(size, leaf.shape[2:])
        return leaf[..., :height, :width].contiguous()

    return tree_map(shrink, example)


def difference(ours: Any, theirs: Any) -> float:
    """max |a - b| / max |a| per tensor, the largest over nested tuples, lists and dicts.

    Infinite where shapes differ or a number is NaN.
    """
    a = tensors_in(ours)
    b = tensors_in(theirs)
    if [t.shape for t in a] != [t.shape for t in b]:
        return float('inf')
    worst = 0.0
    for one, other in zip(a, b, strict=True):
        if one.numel():
            scale = float(one.abs().max()) or 1.0
            error = float((one - other).abs().max()) / scale
            worst = float('inf') if error != error else max(worst, error)
    return worst


class FullPrecision(TorchFunctionMode):
    """Inside, a network computes in one precision, also where its code asks for float32.

    mmdet's L2Norm casts to that, and the position encodings of XCiT are made in it.

    Args:
        dtype: the precision.
        parameters: whether parameters of another precision are read in this one, each while it is
            used, so that no copy of a whole network is made.
    """

    def __init__(self, dtype: torch.dtype = torch.float64, parameters: bool = False):
        super().__init__()
        self.dtype = dtype
        self.parameters = parameters

    def __enter__(self) -> FullPrecision:
        self._default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch.set_default_dtype(self._default)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _SHAPES:
            return func(*args, **kwargs)
        if func is Tensor.float:
            return args[0].to(self.dtype)
        wide = {key: self._read(value) for key, value in kwargs.items()}
        return func(*map(self._read, args), **wide)

    def _read(self, value: Any) -> Any:
        if value is torch.float32:
            return self.dtype
        if type(value) in (list, tuple):
            return type(value)(self._read(one) for one in value)
        if self.parameters and type(value) is nn.Parameter and value.is_floating_point():
            return value.detach().to(self.dtype)
        return value


@torch.no_grad()
def randomise(model: nn.Module, seed: int, gain: float = 1.0) -> None:
    """Random weights that keep the signal's variance (x gain^2), and statistics as at the start."""
    generator = torch.Generator().manual_seed(seed + 1)

    def fill(tensor: Tensor, low: float, high: float) -> None:
        noise = torch.rand(tensor.shape, generator=generator)  # float32 is random enough
        tensor.copy_(noise.mul_(high - low).add_(low))

    for parameter in model.parameters():
        if parameter.dim() > 1:  # keeps the variance of the signal
            bound = gain * (6 * parameter.shape[0] / parameter.numel()) ** 0.5
            fill(parameter, -bound, bound)
        else:
            fill(parameter, 0.5, 1.5)
    for module in model.modules():
        if is_batch_norm(module):
            module.reset_running_stats()
