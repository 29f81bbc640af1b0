"""TMI-GKP's choice among groupings: the one whose groups grew alike in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from .clusters import Clustered
from .density import DBSCAN
from .grouping import Grouping

CANDIDATES = (Clustered('kernel_pca'), Clustered('spectral'), DBSCAN())


@dataclass(frozen=True)
class TMI(Grouping):
    """Tickets magnitude increase (TMI-GKP, ICLR 2022): snapshots of the training vote.

    A filter's increase since a snapshot is sum | |w| - |w_then| |; a grouping's groups have sums of
    these, sorted, with gaps between neighbours. A snapshot ranks the candidates by the gaps' mean
    and by their variance, from the smallest on, and votes for the least 0.5 * rank(mean) +
    rank(variance). Among equal counts of votes the longest run of snapshots decides.

    Attributes:
        snapshots: state dicts of the same network from earlier epochs, in order; they are gone
            through once per layer, so a sequence that reads a file when it is asked will do.
        candidates: groupings to choose from.

    Raises:
        ValueError: no snapshot or no candidate; at a layer, snapshots of another network.
    """

    snapshots: Sequence[Mapping[str, Tensor]] = field(repr=False)
    candidates: Sequence[Grouping] = CANDIDATES

    def __post_init__(self) -> None:
        if not self.snapshots or not self.candidates:
            raise ValueError(
                'TMI needs snapshots of the training and candidates; give at least one state dict '
                'of an earlier epoch, or group by weights alone with Clustered.'
            )

    def __call__(self, layer: str, weight: Tensor, groups: int) -> Tensor:
        labels = [candidate(layer, weight, groups) for candidate in self.candidates]
        votes = [
            self._vote(self._increase(state, layer, weight), labels, groups)
            for state in self.snapshots
        ]
        longest = dict.fromkeys(votes, 0)
        for choice, run in groupby(votes):
            longest[choice] = max(longest[choice], len(list(run)))

        def standing(choice: int) -> tuple[int, int]:
            return votes.count(choice), longest.get(choice, 0)

        return labels[max(range(len(labels)), key=standing)]

    @staticmethod
    def _increase(state: Mapping[str, Tensor], layer: str, weight: Tensor) -> Tensor:
        then = state.get(f'{layer}.weight')
        if then is None or then.shape != weight.shape:
            raise ValueError(
                f"a snapshot has no weight of '{layer}' of shape {tuple(weight.shape)}; give state "
                'dicts of this network.'
            )
        return (weight.abs() - then.to(weight).abs()).abs().sum((1, 2, 3))

    @staticmethod
    def _vote(increase: Tensor, labels: Sequence[Tensor], groups: int) -> int:
        sums = torch.stack(
            [increase.new_zeros(groups).index_add_(0, label, increase) for label in labels]
        )
        gaps = sums.sort(1).values.diff(dim=1) if groups > 1 else sums * 0
        mean = _ranks(gaps.mean(1))
        variance = _ranks(gaps.var(1, unbiased=False))
        return int((0.5 * mean + variance).argmin())


def _ranks(values: Tensor) -> Tensor:
    """How many values are smaller than each, (n,)."""
    return (values[:, None] > values).sum(1)
