"""The certificate of a surgery: the smaller network computes what the masked one computes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.copies import in_precision, shell
from mmrobustprune.dependency.groups import Group, full
from mmrobustprune.dependency.recording import Forward, default_forward, tensors_in
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.structure.compare import (
    TOLERANCE,
    FullPrecision,
    Verdict,
    halved,
    judge,
    random_like,
    randomise,
)
from mmrobustprune.structure.compare import (
    difference as difference,  # where it stood in the first version
)
from mmrobustprune.structure.rebuild import rebuild

GAINS = (1.0, 0.5, 0.25)  # of random weights: a network with exponentials overflows under the first


class NotFinite(ValueError):
    """The network itself gives infinite or NaN outputs."""


def certify(
    masks: MaskSet,
    example: Any,
    forward: Forward | None = None,
    dtype: torch.dtype | None = None,
    seed: int = 0,
) -> float:
    """Largest relative difference between the masked network's outputs and the smaller one's.

    max |y_masked - y_removed| / max |y_masked| per output tensor, in evaluation mode, on random
    input of the example's shapes: once with the model's weights, once with random ones (a scale of
    zero or a vanishing signal would hide a wrong removal). Everything is done on copies. Images
    over 128 pixels are halved where the network takes them so: channels are the same there at a
    quarter of the cost. What differs then is compared again at the full size.

    Args:
        masks: the masked network.
        example: one batch of inputs.
        forward: `forward(model, example)` gives the outputs; by default the model is called.
        dtype: float64, or float32 where the forward does not run in float64 (mmcv's NMS); None
            tries one after the other.
        seed: of the random input and weights.
    Raises:
        ValueError: they differ by more than rounding does (see `judge`), with the groups at fault:
            those whose removal alone changes outputs, and of those that do so only together as few
            as it takes.
    """
    if dtype is None:
        return _in_double_if_it_runs(partial(certify, masks, example, forward, seed=seed))
    forward = forward or default_forward
    removal = _Removal(masks, random_like(example, dtype, seed), forward, dtype, seed)
    small = replace(removal, example=halved(removal.example))
    verdicts = small.verdicts_if_it_runs(masks.alive)
    if not all(verdict.same for verdict in verdicts):
        verdicts = removal.verdicts(masks.alive)
    wrong = [verdict for verdict in verdicts if not verdict.same]
    if not wrong:
        return max(verdict.found for verdict in verdicts)
    shrunk = [group for group in masks.groups if not masks.alive[group.name].all()]
    names = [group.name for group in guilty(shrunk, removal.fails)]
    raise ValueError(
        'the surgery was refused: the outputs of the masked and of the smaller network differ by '
        f'{wrong[0].found:.2g} where {wrong[0].allowed:.0e} is allowed; leave unprunable by '
        f'ignore={names}.'
    )


def failing(
    masks: MaskSet, groups: list[Group], example: Any, forward: Forward | None = None, seed: int = 0
) -> list[Group]:
    """Of some groups those whose removal, as the masks say, changes outputs at random weights."""

    def found(dtype: torch.dtype) -> list[Group]:
        random = random_like(example, dtype, seed)
        removal = _Removal(masks, random, forward or default_forward, dtype, seed)
        return guilty(groups, removal.fails_at_random)

    return _in_double_if_it_runs(found)


def _in_double_if_it_runs(run: Callable) -> Any:
    """`run(dtype=float64)`, or in float32 where the forward does not know the other."""
    try:
        return run(dtype=torch.float64)
    except RuntimeError as problem:
        if 'double' not in str(problem).lower():
            raise
        return run(dtype=torch.float32)


@dataclass
class _Removal:
    """Removals from copies of a masked network."""

    masks: MaskSet
    example: Any
    forward: Forward
    dtype: torch.dtype
    seed: int

    def fails(self, groups: list[Group]) -> bool:
        """Whether outputs change when only these groups lose what their masks say."""
        return not all(verdict.same for verdict in self.verdicts(self._alone(groups)))

    def verdicts_if_it_runs(self, alive: dict[str, Tensor]) -> list[Verdict]:
        """As `verdicts`; one of an infinite difference where the network refuses the example."""
        try:
            return self.verdicts(alive)
        except Exception:  # a network of one image size raises anything
            return [Verdict(float('inf'), TOLERANCE[self.dtype])]

    def fails_at_random(self, groups: list[Group]) -> bool:
        """The same with random weights alone."""
        model = in_precision(self.masks.model, self.dtype).eval()
        return not self._at_random(model, self._alone(groups)).same

    def _alone(self, groups: list[Group]) -> dict[str, Tensor]:
        """What lives when these groups alone lose what their masks say."""
        only = {group.name: self.masks.alive[group.name] for group in groups}
        return full(self.masks.groups) | only

    def verdicts(self, alive: dict[str, Tensor]) -> list[Verdict]:
        """With the model's own weights, and with random ones."""
        model = in_precision(self.masks.model, self.dtype).eval()
        return [self._verdict(model, alive), self._at_random(model, alive)]

    def _at_random(self, model: nn.Module, alive: dict[str, Tensor]) -> Verdict:
        """With random weights, the largest under which the network is finite."""
        *larger, last = GAINS
        for gain in larger:
            randomise(model, self.seed, gain)
            with suppress(NotFinite):
                return self._verdict(model, alive)
        randomise(model, self.seed, last)
        return self._verdict(model, alive)

    @torch.no_grad()
    def _verdict(self, model: nn.Module, alive: dict[str, Tensor]) -> Verdict:
        twin = MaskSet(model, self.masks.groups)
        twin.remove(alive)
        model.eval()  # what is computed from weights and kept (LeViT's biases) follows them
        removed = rebuild(shell(model), twin.structure('certificate'))
        with FullPrecision():
            ours = self.forward(model, self.example)
            if not all(tensor.isfinite().all() for tensor in tensors_in(ours)):
                raise NotFinite(
                    'the surgery cannot be certified: the network itself gives infinite or NaN '
                    'outputs; initialise or load its weights first.'
                )
            try:
                theirs = self.forward(removed, self.example)
            except torch.OutOfMemoryError:
                raise
            except Exception:  # a width that is a number in the model's code, or that it asserts
                return Verdict(float('inf'), TOLERANCE[self.dtype])
            return judge(ours, theirs, partial(self.forward, model), self.example, self.dtype)


def guilty(groups: list[Group], fails: Callable[[list[Group]], bool]) -> list[Group]:
    """The groups without which a set does not fail: each fails alone, or is needed for others to.

    Args:
        groups: a set that fails.
        fails: whether a set fails; a set that holds one that fails does, too.
    """
    named = _alone(groups, fails)
    while True:
        rest = [group for group in groups if group not in named]
        if not rest or not fails(rest):
            return [group for group in groups if group in named]
        named += _needed([], rest, fails)


def _alone(groups: list[Group], fails: Callable[[list[Group]], bool]) -> list[Group]:
    """The groups that fail by themselves."""
    if not groups or not fails(groups):
        return []
    if len(groups) == 1:
        return groups
    middle = len(groups) // 2
    return _alone(groups[:middle], fails) + _alone(groups[middle:], fails)


def _needed(
    beside: list[Group], groups: list[Group], fails: Callable[[list[Group]], bool]
) -> list[Group]:
    """As few of these groups as fail together with those beside them (QuickXplain, AAAI 2004)."""
    if len(groups) == 1:
        return groups
    middle = len(groups) // 2
    left = groups[:middle]
    right = groups[middle:]
    for half in (left, right):
        if fails(beside + half):
            return _needed(beside, half, fails)
    first = _needed(beside + right, left, fails)
    return first + _needed(beside + first, right, fails)
