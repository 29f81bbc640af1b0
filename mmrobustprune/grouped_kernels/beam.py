"""Which grouped kernels stay: beam greedy search over all groups and starts at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmrobustprune.naming import unknown
from mmrobustprune.threads import in_threads

from .kernels import METRICS, GroupedKernels
from .lowest import lowest

_BUDGET = {'cpu': 4 * 2**20}  # bytes of candidate rows at a time: about what a core's caches hold
_BUDGET_ELSEWHERE = 2**30


@dataclass(frozen=True)
class Beam:
    """SR-GKP's second stage (section 3.2.2): sets of far apart, smooth kernels from every start.

    Each set proposes the `width` grouped kernels of least summed similarity to its members. Every
    `check_every` steps all candidates are ranked by cost and by roughness, from worst (0) on, and
    those of largest alpha * rank(cost) + (1 - alpha) * rank(roughness) stay, `width` of them, the
    largest first. In the end the set of least cost over all starts wins, the first of equals:

        cost(V) = sum over pairs in V of S
                  - beta * sum over p outside V of the `nearest` largest S(p, v in V)

    with S = 1 - distance; it is smallest where the paper's score (equation 3) is largest.

    Attributes:
        width: sets kept per start.
        check_every: steps between two rankings; in between the sets multiply by `width`.
        alpha: weight of the cost's rank, in [0, 1].
        beta: 'size': pairs / others of the set at hand, the paper's; 'first': that of the first
            ranking, kept for good, as the released code has it; or a number.
        nearest: kept kernels that each other one is compared with; below 1, a fraction of those
            kept.
        outside: whether the rankings count the second term, or the last choice alone.
        by: the last choice, 'cost' or 'roughness'.
        distinct: False lets the same set take up several places of a beam, as in the paper.
        metric: of the distance between grouped kernels, a name in METRICS.
        memory: bytes for the candidates' rows at a time; None chooses by device.

    Raises:
        ValueError: a field out of its range.
    """

    width: int = 4
    check_every: int = 1
    alpha: float = 0.9
    beta: float | str = 'size'
    nearest: float = 1
    outside: bool = True
    by: str = 'cost'
    distinct: bool = False
    metric: str = 'euclidean'
    memory: int | None = None

    def __post_init__(self) -> None:
        for name, value in (('width', self.width), ('check_every', self.check_every)):
            if value < 1 or value != int(value):
                raise ValueError(
                    f'{name}={value} is not a whole number from 1 on; the defaults are 4 and 1.'
                )
        if not 0 <= self.alpha <= 1:
            raise ValueError(f'alpha={self.alpha} is not in [0, 1]; 0.9 is the usual value.')
        if isinstance(self.beta, str) and self.beta not in ('size', 'first'):
            raise ValueError(f"beta='{self.beta}' is not known; give 'size', 'first' or a number.")
        if self.nearest <= 0 or (self.nearest > 1 and self.nearest != int(self.nearest)):
            raise ValueError(
                f'nearest={self.nearest} is no whole number from 1 on and no fraction; give 1.'
            )
        if self.by not in ('cost', 'roughness'):
            raise ValueError(f"by='{self.by}' is not known; give 'cost' or 'roughness'.")
        if self.metric not in METRICS:
            raise unknown('metric', self.metric, METRICS)

    def __call__(self, kernels: GroupedKernels, keep: int) -> Tensor:
        """The kept input channels (n, keep) of each group, ascending."""
        return self.search(kernels.similarity_by(self.metric), kernels.roughness, keep)

    @torch.no_grad()
    def search(self, similarity: Tensor, roughness: Tensor, keep: int) -> Tensor:
        """The search on its own.

        Args:
            similarity: (n, C, C), 1 on the diagonal and nowhere more.
            roughness: (n, C).
            keep: channels that each group keeps.

        Returns:
            (n, keep), ascending.
        """
        groups, channels = roughness.shape
        rows = similarity.reshape(-1, channels).contiguous()
        run = _BeamRun(self, rows, roughness.flatten(), keep)
        budget = self.memory or _BUDGET.get(similarity.device.type, _BUDGET_ELSEWHERE)
        candidates = self.width * self.width ** min(self.check_every, keep) * run.nearest
        chunk = max(1, budget // (candidates * channels * similarity.element_size()))
        starts = torch.arange(groups * channels, device=similarity.device)
        found = _each(run.grow, starts, chunk)
        values, members = zip(*found, strict=True)
        value = torch.cat(values).view(groups, channels)
        member = torch.cat(members).view(groups, channels, channels)
        best = value.argmin(1)  # the first start of several
        chosen = member[torch.arange(groups, device=best.device), best]
        return chosen.nonzero()[:, 1].view(groups, keep)

    @torch.no_grad()
    def trace(self, kernels: GroupedKernels, keep: int, group: int, start: int) -> list[Tensor]:
        """How the sets of one start grow.

        Args:
            kernels: of the layer.
            keep: channels that each group keeps.
            group: whose search it is.
            start: the first member of every set.

        Returns:
            Masks (sets, C) of the members, one for each size from 1 to `keep`.
        """
        rows = kernels.similarity_by(self.metric)[group].contiguous()
        steps: list[Tensor] = []
        run = _BeamRun(self, rows, kernels.roughness[group], keep, steps.append)
        run.grow(torch.tensor([start], device=rows.device))
        return steps


@dataclass
class _Sets:
    """Sets of T starts, m of each.

    Attributes:
        inner: (T, m), similarity within the set.
        rough: (T, m), roughness of the set.
        summed: (T, m, C), similarity to its members, inf at the members themselves.
        near: (T, m, k, C), the k largest similarities to its members.
        code: (T, m), equal for equal sets.
    """

    inner: Tensor
    rough: Tensor
    summed: Tensor
    near: Tensor
    code: Tensor

    @property
    def members(self) -> Tensor:
        """(T, m, C), who is in each set."""
        return self.summed.isinf()


@dataclass
class _Candidates:
    """Sets with one more member each; all (T, M).

    Attributes:
        parent: which of a start's sets it comes from.
        last: whom it takes in.
        inner: similarity within.
        rough: roughness.
        code: equal for equal sets.
    """

    parent: Tensor
    last: Tensor
    inner: Tensor
    rough: Tensor
    code: Tensor

    def chosen(self, stay: Tensor) -> _Candidates:
        """Those at the places (T, width)."""
        parts = (self.parent, self.last, self.inner, self.rough, self.code)
        return _Candidates(*(part.gather(1, stay) for part in parts))


@dataclass
class _BeamRun:
    """One search; row g * C + i is grouped kernel i of group g.

    Attributes:
        rule: the options.
        similarity: (n * C, C).
        roughness: (n * C,).
        keep: members of a finished set.
        watch: is told the first start's sets (m, C) after every step.
    """

    rule: Beam
    similarity: Tensor
    roughness: Tensor
    keep: int
    watch: Callable[[Tensor], Any] | None = None

    def __post_init__(self) -> None:
        share = self.rule.nearest
        self.nearest = int(share) if share >= 1 else max(1, int(share * self.keep))
        self.channels = self.similarity.shape[1]
        names = torch.randint(2**62, (self.channels,), generator=torch.Generator().manual_seed(0))
        self.names = names.to(self.similarity.device)
        ranked = self.rule.outside and self.rule.check_every < self.keep
        self.frozen = self._balance(1 + self.rule.check_every if ranked else self.keep)

    def grow(self, starts: Tensor) -> tuple[Tensor, Tensor]:
        """The best set of each start (T,).

        Returns:
            Its value (T,), smaller is better, and its members (T, C) as a mask.
        """
        sets = self._begin(starts)
        base = (starts - starts % self.channels)[:, None, None]
        if self.watch:
            self.watch(sets.members[0])
        for size in range(2, self.keep + 1):
            proposals = min(self.rule.width, self.channels - size + 1)
            added, index = lowest(sets.summed, proposals)  # (T, m, p)
            grown = self._candidates(sets, added, index, base)
            if (size - 1) % self.rule.check_every:
                sets = self._spread(sets, grown, base + index)
            else:
                cost = grown.inner
                if self.rule.outside:
                    cost = cost - self._beta(size) * self._coverage(sets, base + index, size)
                grown = grown.chosen(self._rank(cost, grown.rough, grown.code))
                sets = self._join(sets, grown, base[..., 0])
            if self.watch:
                self.watch(sets.members[0])
        value = sets.rough
        if self.rule.by == 'cost':
            outside = self._outside(sets.near, sets.members, self.keep)
            value = sets.inner - self._beta(self.keep) * outside
        value, best = value.min(1)
        return value, sets.members[torch.arange(len(best), device=best.device), best]

    def _begin(self, starts: Tensor) -> _Sets:
        own = (starts % self.channels)[:, None]
        rows = self.similarity[starts]
        near = rows.new_full((len(starts), 1, self.nearest, self.channels), -math.inf)
        near[:, 0, 0] = rows
        return _Sets(
            rows.new_zeros(len(starts), 1),
            self.roughness[starts][:, None],
            rows.scatter(1, own, math.inf)[:, None],
            near,
            self.names[own],
        )

    def _candidates(self, sets: _Sets, added: Tensor, index: Tensor, base: Tensor) -> _Candidates:
        count, proposals = index.shape[1:]
        parent = torch.arange(count, device=index.device).repeat_interleave(proposals)
        parent = parent.expand(len(index), -1)
        last = index.flatten(1)
        inner = sets.inner[..., None] + added
        rough = sets.rough[..., None] + self.roughness[base + index]
        code = sets.code.gather(1, parent) ^ self.names[last]
        return _Candidates(parent, last, inner.flatten(1), rough.flatten(1), code)

    def _join(self, sets: _Sets, grown: _Candidates, base: Tensor) -> _Sets:
        starts, count = sets.inner.shape
        place = grown.parent + count * torch.arange(starts, device=base.device)[:, None]
        rows = _take(self.similarity, base + grown.last)
        summed = _take(sets.summed.flatten(0, 1), place).add_(rows)
        summed.scatter_(2, grown.last[..., None], math.inf)
        near = _insert(_take(sets.near.flatten(0, 1), place), rows)
        return _Sets(grown.inner, grown.rough, summed, near, grown.code)

    def _spread(self, sets: _Sets, grown: _Candidates, rows: Tensor) -> _Sets:
        """As `_join` where all candidates stay; their rows are (T, m, p)."""
        rows = _take(self.similarity, rows)
        summed = (sets.summed[:, :, None] + rows).flatten(1, 2)
        summed.scatter_(2, grown.last[..., None], math.inf)
        near = _insert(sets.near[:, :, None], rows).flatten(1, 2)
        return _Sets(grown.inner, grown.rough, summed, near, grown.code)

    def _coverage(self, sets: _Sets, rows: Tensor, size: int) -> Tensor:
        """The second term's sum of every candidate (T, m * p), from its row (T, m, p)."""
        joined = _insert(sets.near[:, :, None], _take(self.similarity, rows))
        member = None
        if self.nearest > 1:
            member = sets.members[:, :, None].repeat(1, 1, rows.shape[2], 1)
            member.scatter_(3, (rows % self.channels)[..., None], True)
        return self._outside(joined, member, size).flatten(1)

    def _outside(self, near: Tensor, member: Tensor | None, size: int) -> Tensor:
        """Sum over those outside the set; near (..., k, C) -> (...)."""
        if self.nearest == 1:
            return near.squeeze(-2).sum(-1) - size  # a member's nearest is itself, at similarity 1
        near = near.where(near.isfinite(), 0).sum(-2)
        return (near * ~member).sum(-1)

    def _rank(self, cost: Tensor, rough: Tensor, code: Tensor) -> Tensor:
        """The candidates that stay, best first; (T, M) -> (T, width)."""
        if self.rule.distinct:
            again = (code[:, :, None] == code[:, None]).tril(-1).any(-1)
            cost = cost.masked_fill(again, math.inf)
            rough = rough.masked_fill(again, math.inf)
        by_cost = cost.argsort(dim=1, descending=True, stable=True)
        # places in by_cost, as the released code ranks: it decides among equals
        by_rough = rough.gather(1, by_cost).argsort(dim=1, descending=True, stable=True)
        place = torch.arange(cost.shape[1], device=cost.device, dtype=torch.float64)
        mix = by_rough * self.rule.alpha + place * (1 - self.rule.alpha)
        best = mix.argsort(dim=1, descending=True, stable=True)[:, : self.rule.width]
        return by_cost.gather(1, by_rough.gather(1, best))

    def _balance(self, size: int) -> float:
        pairs = size * (size - 1) / 2
        others = self.channels - size
        return pairs / (others * self.nearest) if others else 0.0

    def _beta(self, size: int) -> float:
        rule = self.rule.beta
        if rule == 'size':
            return self._balance(size)
        return self.frozen if rule == 'first' else rule


def _each(grow: Callable[[Tensor], Any], starts: Tensor, most: int) -> list:
    """What grows from the starts, at most so many at a time, on a CPU in all its threads."""
    if starts.device.type != 'cpu':
        return [grow(part) for part in starts.split(most)]
    share = math.ceil(len(starts) / torch.get_num_threads())
    return in_threads(grow, starts.split(min(most, share)))


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """rows[index], new memory, and faster than that."""
    return rows.index_select(0, index.flatten()).unflatten(0, index.shape)


def _insert(near: Tensor, rows: Tensor) -> Tensor:
    """The k largest (..., k, C), sorted, with one further value (..., C) each.

    The memory of `rows` may be used.
    """
    if near.shape[-2] == 1:
        rows = rows.unsqueeze(-2)
        return torch.maximum(near, rows, out=rows)
    kept = []
    for held in near.unbind(-2):
        kept.append(torch.maximum(held, rows))
        rows = torch.minimum(held, rows)
    return torch.stack(kept, -2)
