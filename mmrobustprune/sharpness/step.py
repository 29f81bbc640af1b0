"""The step in two passes: gradient at w, move to w + e, gradient there, back to w, update."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.optim import Optimizer

from mmrobustprune.flags import frozen_buffers
from mmrobustprune.rng import RandomState, preserved_rng

from .guards import moved
from .rules import Rule

REMEDIES = dict.fromkeys(
    (
        'FullyShardedDataParallel',
        'FSDPModule',
        'DeepSpeedEngine',
        'MMDeepSpeedEngineWrapper',
        'ColossalAIModelWrapper',
    ),
    'train with DistributedDataParallel, or with rule=None',
)
TOO_FAR = 3.0  # times the clean loss


def two_pass_step(
    model: nn.Module, optimizer: Optimizer, rule: Rule | None, closure: Callable[[], Tensor]
) -> Tensor:
    """One optimizer step with the gradient taken at w + e, where e is the rule's offset at w.

    Both passes see the same random numbers; weights come back bit by bit, buffers keep what the
    first pass gave them. Under DistributedDataParallel the first pass is not synchronised: every
    rank climbs by its own gradient.

    Args:
        model: the network, its DistributedDataParallel wrapper included.
        optimizer: its gradients are cleared and one step is taken; only its parameters move.
        rule: None is a plain step.
        closure: returns the loss (a scalar) of one forward pass of `model`, without backward.

    Returns:
        The loss at w, detached.

    Raises:
        ValueError: a sharded model, or DistributedDataParallel(static_graph=True).
    """
    optimizer.zero_grad()
    if rule is None:
        loss = closure()
        loss.backward()
        optimizer.step()
        return loss.detach()
    refuse_unsupported(model)
    start = RandomState.now()
    params = every_parameter(model, optimizer)
    kept = swap_gradients(params)
    with unsynchronised(model):
        loss = closure()
        loss.backward()
    with perturbed(bare(model), optimizer, rule):
        swap_gradients(params, kept)
        with frozen_buffers(model), preserved_rng(start):
            second = closure()
            second.backward()
    warn_if_far(rule, loss, second)
    optimizer.step()
    return loss.detach()


@contextmanager
def perturbed(model: nn.Module, optimizer: Optimizer, rule: Rule) -> Iterator[None]:
    """The optimizer's weights at w + e inside, by the gradients they hold, which are used up."""
    weights, offsets = _climb(model, optimizer, rule)
    with moved(weights, offsets):
        yield


def _climb(model: nn.Module, optimizer: Optimizer, rule: Rule) -> tuple[list[Tensor], list[Tensor]]:
    owned = {id(p) for p in _parameters(optimizer)}
    turned = {
        id(module.weight)
        for module in model.modules()
        if isinstance(module, _ConvTransposeNd) and module.groups == 1
    }
    params = {}
    grads = {}
    for name, p in model.named_parameters():
        first = int(id(p) in turned)  # outputs come first, as the rules expect
        params[name] = p.detach().movedim(first, 0)
        if p.grad is not None and id(p) in owned:
            grads[name] = p.grad.movedim(first, 0)
    offsets = rule.offsets(params, grads, reuse=True)
    return [params[name] for name in offsets], list(offsets.values())


def every_parameter(model: nn.Module, optimizer: Optimizer) -> list[nn.Parameter]:
    """The parameters of the model and of the optimizer, each once."""
    return list({id(p): p for p in (*model.parameters(), *_parameters(optimizer))}.values())


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    found = []
    for group in optimizer.param_groups:
        found += group['params']
    return found


def swap_gradients(
    params: list[nn.Parameter],
    gradients: list[Tensor | None] | None = None,
) -> list[Tensor | None]:
    """Set the parameters' gradients (None: take them away), and return those they had."""
    before = [p.grad for p in params]
    for p, gradient in zip(params, gradients or [None] * len(params), strict=True):
        p.grad = gradient
    return before


def unsynchronised(model: nn.Module) -> AbstractContextManager:
    """Around a forward pass whose gradients stay on their rank."""
    return model.no_sync() if hasattr(model, 'no_sync') else nullcontext()


def bare(model: nn.Module) -> nn.Module:
    """The network inside a data-parallel wrapper."""
    wrappers = nn.parallel.DistributedDataParallel, nn.DataParallel
    return model.module if isinstance(model, wrappers) else model


def refuse_unsupported(model: nn.Module) -> None:
    """Raise ValueError for a wrapper under which two passes are unsound."""
    for cls in type(model).__mro__:
        if cls.__name__ in REMEDIES:
            raise ValueError(
                f'two passes do not work under {cls.__name__}; {REMEDIES[cls.__name__]}.'
            )
    if isinstance(model, nn.parallel.DistributedDataParallel) and model.static_graph:
        raise ValueError(
            'two passes do not work under DistributedDataParallel(static_graph=True); '
            'leave static_graph out of the model wrapper.'
        )


def warn_if_far(rule: Rule, clean: Tensor, far: Tensor) -> None:
    """Warn once per rule if the first perturbed loss is more than 3 times the clean one."""
    if rule.judged:
        return
    rule.judged = True
    before = float(clean.detach())
    after = float(far.detach())
    if before > 0 and after > TOO_FAR * before:
        warnings.warn(
            f'{rule} raised the loss from {before:.4g} to {after:.4g}, more than {TOO_FAR:g} '
            'times; use a smaller radius (2.0 suits ASAM and adaptive AdaSAP, 0.05 to 0.1 the '
            'others).',
            stacklevel=2,
        )
