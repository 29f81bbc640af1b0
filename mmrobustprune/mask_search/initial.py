"""First scores, and random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .reads import input_dim


def fan_in(weight: Tensor) -> int:
    """How many weights feed one output of a weight (out, in, ...)."""
    return weight[0].numel()


def scaled(name: str, weight: Tensor) -> Tensor:
    """s = sqrt(6 / fan_in) * w / max|w|, so that the first mask is by magnitude (HYDRA).

    Raises:
        ValueError: a layer whose weights are all zero or all of one size, which gives no order.
    """
    return _to_peak(name, weight.detach(), math.sqrt(6 / fan_in(weight)))


def input_norms(name: str, weight: Tensor, dim: int = 1) -> Tensor:
    """s_c = sqrt(6) * ||w_c||_1 / max_c ||w_c||_1 of the input channels c.

    Args:
        name: of the layer, for errors.
        weight: (out, in, ...).
        dim: where its input channels are.

    Returns:
        (1, in, 1, 1), with `in` at `dim`.
    """
    return _to_peak(name, _sizes_of_inputs(weight, dim), math.sqrt(6))


def norms_of_streams(
    layers: Mapping[str, nn.Module], leaders: Mapping[str, str]
) -> dict[str, nn.Parameter]:
    """s_c = sqrt(6) * S_c / max_c S_c with S_c = sum over a stream's readers of ||w_c||_1.

    Args:
        layers: {name: convolution or linear layer}.
        leaders: {name: the first layer of its stream}.

    Returns:
        {name: (in,)}; the readers of one stream share a parameter.
    """
    sums: dict[str, Tensor] = {}
    for name, layer in layers.items():
        size = _sizes_of_inputs(layer.weight, input_dim(layer)).flatten()
        leader = leaders[name]
        sums[leader] = sums[leader] + size if leader in sums else size
    shared = {
        leader: nn.Parameter(_to_peak(leader, size, math.sqrt(6))) for leader, size in sums.items()
    }
    return {name: shared[leaders[name]] for name in layers}


def uniform(name: str, weight: Tensor, draw: torch.Generator) -> Tensor:
    """s from U(-b, b) with b = 1 / sqrt(fan_in), whatever the weights (Kaiming, a = sqrt(5))."""
    return (_random(weight, draw) * 2 - 1) / math.sqrt(fan_in(weight))


def signed_constant(weight: Tensor, draw: torch.Generator) -> Tensor:
    """w = +- sqrt(2 / fan_in), either sign as likely (arXiv 1911.13299)."""
    signs = torch.where(_random(weight, draw) < 0.5, -1.0, 1.0).to(weight)
    return signs * math.sqrt(2 / fan_in(weight))


def kaiming_normal(weight: Tensor, draw: torch.Generator) -> Tensor:
    """w from N(0, 2 / fan_in)."""
    noise = torch.randn(weight.shape, generator=draw, dtype=torch.float64)
    return (noise * math.sqrt(2 / fan_in(weight))).to(weight)


def _sizes_of_inputs(weight: Tensor, dim: int) -> Tensor:
    """||w_c||_1 of the input channels, every other dimension 1."""
    others = [d for d in range(weight.dim()) if d != dim]
    return weight.detach().abs().sum(others, keepdim=True)


def _random(weight: Tensor, draw: torch.Generator) -> Tensor:
    return torch.rand(weight.shape, generator=draw, dtype=torch.float64).to(weight)


def _to_peak(name: str, values: Tensor, peak: float) -> Tensor:
    size = values.abs()
    low = float(size.min())
    high = float(size.max())
    if high == 0 or (low == high and values.numel() > 1):
        why = 'all zero' if high == 0 else 'all of one size'
        raise ValueError(
            f"the weights of '{name}' are {why}, so scores scaled from them order nothing; train "
            "the network first, draw scores at random (RLTH's scores_from='uniform'), or put "
            f"'{name}' into ignore."
        )
    return values * (peak / high)
