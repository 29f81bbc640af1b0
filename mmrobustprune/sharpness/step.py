"""The step in two passes: gradient at w, move to w + e, gradient there, back to w, update."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.optim import Optimizer

from mmrobustprune.flags import frozen_buffers
from mmrobustprune.rng import RandomState, preserved_rng

from .ascents import Ascent, Pass, Step
from .build import build_ascent
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
    model: nn.Module,
    optimizer: Optimizer,
    rule: Rule | None,
    closure: Callable[..., Tensor],
    ascent: str | Mapping | Ascent = 'fresh',
) -> Tensor:
    """One optimizer step with the gradient taken at w + e, where e is the rule's offset at w.

    All passes see the same random numbers; weights come back bit by bit, buffers keep what one pass
    gave them: that at w where the ascent makes one there. Under DistributedDataParallel the first
    of two passes is not synchronised: every rank climbs by its own gradient.

    Args:
        model: the network, its DistributedDataParallel wrapper included.
        optimizer: its gradients are cleared and one step is taken; only its parameters move. Its
            state also holds what an ascent remembers.
        rule: None is a plain step.
        closure: returns the loss of one forward pass of `model`, without backward: a scalar, or one
            number for each sample, whose mean counts ('part' needs those). For an ascent that
            passes parts of a batch it is `closure(take=lambda samples: samples)` and passes
            `take(images)` and `take(labels)`.
        ascent: what the rule makes its offset of: 'fresh', the gradient of this batch, in a pass of
            its own; others need one pass or little more (`mmrobustprune.sharpness.ascents`).

    Returns:
        The loss at w, or at w + e where that is the only pass of the batch, detached.

    Raises:
        ValueError: a sharded model, DistributedDataParallel(static_graph=True), an unknown ascent,
            or one that the optimizer, the rule or the closure does not go with.
    """
    optimizer.zero_grad()
    if rule is None:
        loss = closure().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()
    refuse_unsupported(model)
    ascent = build_ascent(ascent)
    ascent.check(optimizer, rule)
    refuse_whole(ascent, closure)
    step = Step(bare(model), optimizer, rule, group=replicas(model))
    losses = list(_made(model, ascent.passes(step), closure))
    if losses[0][0].again:
        whole = [loss for one, loss in losses if one.take is None]  # parts have other means
        warn_if_far(rule, whole[0], whole[-1])
    with step.noted():
        optimizer.step()
    return next(loss for one, loss in losses if one.own)


def _made(
    model: nn.Module, passes: Generator[Pass, Tensor, None], closure: Callable[..., Tensor]
) -> Iterator[tuple[Pass, Tensor]]:
    """Make every pass that an ascent asks for; each with its loss."""
    start = RandomState.now()
    loss = None
    with closing(passes):
        while (one := next_pass(passes, loss)) is not None:
            with _aside(model, one, start), unsynchronised(model, one.local):
                with torch.set_grad_enabled(one.learns):
                    loss = closure() if one.take is None else closure(one.take)
                    total = loss.mean()
                if one.learns:
                    total.backward()
            if one.each and not loss.ndim:
                raise ValueError(
                    'the ascent needs the loss of each sample and the closure gives one number; '
                    "return a vector, as cross_entropy(..., reduction='none') does."
                )
            loss = loss.detach()
            yield one, total.detach()


def next_pass(passes: Generator[Pass, Tensor, None], loss: Tensor | None) -> Pass | None:
    """The next pass that an ascent asks for, having got the loss of the last; None at the end."""
    try:
        return passes.send(loss)
    except StopIteration:
        return None


@contextmanager
def _aside(model: nn.Module, one: Pass, start: RandomState) -> Iterator[None]:
    """Around a pass: unless it is the batch's own, buffers and generators stay as they are."""
    if one.own:
        yield
        return
    with frozen_buffers(model), preserved_rng(start):
        yield


def unsynchronised(model: nn.Module, local: bool = True) -> AbstractContextManager:
    """Around a forward pass whose gradients stay on their rank, if they are local."""
    return model.no_sync() if local and hasattr(model, 'no_sync') else nullcontext()


def bare(model: nn.Module) -> nn.Module:
    """The network inside a data-parallel wrapper."""
    wrappers = nn.parallel.DistributedDataParallel, nn.DataParallel
    return model.module if isinstance(model, wrappers) else model


def replicas(model: nn.Module) -> ProcessGroup | None:
    """The processes that train the model together; None is this one alone."""
    together = isinstance(model, nn.parallel.DistributedDataParallel)
    return model.process_group if together else None


def refuse_whole(ascent: Ascent, closure: Callable) -> None:
    """Raise ValueError for a closure that cannot pass the parts of a batch that an ascent takes."""
    if ascent.parts and not inspect.signature(closure).parameters:
        raise ValueError(
            f'{ascent} passes parts of a batch and the closure takes no argument; write it as '
            '`def closure(take=lambda samples: samples)`, with take(images) and take(labels).'
        )


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
