"""What an ascent is, and what it is given: the weights and gradients of one step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.optim import Optimizer

from mmrobustprune.sharpness.guards import moved
from mmrobustprune.sharpness.rules import Rule

Directions = dict[nn.Parameter, Tensor]
Take = Callable[[Sequence], Sequence]


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass of a batch, as an ascent asks for it.

    Args:
        own: the pass that the batch would have in plain training: its loss is the step's, and
            buffers (BatchNorm statistics) and random generators go on as it leaves them. Every
            step has exactly one.
        again: the same batch is passed again afterwards.
        local: gradients stay on their rank under DistributedDataParallel.
        take: gives the samples that are passed, from any sequence or tensor with one entry for
            each; None passes them all.
        each: the loss of each sample (B,) is sent back, not their mean.
        learns: False is a forward pass alone.
    """

    own: bool = True
    again: bool = False
    local: bool = False
    take: Take | None = None
    each: bool = False
    learns: bool = True


ALONE = Pass()
REPEATED = Pass(own=False)


class Ascent:
    """Base of the ascents; a subclass says in `passes` how one step is made.

    Attributes:
        parts: whether some of its passes are of a part of the batch.
        several: whether it makes the several `inner_steps` of a rule.
        follows: whether it has to see the steps, too, in which nothing moves (`Step.rests`).
    """

    parts: ClassVar[bool] = False
    several: ClassVar[bool] = False
    follows: ClassVar[bool] = False

    def passes(self, step: Step) -> Generator[Pass, Tensor, None]:
        """Ask for the passes of one batch, one after the other.

        The caller makes each pass when it is asked for, by adding to the gradients that the
        parameters hold, and sends the loss back. An abandoned generator leaves the weights as they
        were. When it has ended, the parameters hold the gradients to update by.
        """
        raise NotImplementedError

    def check(self, optimizer: Optimizer, rule: Rule) -> None:
        """Raise ValueError for an optimizer or a rule that this ascent cannot work with."""
        if rule.inner_steps > 1 and not self.several:
            raise ValueError(
                f'{self} makes one step of {type(rule).__name__} a batch and inner_steps='
                f"{rule.inner_steps} asks for several; take ascent='fresh' or inner_steps=1."
            )


@dataclass
class Step:
    """The weights, gradients and memory of one step; with accumulation, of one micro-batch.

    Args:
        model: the network itself, without a data-parallel wrapper.
        optimizer: whose parameters move. Its state is the memory of the ascents, so that it is
            saved, resumed, masked and sliced with the momentum.
        rule: turns directions into offsets.
        opens: whether this batch is the first one since the optimizer's last step.
        updates: whether the optimizer takes a step after this batch.
        group: the processes that train replicas of the model; None is this one alone.
        rests: whether the weights stay where they are in this step.
    """

    model: nn.Module
    optimizer: Optimizer
    rule: Rule
    opens: bool = True
    updates: bool = True
    group: dist.ProcessGroup | None = None
    rests: bool = False
    _notes: dict[str, dict] = field(default_factory=dict, init=False)

    def __post_init__(self):
        self.rule.begin()

    @contextmanager
    def apart(self) -> Iterator[Directions]:
        """The gradients of the passes inside, in the dict it gives; afterwards those of before."""
        params = every_parameter(self.model, self.optimizer)
        accumulated = swap_gradients(params)
        found: Directions = {}
        try:
            yield found
            found.update((p, p.grad) for p in params if p.grad is not None)
        finally:
            swap_gradients(params, accumulated)

    @contextmanager
    def moved(
        self, directions: Directions, change: Callable[[list[Tensor]], None] | None = None
    ) -> Iterator[None]:
        """The weights at w + e inside, by the rule and along the directions, which are used up.

        Args:
            directions: {parameter: tensor of its shape}.
            change: is given the list of the offsets e, to put others in their places.
        """
        if self.rests:
            directions.clear()
            yield
            return
        weights, offsets = self._offsets(directions)
        if change is not None:
            change(offsets)
        with moved(weights, offsets):
            yield

    def gradients(self) -> Directions:
        """What the optimizer's parameters hold."""
        return {p: p.grad for p in parameters(self.optimizer) if p.grad is not None}

    def averaged(self, directions: Directions) -> Directions:
        """The mean over all ranks, in place."""
        if self.group is not None:
            for direction in directions.values():
                dist.all_reduce(direction, group=self.group)
                direction /= self.group.size()
        return directions

    def remembered(self, name: str) -> dict:
        """What was noted under a name in an earlier step: {parameter: tensor or number}."""
        state = self.optimizer.state
        return {p: state[p][name] for p in parameters(self.optimizer) if name in state.get(p, ())}

    def note(self, name: str, values: dict) -> None:
        """Have values remembered, as they are when the optimizer takes its step.

        Args:
            name: under which the optimizer's state holds them.
            values: {parameter with a gradient: a tensor of its shape, or a number}.
        """
        self._notes[name] = values

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Around the optimizer's step; where that is skipped nothing is written.

        Optimizers make their own state at the first step and must not find another's before.
        """
        handles = (
            self.optimizer.register_step_pre_hook(self._keep),
            self.optimizer.register_step_post_hook(self._write),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        for values in self._notes.values():
            for p, value in values.items():
                if value is p.grad:  # SGD adds Nesterov's momentum to it in place
                    values[p] = value.clone()

    def _write(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        for name, values in self._notes.items():
            for p, value in values.items():
                optimizer.state[p][name] = value

    def _offsets(self, directions: Directions) -> tuple[list[Tensor], list[Tensor]]:
        owned = {id(p) for p in parameters(self.optimizer)}
        turned = {
            id(module.weight)
            for module in self.model.modules()
            if isinstance(module, _ConvTransposeNd) and module.groups == 1
        }
        params = {}
        along = {}
        for name, p in self.model.named_parameters():
            first = int(id(p) in turned)  # outputs come first, as the rules expect
            params[name] = p.detach().movedim(first, 0)
            if p in directions and id(p) in owned:
                along[name] = directions[p].movedim(first, 0)
        directions.clear()
        offsets = self.rule.offsets(params, along, reuse=True)
        return [params[name] for name in offsets], list(offsets.values())


def parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    """The parameters of the optimizer."""
    found = []
    for group in optimizer.param_groups:
        found += group['params']
    return found


def every_parameter(model: nn.Module, optimizer: Optimizer) -> list[nn.Parameter]:
    """The parameters of the model and of the optimizer, each once."""
    return list({id(p): p for p in (*model.parameters(), *parameters(optimizer))}.values())


def swap_gradients(
    params: list[nn.Parameter],
    gradients: list[Tensor | None] | None = None,
) -> list[Tensor | None]:
    """Set the parameters' gradients (None: take them away), and return those they had."""
    before = [p.grad for p in params]
    for p, gradient in zip(params, gradients or [None] * len(params), strict=True):
        p.grad = gradient
    return before


def fraction(**values: float) -> None:
    """Raise ValueError unless every value is in (0, 1)."""
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not 0 < value < 1:
            raise ValueError(
                f"{name}={value!r} is not in (0, 1); it is a share, and ascent='fresh' takes all."
            )
