"""Attacks by the sign of the input gradient: FGSM (arXiv 1412.6572) and PGD (arXiv 1706.06083)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .base import LABELS, Attack, Outcome
from .classifier import Classifier, Function, Space, full_range, refuse_mismatch
from .numbers import check_number


@dataclass(frozen=True, kw_only=True)
class SignAttack(Attack):
    """z <- clamp(project(z + step * sign(dCE(logits(z), label)/dz))), within eps of the image.

    Attributes:
        random_start: begin at a uniform point of the ball instead of the image.
        keep: the 'last' point counts, or the 'best', the one with the greatest margin against the
            label, start included; with 'best' more steps never help the model.
    """

    random_start: bool
    keep: str = 'last'

    def __post_init__(self) -> None:
        super().__post_init__()
        self._among('keep', ('last', 'best'))

    @abstractmethod
    def moves(self) -> tuple[float, int]:
        """Step, in units of the space, and number of steps."""

    @property
    def reach(self) -> float:
        step, steps = self.moves()
        return min(self.eps, step * steps + self.eps * self.random_start)

    def perturb(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        """The attacked images (N, C, H, W) as points of the space.

        Arguments are those of `Attack.__call__`; the model is in evaluation mode.
        """
        space = self.in_space(model, x)
        with torch.no_grad():
            z = space.enter(x)
            logits = space.logits(z)
        refuse_mismatch(self.name, logits, y)
        target = LABELS[self.label](logits, y)
        path = self._path(space, z, target, index)
        if self.keep == 'best':
            return greatest_margin(path, space.logits, target)
        *_, last = path
        return last

    def _path(self, space: Space, z: Tensor, target: Tensor, index: Tensor) -> Iterator[Tensor]:
        low = z - self.eps
        high = z + self.eps
        step, steps = self.moves()
        start = space.clamp(z + self.eps * noise(z, index, self.seed)) if self.random_start else z
        yield start
        point = start
        for _ in range(steps):
            ahead = point + step * input_gradient(space.logits, point, target).sign()
            point = space.clamp(torch.minimum(torch.maximum(ahead, low), high))
            yield point

    def _attack(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        point = self.perturb(model, x, y, index)
        with torch.no_grad():
            return Outcome({self.name: self.in_space(model, x).logits(point).argmax(1) == y})


@dataclass(frozen=True, kw_only=True)
class FGSM(SignAttack):
    """One step of length eps."""

    random_start: bool = False
    name: ClassVar[str] = 'fgsm'

    def moves(self) -> tuple[float, int]:
        return self.eps, 1


@dataclass(frozen=True, kw_only=True)
class PGD(SignAttack):
    """Several steps inside the ball.

    Attributes:
        step: length of a step, in units of the space.
        steps: their number.
    """

    step: float
    steps: int
    name: ClassVar[str] = 'pgd'

    def __post_init__(self) -> None:
        super().__post_init__()
        self._length('step', self.step)
        check_number(self.name, 'steps', self.steps, 1, whole=True)

    def moves(self) -> tuple[float, int]:
        return self.step, int(self.steps)


def input_gradient(logits: Function, z: Tensor, target: Tensor) -> Tensor:
    """d sum_n CE(logits(z)_n, target_n) / dz (N, C, H, W).

    It is each image's own gradient, whatever else is in the batch.
    """
    z = z.detach().requires_grad_()
    with torch.enable_grad(), full_range(z):
        loss = F.cross_entropy(logits(z).float(), target, reduction='sum')
        return torch.autograd.grad(loss, z)[0]


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """max_{j != t} logits_j - logits_t (N,): above 0 where the target has lost."""
    rest = logits.scatter(1, target[:, None], -torch.inf).amax(1)
    return rest - logits.gather(1, target[:, None])[:, 0]


@torch.no_grad()
def greatest_margin(points: Iterator[Tensor], logits: Function, target: Tensor) -> Tensor:
    """For each image the first of the points with the greatest margin against the target."""
    best = next(points)
    top = margin(logits(best), target)
    for point in points:
        here = margin(logits(point), target)
        better = here > top
        best = torch.where(better[:, None, None, None], point, best)
        top = torch.where(better, here, top)
    return best


def noise(like: Tensor, index: Tensor, seed: int) -> Tensor:
    """Uniform in [-1, 1), shaped like `like`, by the index of each image and the seed alone."""
    rows = []
    for place in index.tolist():
        state = np.random.SeedSequence((seed, place)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0]) >> 1)
        rows.append(torch.rand(like.shape[1:], generator=generator))
    return (2 * torch.stack(rows) - 1).to(like)
