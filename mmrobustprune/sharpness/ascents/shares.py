"""A share of the weights, and the samples whose loss rises most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from .base import Ascent, Pass, fraction

COUNT = 'draws_of_shares'
LEAST = 2  # samples, as BatchNorm needs


@dataclass
class Shares(Ascent):
    """ESAM (Du et al., arXiv 2110.03141): some weights move, and some samples pass again.

    e = m rule(g) / weights, with m = 1 in a random share of all entries and 0 in the others; the
    update is by the gradient at w + e of the samples with the largest l(w + e) - l(w), which are
    all of them where none rises. Beside the
    pass at w there is one forward pass of all samples and a pass of those. Needs the loss of each
    sample: from a closure, or from a network whose losses are not reduced.

    Args:
        weights: share of the weights that move, beta in the paper, in (0, 1).
        samples: share of the samples that pass again, gamma in the paper, in (0, 1).

    Raises:
        ValueError: a share out of its range; at a step, a loss that is one number for all samples.
    """

    parts: ClassVar[bool] = True

    weights: float = 0.6
    samples: float = 0.5
    _batch: int = field(default=0, init=False, repr=False, compare=False)  # of this update

    def passes(self, step):
        self._batch = 0 if step.opens else self._batch + 1
        update = max(step.remembered(COUNT).values(), default=0)
        with step.apart() as gradients:
            before = yield Pass(again=True, local=True, each=True)
        with step.moved(gradients, partial(self._thin, (update, self._batch))):
            after = yield Pass(own=False, again=True, local=True, each=True, learns=False)
            yield Pass(own=False, take=partial(chosen, self._hardest(after - before)))
        if step.updates:
            step.note(COUNT, dict.fromkeys(step.gradients(), update + 1))

    def _hardest(self, rise: Tensor) -> Tensor:
        """Index of the samples whose loss rises most, and of all that are not below them."""
        count = max(LEAST, math.ceil(self.samples * len(rise)))
        least = rise.topk(min(count, len(rise))).values[-1]
        return (~(rise < least)).nonzero().flatten()

    def _thin(self, key: tuple[int, int], offsets: list[Tensor]) -> None:
        """Leave a random share of the offsets; a resumed run draws the same, as it has the key."""
        generators = {}
        for place, offset in enumerate(offsets):
            device = offset.device
            if device not in generators:
                seed = key[0] << 20 | key[1]
                generators[device] = torch.Generator(device).manual_seed(seed)
            mask = torch.empty_like(offset).bernoulli_(self.weights, generator=generators[device])
            offsets[place] = mask.mul_(offset).div_(self.weights)  # a rule may keep its own

    def __post_init__(self):
        fraction(weights=self.weights, samples=self.samples)


def chosen(index: Tensor, samples: Sequence) -> Sequence:
    """The samples at an index (n,)."""
    if isinstance(samples, Tensor):
        return samples[index.to(samples.device)]
    return [samples[at] for at in index.tolist()]
