"""A search over the rates of layers: random vectors, each judged by what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .ranked import RankedSelection


@dataclass(frozen=True)
class SearchedSelection(RankedSelection):
    """A selection whose rates are the best of random vectors (EagleEye, arXiv:2007.02491).

    The rates of a vector are uniform in (0, 1), times what the target needs; vectors that do not
    meet it are left out.

    Args:
        vectors: how many are drawn.
        seed: of the draw.
    """

    vectors: int = 100
    seed: int = 0

    @property
    def needs_search(self) -> bool:
        return self.rates is None

    def search(
        self, scores: dict[str, Tensor], target: float, judge: Callable[[dict[str, Tensor]], float]
    ) -> dict:
        generator = np.random.default_rng(self.seed)
        names = [group.name for group in self.cost.groups]
        losses = []
        best = {}
        for _ in range(self.vectors):
            rates = dict(zip(names, generator.uniform(size=len(names)).tolist(), strict=True))
            try:
                alive = self.rated(rates).plan(scores, target)
            except ValueError:
                continue
            loss = judge(alive)
            if not losses or loss < min(losses):
                best = rates
            losses.append(loss)
        if not losses:
            raise ValueError(
                f'none of {self.vectors} vectors of rates removes {target:.3f} of the '
                f'{self.budget} within 1%; ask for another target or more candidates.'
            )
        return dict(losses=losses, rates=best)
