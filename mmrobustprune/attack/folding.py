"""BatchNorm of an evaluated, frozen network as the affine map that it is there.

Where it can be it goes into the convolution before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .classifier import Function

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_CONVOLUTIONS = (nn.Conv1d.forward, nn.Conv2d.forward, nn.Conv3d.forward)


@contextmanager
def folded_norms(model: nn.Module, like: Tensor | None = None) -> Iterator[None]:
    """BatchNorm as scale * x + shift on a CPU, where its own backward pass is thrice as slow.

    scale = gamma / sqrt(var + eps), shift = beta - mean * scale. Where a convolution's output goes
    into one norm and nowhere else the norm vanishes: W' = scale * W, b' = scale * b + shift.
    Outputs change in rounding alone.

    Args:
        model: frozen, in evaluation mode; it computes as usual again afterwards.
        like: (N, ...), what it takes; the first one is passed through the model to see what
            follows what. None folds nothing and leaves maps alone.
    """
    norms = [
        norm
        for norm in model.modules()
        if type(norm) in _NORMS
        and norm.running_mean is not None
        and norm.running_mean.device.type == 'cpu'
        and 'forward' not in vars(norm)
    ]
    before = {} if like is None or not norms else _convolutions_before(model, norms, like)
    changed = []
    try:
        for norm in norms:
            scale, shift = _affine_map(norm)
            conv = before.get(norm)
            changed += [norm] if conv is None else [norm, conv]
            if conv is None:
                norm.forward = _mapped(scale, shift)
            else:
                weight = conv.weight * scale.view(-1, *(1 for _ in conv.weight.shape[1:]))
                bias = shift if conv.bias is None else shift + scale * conv.bias
                conv.forward = _convolved(conv, weight, bias)
                norm.forward = _same
        yield
    finally:
        for module in changed:
            vars(module).pop('forward', None)


def _convolutions_before(
    model: nn.Module, norms: list[nn.Module], like: Tensor
) -> dict[nn.Module, nn.Module]:
    """Norm -> the convolution whose output is read by this norm alone, each called once.

    Found by the graph of one forward pass.
    """
    convs = [
        conv
        for conv in model.modules()
        if type(conv).forward in _CONVOLUTIONS and 'forward' not in vars(conv)
    ]
    given: dict[nn.Module, list] = {conv: [] for conv in convs}
    taken: dict[nn.Module, list] = {norm: [] for norm in norms}
    hooks = [
        conv.register_forward_hook(
            lambda module, args, output: given[module].append(output.grad_fn)
        )
        for conv in convs
    ]
    hooks += [
        norm.register_forward_pre_hook(lambda module, args: taken[module].append(args[0].grad_fn))
        for norm in norms
    ]
    try:
        with torch.enable_grad(), torch.autocast(like.device.type, enabled=False):
            end = model(like[:1].detach().requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    readers = _readers(end)
    makers = {
        nodes[0]: conv
        for conv, nodes in given.items()
        if len(nodes) == 1 and readers[nodes[0]] == 1
    }
    return {
        norm: makers[nodes[0]]
        for norm, nodes in taken.items()
        if len(nodes) == 1 and nodes[0] in makers
    }


def _readers(end: Tensor) -> Counter:
    """How many steps of the graph behind a tensor read each node's output."""
    count = Counter()
    waiting = [end.grad_fn] if end.grad_fn is not None else []  # None: nothing of the input arrives
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and not count[node]:
                waiting.append(node)
            count[node] += 1
    return count


def _affine_map(norm: nn.Module) -> tuple[Tensor, Tensor]:
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias


def _mapped(scale: Tensor, shift: Tensor) -> Function:
    def forward(x: Tensor) -> Tensor:
        shape = (-1, *(1 for _ in x.shape[2:]))
        return torch.addcmul(shift.to(x.dtype).view(shape), x, scale.to(x.dtype).view(shape))

    return forward


def _convolved(conv: nn.Module, weight: Tensor, bias: Tensor) -> Function:
    return lambda x: conv._conv_forward(x, weight, bias)


def _same(x: Tensor) -> Tensor:
    return x
