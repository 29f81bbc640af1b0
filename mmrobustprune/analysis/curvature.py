"""The sharpest direction of a loss: power iteration on its Hessian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .vectors import Loss, check, evaluate, flat, pieces


@dataclass(frozen=True)
class Curvature:
    """What power iteration found.

    Attributes:
        value: the Rayleigh quotient v'Hv of the last v, signed: once converged the eigenvalue of
            greatest magnitude.
        residual: ||Hv - value v||; some eigenvalue lies within this distance of the value.
        iterations: products that moved v; one more gave the value.
        loss: the loss itself.
        history: the quotient before every move and at the end.
    """

    value: float
    residual: float
    iterations: int
    loss: float
    history: tuple[float, ...]


def lambda_max(
    loss: Loss,
    params: Sequence[Tensor],
    iterations: int = 10,
    seed: int = 0,
    tolerance: float = 0.0,
) -> Curvature:
    """Curvature of a loss in its sharpest direction, by power iteration.

    v <- Hv / ||Hv|| from a random unit vector, then v'Hv. This finds the eigenvalue of greatest
    *magnitude*, so the value may be negative, and too few iterations underestimate the magnitude:
    read it together with the residual. Two eigenvalues of equal magnitude and opposite sign never
    settle. Of scores behind a straight-through mask, H is the derivative that autograd computes,
    D H_u D with H_u the Hessian in the effective weights and D = diag(sign(s) w), pruned entries
    included; the loss itself is piecewise constant there. No `.grad` is written; mode and buffers
    of normalisation layers are the caller's (`flags.frozen_buffers`).

    Args:
        loss: recomputes the same scalar whenever it is called.
        params: leaves that the loss depends on, any shapes, together n entries.
        iterations: at most this many; the published value of S2AP's figures is 10.
        seed: of the first vector, which does not depend on the device.
        tolerance: stop where the residual is at most this share of |value|; 0 never stops early
            but at an exact eigenvector.

    Raises:
        ValueError: fewer than one iteration, a negative tolerance, tensors without gradient, a loss
            that is not finite.
    """
    if iterations < 1 or tolerance < 0:
        raise ValueError(
            f'iterations={iterations} and tolerance={tolerance} were given; take at least 1 '
            'iteration and a tolerance of at least 0.'
        )
    params = check(params)
    value = evaluate(loss)
    product = _hessian(value, params)
    entries = sum(one.numel() for one in params)
    v = torch.randn(entries, generator=torch.Generator().manual_seed(seed)).to(params[0])
    v = v / v.norm()
    history: list[float] = []
    while True:
        turned = product(v)
        quotient = torch.dot(v, turned)
        residual = float((turned - quotient * v).norm())
        history.append(float(quotient))
        length = turned.norm()
        if len(history) > iterations or not length or residual <= tolerance * abs(history[-1]):
            return Curvature(
                history[-1], residual, len(history) - 1, float(value.detach()), tuple(history)
            )
        v = turned / length


def _hessian(value: Tensor, params: Sequence[Tensor]):
    """v -> Hv (n,), through one graph of the gradient that every product uses again."""
    if value.grad_fn is None:
        raise ValueError(
            'the loss does not depend on the tensors given; give those that it is computed from.'
        )
    gradients = torch.autograd.grad(value, params, create_graph=True, materialize_grads=True)
    curved = [number for number, one in enumerate(gradients) if one.requires_grad]

    def product(v: Tensor) -> Tensor:
        if not curved:
            return torch.zeros_like(v)  # a linear loss
        parts = pieces(v, params)
        turned = torch.autograd.grad(
            [gradients[n] for n in curved],
            params,
            [parts[n] for n in curved],
            retain_graph=True,
            materialize_grads=True,
        )
        return flat(turned)

    return product
