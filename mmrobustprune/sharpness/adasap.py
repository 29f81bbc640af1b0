"""AdaSAP: a wide radius for neurons that may go, a narrow one for those that matter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .rules import Rule, Scaled, at_least_zero, norms, one_of, stretch_, wide


@dataclass
class AdaSAP(Rule):
    """A radius for each neuron by its score s (AdaSAP, arXiv 2306.14306).

    e_i = rho_i T^2 g_i / ||T g|| with
    rho_i = rho_max - (s_i - s_min) / (s_max - s_min) (rho_max - rho_min),
    or (rho_min + rho_max) / 2 where all scores are equal. Dead neurons do not move and count
    neither in s_min nor in s_max. Scores come from `set_scores`; a weight without given scores uses
    the L2 norms of its own filters, and there a filter that is exactly zero is dead.

    Args:
        rho_min: radius of the most important neuron, >= 0.
        rho_max: radius of the least important one, >= rho_min; 2.0 belongs to adaptive=True, 0.1 to
            adaptive=False.
        adaptive: T = |w| + eta as in ASAM, radii are relative changes; False: T = 1, radii are in
            weight units.
        eta: floor of T in weight units, >= 0.
        scope: s_min and s_max are those of the 'layer' (norms differ between layers by fan-in) or
            of the 'network', where given scores of groups, given scores of single filters and
            filter norms, of different units, are ranged apart.
        norm: ||T g|| is 'global' (with equal radii exactly ASAM or SAM of the same parameters),
            that of the 'neuron' times the square root of the number of neurons alive, or that of
            its 'own' alone: then ||T^-1 e_i|| is rho_i itself, and all neurons together move
            sqrt(neurons) times as far as by the other two.

    Raises:
        ValueError: a field out of its range, rho_min > rho_max, scores of another network.
    """

    rho_min: float = 0.01
    rho_max: float = 2.0
    adaptive: bool = True
    eta: float = 0.01
    scope: str = 'layer'
    norm: str = 'global'
    _scores: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)
    _alive: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)
    _single: frozenset[str] = field(default=frozenset(), init=False, repr=False, compare=False)

    def set_scores(
        self,
        scores: Mapping[str, Tensor],
        alive: Mapping[str, Tensor] | None = None,
        single: Collection[str] | None = None,
    ) -> None:
        """Take the importance of neurons from outside, until the next call.

        Args:
            scores: {parameter name: (out,) in any unit, larger is more important}.
            alive: {parameter name: (out,) bool}, False where masked; absent names are all alive.
            single: names whose scores are of single filters, where the others' are of groups of
                coupled ones; the two have no common range. None: where `alive` is given, those
                without an entry, which no group holds.

        Raises:
            ValueError: a score that is no vector or not finite, or `alive` of another length.
        """
        alive = alive or {}
        for name, score in scores.items():
            if score.ndim != 1 or not torch.isfinite(score).all():
                raise ValueError(
                    f'the score of {name!r} has shape {tuple(score.shape)} or is not finite; give '
                    'one finite number per output.'
                )
            if name in alive and alive[name].shape != score.shape:
                raise ValueError(
                    f'alive of {name!r} has {alive[name].numel()} entries and its score '
                    f'{len(score)}; give both one entry per output.'
                )
        self._scores = {name: wide(score.detach()).clone() for name, score in scores.items()}
        self._alive = {name: living.detach().bool().clone() for name, living in alive.items()}
        if single is None:
            single = scores.keys() - alive.keys() if alive else ()
        self._single = frozenset(single)

    def state_dict(self) -> dict:
        """The scores in use: {'scores': {name: (out,)}, 'alive': {name: (out,) bool}, 'single'}."""
        return dict(scores=dict(self._scores), alive=dict(self._alive), single=sorted(self._single))

    def load_state_dict(self, state: Mapping) -> None:
        """Take back the scores in use."""
        self.set_scores(state.get('scores', {}), state.get('alive', {}), state.get('single'))

    def offsets(self, params, grads, reuse=False):
        for name in (*self._scores, *self._alive):
            if name not in params:
                raise ValueError(
                    f'scores were set for {name!r}, which is no parameter of the network; set the '
                    'scores of this one.'
                )
        return super().offsets(params, grads, reuse)

    def _turn(self, names, weights, grads):
        sizes = [weight.shape[0] if weight.ndim else 1 for weight in weights]
        radii, alive = self._radii(names, weights, sizes)
        scaled = Scaled(names if self.adaptive else [], weights, grads, self.eta)
        scaled.multiply_()
        stretch_(grads, radii, LENGTHS[self.norm](grads, alive), sizes)
        scaled.multiply_()

    def _radii(
        self,
        names: list[str],
        weights: list[Tensor],
        sizes: list[int],
    ) -> tuple[Tensor, Tensor]:
        """Radius of every neuron, 0 for a dead one, and which are alive; both (neurons,)."""
        pairs = [self._score(*layer) for layer in zip(names, weights, sizes, strict=True)]
        scores = torch.cat([score for score, _ in pairs])
        alive = torch.cat([living for _, living in pairs])
        ranges = RANGES[self.scope]([self._unit(name) for name in names])
        parts = []
        for size, number in zip(sizes, ranges, strict=True):
            # filled on the device: a copy from the host would wait for it
            parts.append(scores.new_full((size,), number, dtype=torch.long))
        index = torch.cat(parts)
        low = _extreme(scores, alive, index, max(ranges) + 1, 'amin')
        high = _extreme(scores, alive, index, max(ranges) + 1, 'amax')
        share = torch.where(high > low, (scores - low) / (high - low), 0.5)
        radii = self.rho_max - share * (self.rho_max - self.rho_min)
        return torch.where(alive, radii, 0.0), alive

    def _unit(self, name: str) -> int:
        """What a weight's scores are: 0 norms of filters, 1 given for groups, 2 for filters."""
        if name not in self._scores:
            return 0
        return 2 if name in self._single else 1

    def _score(self, name: str, weight: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Scores and living neurons of one weight, (size,) each."""
        if name in self._scores:
            score = self._scores[name] = self._scores[name].to(weight.device)
            alive = torch.ones_like(score, dtype=torch.bool)
        else:
            score = filter_norms(weight)
            alive = score > 0
        if name in self._alive:
            alive = self._alive[name] = self._alive[name].to(weight.device)
        if len(score) != size or len(alive) != size:
            raise ValueError(
                f'{name!r} has {size} outputs, its scores and alive have {len(score)} and '
                f'{len(alive)} entries; set the scores again after a removal.'
            )
        return score, alive

    def __post_init__(self):
        super().__post_init__()
        at_least_zero(rho_min=self.rho_min, rho_max=self.rho_max, eta=self.eta)
        one_of('scope', self.scope, RANGES)
        one_of('norm', self.norm, LENGTHS)
        if self.rho_min > self.rho_max:
            raise ValueError(
                f'rho_min={self.rho_min} is larger than rho_max={self.rho_max}; the least '
                'important neuron gets rho_max, so exchange them.'
            )


def filter_norms(weight: Tensor) -> Tensor:
    """L2 norm of each row of a weight (out, ...), in float32 or wider, (out,)."""
    return torch.linalg.vector_norm(wide(weight).reshape(weight.shape[:1].numel(), -1), dim=1)


def _global(grads: list[Tensor], alive: Tensor) -> Tensor:
    return norms(grads).norm().expand(len(alive))


def _neuron(grads: list[Tensor], alive: Tensor) -> Tensor:
    return _own(grads, alive) * alive.sum().sqrt()


def _own(grads: list[Tensor], alive: Tensor) -> Tensor:
    return torch.cat([filter_norms(grad) for grad in grads])


def _extreme(scores: Tensor, alive: Tensor, index: Tensor, count: int, which: str) -> Tensor:
    """Smallest or largest living score in the range of each neuron, (neurons,)."""
    edge = float('inf') if which == 'amin' else -float('inf')
    living = torch.where(alive, scores, edge)
    return scores.new_full((count,), edge).scatter_reduce(0, index, living, which)[index]


def _of_layers(units: list[int]) -> list[int]:
    return list(range(len(units)))


def _of_network(units: list[int]) -> list[int]:
    return units


# scope -> number of the range that each weight is compared in, from the units of its scores
RANGES = dict(layer=_of_layers, network=_of_network)
LENGTHS = {'global': _global, 'neuron': _neuron, 'own': _own}
