"""How rough a kernel is, and how large."""

from __future__ import annotations

from torch import Tensor


def roughness(weight: Tensor, power: float = 2) -> Tensor:
    """Sum over a kernel's cells i, and the up to eight cells j around each, of ||w_i|^p - |w_j|^p|.

    SR-GKP (NeurIPS 2023), equation 1: the kernel smoothness, which is larger for rougher kernels;
    every pair counts from both ends, nothing is padded. A constant kernel and a 1x1 kernel have 0.

    Args:
        weight: (..., kh, kw).
        power: p.
    Returns:
        (...)
    """
    a = weight.abs().pow(power)
    pairs = (
        (a[..., 1:, :], a[..., :-1, :]),
        (a[..., 1:], a[..., :-1]),
        (a[..., 1:, 1:], a[..., :-1, :-1]),
        (a[..., 1:, :-1], a[..., :-1, 1:]),
    )
    return 2 * sum((one - two).abs().sum((-2, -1)) for one, two in pairs)


def energy(weight: Tensor) -> Tensor:
    """Sum of squares of a kernel; (..., kh, kw) -> (...)."""
    return weight.square().sum((-2, -1))


def size(weight: Tensor) -> Tensor:
    """Roughness, or energy of 1x1 kernels, which have none. (..., kh, kw) -> (...)."""
    return energy(weight) if weight.shape[-2:] == (1, 1) else roughness(weight)
