"""The certificate of a surgery: the smaller network computes what the masked one computes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.copies import convert_buffers, copied, in_precision, shell
from mmrobustprune.dependency.groups import Group, full
from mmrobustprune.dependency.recording import Forward, default_forward, tensors_in
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.structure.compare import (
    TOLERANCE,
    FullPrecision,
    Verdict,
    cropped,
    halved,
    judge,
    random_like,
    randomise,
)
from mmrobustprune.structure.compare import (
    difference as difference,  # where it stood in the first version
)
from mmrobustprune.structure.rebuild import rebuild

SMALL = 64  # pixels a side; the deepest maps of most networks have 2 x 2 then
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
    are cropped to 64 pixels or halved where the network takes them so: channels are the same there
    at a part of the cost. What differs then is compared again at the full size.

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
    verdicts = removal.quick_verdicts(masks.alive) or removal.verdicts(masks.alive)
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
    """Removals from copies of a masked network.

    Attributes:
        masks: the masked network.
        example: its input.
        forward: gives its outputs.
        dtype: the precision that it computes in.
        seed: of random weights.
        spare: whether copies hold their parameters as they are, read in `dtype` one by one. Code
            that takes them past torch's functions, such as compiled operators, cannot do that.
    """

    masks: MaskSet
    example: Any
    forward: Forward
    dtype: torch.dtype
    seed: int
    spare: bool = False

    def fails(self, groups: list[Group]) -> bool:
        """Whether outputs change when only these groups lose what their masks say."""
        return not all(verdict.same for verdict in self.verdicts(self._alone(groups)))

    def fails_at_random(self, groups: list[Group]) -> bool:
        """The same with random weights alone."""
        alive = self._alone(groups)
        found = self.quick_verdicts(alive, own=False) or self.verdicts(alive, own=False)
        return not found[0].same

    def _alone(self, groups: list[Group]) -> dict[str, Tensor]:
        """What lives when these groups alone lose what their masks say."""
        only = {group.name: self.masks.alive[group.name] for group in groups}
        return full(self.masks.groups) | only

    def quick_verdicts(self, alive: dict[str, Tensor], own: bool = True) -> list[Verdict]:
        """As `verdicts`, on smaller images; none where these do not tell the same."""
        for image in (cropped(self.example, SMALL), halved(self.example)):
            quick = replace(self, example=image, spare=True)
            try:
                found = quick.verdicts(alive, own)
            except Exception:  # a network of one image size raises anything
                continue
            if all(verdict.same for verdict in found):
                return found
        return []

    @torch.no_grad()
    def verdicts(self, alive: dict[str, Tensor], own: bool = True) -> list[Verdict]:
        """With the model's own weights, unless left out, and with random ones.

        What the masked network gives is noted before it is made smaller, and one network is let go
        before the next one is made.
        """
        planned = MaskSet.planned(self.masks.model, self.masks.groups, alive)
        structure = planned.structure('certificate')
        model = self._masked(planned)
        ours = self._outputs(model) if own else None
        gain, found = self._at_random(model, planned)
        removed = rebuild(model, structure)
        verdicts = [self._verdict(found, removed, partial(self._masked, planned, gain))]
        del model, removed
        if own:
            removed = self._converted(rebuild(shell(self.masks.model), structure)).eval()
            verdicts.insert(0, self._verdict(ours, removed, partial(self._masked, planned)))
        return verdicts

    def _masked(self, planned: MaskSet, gain: float | None = None) -> nn.Module:
        """A masked copy, with random weights of a gain where one is given."""
        model = self._converted(copied(self.masks.model) if self.spare else self.masks.model)
        if gain is not None:
            randomise(model, self.seed, gain)
        planned.mask_model(model)
        return model.eval()  # what is computed from weights and kept (LeViT's biases) follows them

    def _converted(self, model: nn.Module) -> nn.Module:
        if self.spare:
            return convert_buffers(model, self.dtype)
        return in_precision(model, self.dtype)

    def _at_random(self, model: nn.Module, planned: MaskSet) -> tuple[float, Any]:
        """The largest gain of random weights under which a network is finite, and its outputs."""
        *larger, last = GAINS
        for gain in larger:
            with suppress(NotFinite):
                return gain, self._outputs_at(gain, model, planned)
        return last, self._outputs_at(last, model, planned)

    def _outputs_at(self, gain: float, model: nn.Module, planned: MaskSet) -> Any:
        randomise(model, self.seed, gain)
        planned.mask_model(model)
        return self._outputs(model.eval())

    def _outputs(self, model: nn.Module) -> Any:
        """What a network gives; no number may be infinite or NaN."""
        found = self._run(model, self.example)
        if not all(tensor.isfinite().all() for tensor in tensors_in(found)):
            raise NotFinite(
                'the surgery cannot be certified: the network itself gives infinite or NaN '
                'outputs; initialise or load its weights first.'
            )
        return found

    def _run(self, model: nn.Module, example: Any) -> Any:
        with FullPrecision(self.dtype, parameters=self.spare):
            return self.forward(model, example)

    def _verdict(self, ours: Any, removed: nn.Module, again: Callable[[], nn.Module]) -> Verdict:
        """Compare what a masked network gave; `again` makes it once more where that is needed."""
        try:
            theirs = self._run(removed, self.example)
        except torch.OutOfMemoryError:
            raise
        except Exception:  # a width that is a number in the model's code, or that it asserts
            return Verdict(float('inf'), TOLERANCE[self.dtype])
        again = cache(again)
        return judge(ours, theirs, lambda near: self._run(again(), near), self.example, self.dtype)


def guilty(groups: list[Group], fails: Callable[[list[Group]], bool]) -> list[Group]:
    """The groups without which a set does not fail: each fails alone, or is needed for others to.

    Args:
        groups: a set that fails.
        fails: whether a set fails; a set that holds one that fails does, too.
    """
    known: dict[frozenset, bool] = {}

    def once(some: list[Group]) -> bool:
        names = frozenset(group.name for group in some)
        if names not in known:
            known[names] = fails(some)
        return known[names]

    named = _alone(groups, once)
    while True:
        rest = [group for group in groups if group not in named]
        if not rest or not once(rest):
            return [group for group in groups if group in named]
        named += _needed([], rest, once)


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
