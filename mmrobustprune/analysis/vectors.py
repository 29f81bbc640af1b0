"""Several tensors as one vector, and deterministic losses as functions of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

Loss = Callable[[], Tensor]


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All entries in one vector (n,), a copy."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def pieces(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """The parts of a vector (n,) in the shapes of `like`."""
    parts = vector.split([one.numel() for one in like])
    return [part.view_as(one) for part, one in zip(parts, like, strict=True)]


@contextmanager
def put_back(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Afterwards the tensors hold the same bits in the same storage as before."""
    before = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)


def evaluate(loss: Loss) -> Tensor:
    """The loss with a graph that can be differentiated twice, which fused attention has not.

    Raises:
        ValueError: it is no finite scalar.
    """
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        value = loss()
    if value.numel() != 1 or not torch.isfinite(value).all():
        found = f'{value.item()}' if value.numel() == 1 else f'a tensor {tuple(value.shape)}'
        raise ValueError(
            f'the loss is {found} and sharpness needs one finite number; check the data, or take '
            'other weights.'
        )
    return value.reshape(())


def check(params: Sequence[Tensor]) -> list[Tensor]:
    """The tensors as a list.

    Raises:
        ValueError: none were given, or one that takes no gradient.
    """
    params = list(params)
    if not params:
        raise ValueError('no tensors were given to move in; give the scores or the weights.')
    for number, one in enumerate(params):
        if not (one.is_leaf and one.requires_grad and one.is_floating_point()):
            raise ValueError(
                f'tensor {number} {tuple(one.shape)} takes no gradient; give floating-point leaves '
                'with requires_grad=True.'
            )
    return params
