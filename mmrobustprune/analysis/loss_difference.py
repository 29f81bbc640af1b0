"""How much the loss can rise in a box around scores or weights: APGD in L-infinity balls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import Tensor

from .stability import flipped
from .vectors import Loss, check, evaluate, flat, pieces, put_back

RHO = (0.001, 0.0025, 0.005, 0.0075, 0.01)


@dataclass(frozen=True)
class LossDifference:
    """The worst point that was found in one ball.

    Attributes:
        rho: radius, in units of the scale.
        value: L(worst) - L(centre), at least 0; a lower bound of the true maximum.
        loss: L(centre).
        flipped: mask entries that differ between the worst point and the centre; None without
            masks.
    """

    rho: float
    value: float
    loss: float
    flipped: float | None = None


def loss_difference(
    loss: Loss,
    params: Sequence[Tensor],
    scale: Sequence[Tensor] | None = None,
    rho: Sequence[float] = RHO,
    steps: int = 20,
    masks: Callable[[], Mapping[str, Tensor]] | None = None,
) -> list[LossDifference]:
    """Worst-case rise of a loss, max L(s + nu) - L(s) over |nu_i| <= rho c_i, for each rho.

    APGD (arXiv 2003.01690) in steps of sign: the first step is 2 rho c, three quarters of each step
    and a quarter of the one before are taken, and at checkpoints the step is halved and the search
    goes on from the best point. Every ball starts at its centre with the worst rise 0; larger balls
    hold the smaller ones, so each result is the running maximum over the radii up to its own.
    Behind a straight-through mask the loss is piecewise constant and the sign is the
    straight-through gradient's: the value stays a lower bound, and equal radii need not mean
    equally many changed mask entries, hence `flipped`.

    Args:
        loss: recomputes the same scalar from the tensors whenever it is called.
        params: s, leaves of any shapes; they come back bit for bit.
        scale: c, one tensor of at least 0 for each, broadcastable to its shape; None takes |s|, so
            that zeros cannot move.
        rho: radii of at least 0.
        steps: gradient steps per radius.
        masks: what the current s selects: name -> bool.

    Returns:
        One result per radius, ascending.

    Raises:
        ValueError: a negative radius or scale, no radius or step, tensors without gradient, a loss
            that is not finite.
    """
    params = check(params)
    radii = sorted({float(radius) for radius in rho})
    if not radii or not all(0 <= radius < math.inf for radius in radii) or steps < 1:
        raise ValueError(
            f'rho={list(rho)} and steps={steps} were given; take radii of at least 0 and at least '
            '1 step.'
        )
    if scale is None:
        scale = [one.abs() for one in params]
    c = flat(
        [part.detach().to(one).expand_as(one) for part, one in zip(scale, params, strict=True)]
    )
    if not (c >= 0).all():
        raise ValueError('a negative or undefined scale was given; every entry must be at least 0.')
    with put_back(params):
        ball = _Ball(loss, params, c)
        centre, sign = ball.look(torch.zeros_like(c))
        before = None if masks is None else {name: mask.clone() for name, mask in masks().items()}
        worst = LossDifference(0.0, 0.0, centre, None if masks is None else 0)
        results = []
        for radius in radii:
            value, u = ball.climb(radius, steps, centre, sign)
            if value - centre > worst.value:
                worst = replace(worst, value=value - centre)
                if masks is not None:
                    ball.go(u)
                    worst = replace(worst, flipped=flipped(before, masks()))
            results.append(replace(worst, rho=radius))
        return results


def mean_difference(batches: Sequence[Sequence[LossDifference]]) -> list[LossDifference]:
    """The mean over batches, each with its own worst point, radius by radius."""
    return [_mean(row) for row in zip(*batches, strict=True)]


def _mean(row: Sequence[LossDifference]) -> LossDifference:
    return LossDifference(
        row[0].rho,
        fmean(one.value for one in row),
        fmean(one.loss for one in row),
        None if row[0].flipped is None else fmean(one.flipped for one in row),
    )


class _Ball:
    """Points s + c u of the tensors, by their vector u; s is where they are now."""

    def __init__(self, loss: Loss, params: Sequence[Tensor], c: Tensor) -> None:
        self.loss = loss
        self.params = params
        self.s = flat(params)
        self.c = c

    @torch.no_grad()
    def go(self, u: Tensor) -> None:
        values = pieces(torch.addcmul(self.s, self.c, u), self.params)
        for one, value in zip(self.params, values, strict=True):
            one.copy_(value)

    def look(self, u: Tensor) -> tuple[float, Tensor]:
        """Loss and sign of its gradient at u."""
        self.go(u)
        value = evaluate(self.loss)
        if value.grad_fn is None:
            raise ValueError(
                'the loss does not depend on the tensors given; give those that it is computed '
                'from.'
            )
        gradients = torch.autograd.grad(value, self.params, materialize_grads=True)
        return float(value.detach()), flat(gradients).sign()

    def climb(self, radius: float, steps: int, top: float, sign: Tensor) -> tuple[float, Tensor]:
        """Search one ball.

        Args:
            radius: |u| stays within it.
            steps: gradient steps.
            top: loss of the centre.
            sign: of its gradient, (n,).

        Returns:
            The greatest loss seen, and the u (n,) where it was.
        """
        u = before = best = torch.zeros_like(self.s)
        best_sign = sign
        step = 2 * radius
        share = 1.0
        improved = 0
        judged = 0
        at_judgement = None
        judgements = set(checkpoints(steps))
        for number in range(1, steps + 1):
            ahead = (u + step * sign).clamp_(-radius, radius)
            moved = u + share * (ahead - u) + (1 - share) * (u - before)
            before = u
            u = moved.clamp_(-radius, radius)
            share = 0.75
            value, sign = self.look(u)
            if value > top:
                top = value
                best = u
                best_sign = sign
                improved += 1
            if number in judgements:
                now = (step, top)
                rarely = improved < 0.75 * (number - judged)
                if rarely or now == at_judgement:  # or it found nothing since
                    step /= 2
                    u = before = best  # at rest: the last move belongs to another point
                    sign = best_sign
                improved = 0
                judged = number
                at_judgement = now
        return top, best


def checkpoints(steps: int) -> Iterator[int]:
    """Where the step is judged: after 22 % of the steps, then in gaps from 19 % down to 6 %.

    Each gap is 3 % of the steps shorter than the one before.
    """
    place = 0.0
    gap = 0.22
    while place + gap < 1:
        place += gap
        yield math.ceil(round(place * steps, 9))
        gap = max(gap - 0.03, 0.06)
