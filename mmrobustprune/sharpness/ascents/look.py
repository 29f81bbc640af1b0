"""The part of a sharpness-aware gradient that stays the same for some steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmrobustprune.sharpness.rules import at_least_zero, norms, wide

from .base import ALONE, REPEATED, Ascent, Directions, Pass

PART = 'flat_part'
LEFT = 'flat_part_left'
NOISE = 1e-6  # of the gradient's norm: a smaller difference is one of rounding


@dataclass
class Look(Ascent):
    """LookSAM (Liu et al., arXiv 2203.02714): two passes at every k-th step, one at the others.

    At every k-th step g_s = g(w + rule(g)) is the gradient, as with 'fresh', and
    g_v = g_s - <g_s, g> g / ||g||^2, what it has beside the plain one, is kept; at the others
    g + alpha ||g|| g_v / ||g_v|| takes its place, with norms over all parameters. g_v / ||g_v|| is
    in the optimizer's state, one more copy of the weights. With accumulation both gradients are
    those of the whole update, under DistributedDataParallel of all ranks; a run that is resumed
    between its micro-batches looks anew at the next update.

    Args:
        k: steps from one look to the next, >= 1; 1 is 'fresh'.
        alpha: length of the part that is added, relative to the gradient, >= 0.

    Raises:
        ValueError: a field out of its range.
    """

    k: int = 5
    alpha: float = 0.7
    _plain: Directions | None = field(default=None, init=False, repr=False, compare=False)

    def passes(self, step):
        left = max(step.remembered(LEFT).values(), default=0)
        yield from self._reuse(step, left) if left else self._look(step)

    def _look(self, step):
        if step.opens:
            self._plain = {}
        with step.apart() as gradients:
            yield Pass(again=True, local=True)
        self._collect(gradients)
        with step.moved({p: gradient.clone() for p, gradient in gradients.items()}):
            gradients.clear()
            yield REPEATED
        if step.updates and self._plain is not None:
            sharp = step.gradients()  # all ranks have those of the same parameters
            part = beside(step.averaged(self._plain_of(sharp)), sharp)
            step.note(PART, part)
            step.note(LEFT, dict.fromkeys(part, self.k - 1))
        if step.updates:
            self._plain = None

    def _reuse(self, step, left):
        yield ALONE
        if step.updates:
            add(step.gradients(), step.remembered(PART), self.alpha)
            step.note(LEFT, dict.fromkeys(step.remembered(LEFT), left - 1))

    def _collect(self, gradients: Directions) -> None:
        if self._plain is None:
            return
        for p, gradient in gradients.items():
            if p in self._plain:
                self._plain[p] += gradient
            else:
                self._plain[p] = gradient

    def _plain_of(self, sharp: Directions) -> Directions:
        """The plain gradients of the same parameters; some may not be used on this rank."""
        return {p: self._plain.get(p, torch.zeros_like(g)) for p, g in sharp.items()}

    def __post_init__(self):
        at_least_zero(alpha=self.alpha)
        if not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f'k={self.k!r} is no whole number >= 1; 5 looks at every fifth step.')


@torch.no_grad()
def beside(plain: Directions, sharp: Directions) -> Directions:
    """Unit vector along the part of `sharp` that is orthogonal to `plain`; zero where none is.

    It is made of the difference of both, which is exactly zero where they are equal.
    """
    both = [p for p in sharp if p in plain]
    g = [wide(plain[p]) for p in both]
    v = torch._foreach_sub([wide(sharp[p]) for p in both], g)
    torch._foreach_sub_(v, torch._foreach_mul(g, _dot(v, g) / _dot(g, g)))
    length = norms(v).norm()
    heard = torch.isfinite(length) & (length > NOISE * norms(g).norm())
    torch._foreach_div_(v, torch.where(heard, length, 1.0))
    for part in v:
        part.masked_fill_(~heard, 0)
    return {p: part.to(p.dtype) for p, part in zip(both, v, strict=True)}


@torch.no_grad()
def add(gradients: Directions, part: Directions, alpha: float) -> None:
    """g + alpha ||g|| part, in place of g."""
    both = [p for p in gradients if p in part]
    if not both:
        return
    g = [gradients[p] for p in both]
    length = alpha * norms(list(gradients.values())).norm()
    torch._foreach_add_(g, torch._foreach_mul([part[p] for p in both], length))


def _dot(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
