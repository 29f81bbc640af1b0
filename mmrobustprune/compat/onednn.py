"""Two kinds of convolutions that oneDNN trains wrongly on a CPU.

uxlfoundation/oneDNN#6035 writes past its memory. It is the weight gradient of a 1x1 convolution
with a stride above 1, in float32 and channels-last order, with fewer input channels than a block
holds (8 with AVX2, 16 with AVX-512): the process aborts, or goes on with a damaged heap. Pruning
makes exactly such layers. Seen in torch 2.12.1 and 2.14.1 (oneDNN 3.11.2, 3.12.0).

While such a layer is trained it gets its input and its weight in contiguous order, and its output
is put back into channels-last order for the layers behind it. A layer's own numbers decide in every
call, so that a removal changes nothing here.

The other one, not reported upstream, is in bfloat16: where the input is narrower than the stride
(the last level of a pyramid on small images), weights of a kernel that meet no pixel get what lay
in memory as their gradient, NaN at times. Such a layer is trained in float32.

`python -m mmrobustprune.compat.onednn` says whether the faults are still there.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from .after_import import after_import

BLOCK = 16  # input channels; the wider of the two blocks
PATIENCE = 60  # seconds; the probe takes a few
_PROTECTING = ContextVar('protecting', default=True)

_PROBE = """
import torch

torch.set_num_threads(1)
for seed in range(40):
    torch.manual_seed(seed)
    conv = torch.nn.Conv2d(3 + 2 * (seed % 3), 14, 1, stride=2, bias=False)
    images = torch.randn(8, conv.in_channels, 14, 14).contiguous(memory_format=torch.channels_last)
    conv(images).sum().backward()
"""


def protect(functional: ModuleType) -> None:
    """Let `torch.nn.functional.conv2d`, and so every `nn.Conv2d`, keep clear of the fault.

    Args:
        functional: the module `torch.nn.functional`.
    """
    import torch

    plain = functional.conv2d

    @functools.wraps(plain)
    def conv2d(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, *args: Any, **kwargs: Any
    ):
        if is_narrow(input, weight, stride):
            with torch.autocast('cpu', enabled=False):
                wide = [None if one is None else one.float() for one in (input, weight, bias)]
                return plain(*wide, stride, *args, **kwargs).to(torch.bfloat16)
        if not is_affected(input, weight, stride):
            return plain(input, weight, bias, stride, *args, **kwargs)
        out = plain(_contiguous(input), _contiguous(weight), bias, stride, *args, **kwargs)
        return out.contiguous(memory_format=torch.channels_last)

    functional.conv2d = conv2d
    after_import('torch.jit._builtins', functools.partial(_script_as_operator, conv2d))


def _script_as_operator(conv2d: Callable, builtins: ModuleType) -> None:
    """Scripted models call the operator itself."""
    if builtins._builtin_table is None:
        builtins._builtin_ops.append((conv2d, 'aten::conv2d'))
    else:
        builtins._builtin_table[id(conv2d)] = 'aten::conv2d'


@contextmanager
def as_written() -> Iterator[None]:
    """Inside, convolutions run as they are written, for a graph that is read and never trained."""
    token = _PROTECTING.set(False)
    try:
        yield
    finally:
        _PROTECTING.reset(token)


def is_affected(input: Any, weight: Any, stride: Any) -> bool:
    """Whether a convolution would be trained by the faulty code.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (out, in / groups, kh, kw).
        stride: an int, or one for each axis.
    """

    if not _is_trained_here(input, weight) or input.dim() != 4:
        return False
    _, channels, *kernel = weight.shape
    strides = (stride,) if isinstance(stride, int) else tuple(stride)
    if channels >= BLOCK or tuple(kernel) != (1, 1) or max(strides) == 1:
        return False
    return _is_channels_last(input) or _is_channels_last(weight)


def is_narrow(input: Any, weight: Any, stride: Any) -> bool:
    """Whether a convolution would be trained in bfloat16 on an input narrower than its stride.

    Arguments as for `is_affected`.
    """
    import torch

    if not _is_trained_here(input, weight):
        return False
    step = stride if isinstance(stride, int) else stride[-1]
    if weight.shape[-1] == 1 or input.shape[-1] >= step:
        return False
    if torch.is_autocast_enabled('cpu'):
        return torch.get_autocast_dtype('cpu') is torch.bfloat16
    return weight.dtype is torch.bfloat16


def _is_trained_here(input: Any, weight: Any) -> bool:
    """Whether it is a convolution that is trained on a CPU, and protected."""
    import torch

    if not (torch.compiler.is_compiling() or _PROTECTING.get()):  # dynamo cannot read the latter
        return False
    if not isinstance(weight, torch.Tensor) or weight.dim() != 4:
        return False
    if not isinstance(input, torch.Tensor) or weight.device.type != 'cpu':
        return False
    if torch.jit.is_tracing():  # a graph for inference
        return False
    return torch.is_grad_enabled() and weight.requires_grad


def _is_channels_last(tensor: Any) -> bool:
    """By the strides alone: an axis of length 1 hides the order from `is_contiguous`."""
    import torch

    _, channels, height, width = tensor.shape
    contiguous = (channels * height * width, height * width, width, 1)
    return tensor.stride() != contiguous and tensor.is_contiguous(memory_format=torch.channels_last)


def _contiguous(tensor: Any) -> Any:
    import torch

    return tensor.clone(memory_format=torch.contiguous_format)


def leaves_memory() -> bool:
    """Whether the installed torch gives what lay in memory as a gradient in bfloat16."""
    import torch

    weight = torch.zeros(16, 16, 3, 3, dtype=torch.bfloat16, requires_grad=True)
    pixel = torch.ones(4, 16, 1, 1, dtype=torch.bfloat16)
    for _ in range(20):
        old = [torch.full((weight.numel(),), torch.nan, dtype=torch.bfloat16) for _ in range(20)]
        del old
        out = torch.conv2d(pixel, weight, stride=2, padding=1)  # not the protected one
        (gradient,) = torch.autograd.grad(out.float().sum(), weight)
        if not gradient.isfinite().all():
            return True
    return False


def is_faulty() -> bool:
    """Whether the installed torch still has #6035, tried in a process of its own."""
    limited = dict(os.environ, ONEDNN_MAX_CPU_ISA='AVX2')
    command = [sys.executable, '-c', _PROBE]
    try:
        done = subprocess.run(command, env=limited, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:  # an abort can wait for a lock of the damaged heap
        return True
    if done.returncode > 0:
        raise RuntimeError(f'the probe could not run: {done.stderr.decode()[-500:]}')
    return done.returncode < 0  # ended by a signal


after_import('torch.nn.functional', protect)

if __name__ == '__main__':
    print('oneDNN#6035 is still there' if is_faulty() else 'oneDNN#6035 does not show here')
    shown = 'are still there' if leaves_memory() else 'do not show here'
    print(f'gradients in bfloat16 that were never written {shown}')
