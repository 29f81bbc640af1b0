"""The passes of one step: the forward call that the training makes, and repetitions of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mmrobustprune.flags import frozen_buffers
from mmrobustprune.rng import preserved_rng
from mmrobustprune.sharpness import Ascent, Rule
from mmrobustprune.sharpness.ascents import Pass, Step
from mmrobustprune.sharpness.step import bare, next_pass, replicas, unsynchronised, warn_if_far

from .recorded_call import RecordedCall, check_loss, warn_if_stateful


class Stepper(Protocol):
    """What the passes need of an OptimWrapper; `optim_wrapper.SharpnessMixin` has it."""

    optimizer: Optimizer
    rule: Rule
    ascent: Ascent

    def opens_update(self) -> bool: ...

    def should_sync(self) -> bool: ...

    def pass_context(self, model: nn.Module) -> AbstractContextManager: ...

    def backward_of(self, loss: Tensor) -> None: ...

    def gradient_norm(self) -> Tensor: ...

    def log(self, name: str, value: Callable[[], Tensor]) -> None: ...


class RecordedPasses:
    """One step of an OptimWrapper, as its ascent asks for it.

    Args:
        wrapper: whose rule and ascent make the step.
        model: the model that `optim_context` was given, its data-parallel wrapper included.
        check: compare the loss to be minimised with what the model returned, and warn of modules
            that a repeated call changes.
        rests: the weights stay where they are.

    Attributes:
        step: what the ascent works on.
        perturbed_loss: of the pass at w + e, where the batch had one at w before; else None.
    """

    def __init__(
        self, wrapper: Stepper, model: nn.Module, check: bool = False, rests: bool = False
    ):
        self.step = Step(
            bare(model),
            wrapper.optimizer,
            wrapper.rule,
            opens=wrapper.opens_update(),
            updates=wrapper.should_sync(),
            group=replicas(model),
            rests=rests,
        )
        self.perturbed_loss: Tensor | None = None
        self._wrapper = wrapper
        self._model = model
        self._check = check
        self._asked = wrapper.ascent.passes(self.step)
        self._own: Pass | None = None
        self._call: RecordedCall | None = None  # where it is made again
        self._calls = 0
        self._busy = False  # with a repetition
        self._inside: ExitStack | None = None  # what ends with the context

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Ask the ascent when the model is called inside; no hook stays on the model."""
        with ExitStack() as self._inside:
            hooks = [
                self._model.register_forward_pre_hook(self._before, with_kwargs=True),
                self._model.register_forward_hook(self._after),
            ]
            for hook in hooks:
                self._inside.callback(hook.remove)
            try:
                yield
            except BaseException:
                self.abandon()
                raise
        self._inside = None

    def abandon(self) -> None:
        """Put the weights back where they were; no further pass is made."""
        self._asked.close()

    def finish(self, loss: Tensor) -> None:
        """Make what is left of the step, so that the parameters hold the gradients to update by.

        Args:
            loss: that the training has made of the call inside `listen`.

        Raises:
            ValueError: the context is still open, or the call cannot be made again.
        """
        try:
            self._refuse()
            told = self._told(self._own, self._call and self._call.output, loss)
            if self._call is not None:
                if self._check:
                    check_loss(self._call, loss)
                self._call.output = None  # it would keep the graph
            self._wrapper.backward_of(loss)
            if self._own.again:
                self._wrapper.log('grad_norm_w', self._wrapper.gradient_norm)
            one = next_pass(self._asked, told)
            while one is not None:
                one = next_pass(self._asked, self._made(one))
        finally:
            self.abandon()
        if self.perturbed_loss is not None:
            self._wrapper.log('sharpness', lambda: self.perturbed_loss - loss.detach())
            warn_if_far(self.step.rule, loss, self.perturbed_loss)

    def _before(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self._busy:
            return
        self._calls += 1
        if self._calls > 1:
            return
        one = next_pass(self._asked, None)
        if one.again or not one.own:
            self._call = RecordedCall.of(module, args, kwargs)
            if self._check:
                warn_if_stateful(module)
        while not one.own:
            one = next_pass(self._asked, self._made(one))
        self._own = one
        self._inside.enter_context(unsynchronised(self._model, one.local))

    def _after(self, module: nn.Module, args: tuple, output: Any) -> None:
        if self._call is not None and not self._busy and (self._check or self._own.each):
            self._call.output = output

    def _told(self, one: Pass, output: Any, loss: Tensor) -> Tensor:
        """What the ascent is told of a pass."""
        return self._call.losses(output) if one.each else loss.detach()

    def _made(self, one: Pass) -> Tensor:
        """Repeat the call for a pass; what the ascent is told of it."""
        call = self._call
        self._busy = True
        with frozen_buffers(self.step.model), preserved_rng(call.start):
            with self._wrapper.pass_context(self._model), unsynchronised(self._model, one.local):
                with torch.set_grad_enabled(one.learns):
                    output = call.replay(one.take, one.again)
                    loss = call.loss(output)
            if one.learns:
                self._wrapper.backward_of(loss)
        self._busy = False
        if one.take is None:
            self.perturbed_loss = loss.detach()
        return self._told(one, output, loss)

    def _refuse(self) -> None:
        name = type(self.step.model).__name__
        if self._inside is not None:
            raise ValueError(
                'update_params was called inside optim_context; call it after the context ended.'
            )
        if self._calls == 0 or (self._calls > 1 and self._call is not None):
            raise ValueError(
                f'{name} was called {self._calls} times inside optim_context and two passes need '
                "exactly one call; compute the loss by one model(**data, mode='loss') there, or "
                'train with rule=None.'
            )
