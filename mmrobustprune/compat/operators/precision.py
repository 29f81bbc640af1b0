"""What the operators share: half precision, and gradients of what is written in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 where it is in half precision, which not every kernel takes."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def gradients(function: Callable, inputs: Sequence[Tensor], grad_output: Tensor) -> tuple:
    """Gradients of `function(*inputs)` with respect to all of its inputs."""
    leaves = [wide(tensor.detach()).requires_grad_() for tensor in inputs]
    with torch.enable_grad():
        output = function(*leaves)
    return torch.autograd.grad(output, leaves, wide(grad_output))
