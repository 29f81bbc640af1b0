"""Perturbation of scores while a mask is searched (S2AP), and of surviving weights afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .rules import AWP, Rule, at_least_zero, norms, one_of, stretch_


@dataclass
class S2AP(Rule):
    """The step of S2AP in the space of scores s, layer by layer (Algorithm 1).

    u_l = z_l + step g_l / ||g_l||, with z_l = 0 unless carried from the batch before, and then
    z_l = gamma ||s_l|| u_l / ||u_l|| (equality, as AWP does), or the same only where ||u_l|| is
    larger than gamma ||s_l|| (ball). With norm='network' the step is divided by the norm of all
    gradients. Further steps on the same batch begin at the z of the last one.
    With equality and nothing carried, step and norm cancel: z_l = gamma ||s_l|| g_l / ||g_l||.
    As printed: norm='network', bound='ball', step='schedule', carry=True.

    Args:
        gamma: radius of a layer relative to the norm of its scores (no unit), >= 0.
        norm: the step is divided by the norm of the 'layer' or of the 'network'.
        bound: 'equality' or 'ball'.
        step: length of the step in score units, > 0, or 'schedule': the learning rate of the
            scores, told by `follow`.
        carry: z goes on from batch to batch instead of starting at 0.
        inner_steps: steps on each batch, one pass each.
        params: the scores by default.

    Raises:
        ValueError: a field out of its range, or norm='network' where it would cancel; a step of the
            schedule before `follow` told it.
    """

    gamma: float = 1e-3
    norm: str = 'layer'
    bound: str = 'equality'
    step: float | str = 0.1
    carry: bool = False
    inner_steps: int = 1
    params: str | Sequence[str] = field(default=('*.scores',), kw_only=True)
    _z: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)
    _rate: float | None = field(default=None, init=False, repr=False, compare=False)

    def follow(self, rate: float) -> None:
        self._rate = rate

    def begin(self) -> None:
        if not self.carry:
            self._z = {}

    def _turn(self, names, weights, grads):
        lengths = LENGTHS[self.norm](norms(grads))
        stretch_(grads, torch.full_like(lengths, self._length()), lengths, [1] * len(grads))
        before = [self._z.get(name) for name in names]
        for u, z in zip(grads, before, strict=True):
            if z is not None:
                u.add_(z.to(u))
        lengths = norms(grads)
        radii = BOUNDS[self.bound](lengths, self.gamma * norms(weights))
        stretch_(grads, radii, lengths, [1] * len(grads))
        if self._accumulates():
            self._z = dict(zip(names, grads, strict=True))

    def _length(self) -> float:
        if self.step != SCHEDULE:
            return self.step
        if self._rate is None:
            raise ValueError(
                f"step='{SCHEDULE}' is the learning rate, and nothing told it; call "
                'rule.follow(rate) before the step, as MaskSearchHook does, or give a length.'
            )
        return self._rate

    def state_dict(self) -> dict:
        """{'z': {name: offset}} where it is carried, else nothing."""
        return dict(z=dict(self._z)) if self.carry else {}

    def rank_state(self) -> dict:
        """All of it: every process climbs by the gradient of its own batch."""
        return dict(z={name: z.cpu() for name, z in self._z.items()}) if self.carry else {}

    def load_state_dict(self, state: Mapping) -> None:
        self._z = {name: z.clone() for name, z in state.get('z', {}).items()}

    def __post_init__(self):
        super().__post_init__()
        at_least_zero(gamma=self.gamma)
        one_of('norm', self.norm, LENGTHS)
        one_of('bound', self.bound, BOUNDS)
        if self.step != SCHEDULE:
            at_least_zero(step=self.step)
        if self.step == 0:
            raise ValueError(
                'step=0 never leaves the scores; give a length > 0, or gamma=0 for no perturbation.'
            )
        if not isinstance(self.inner_steps, int) or self.inner_steps < 1:
            raise ValueError(
                f'inner_steps={self.inner_steps!r} is no whole number >= 1; 1 is as published.'
            )
        if self.norm == 'network' and self.bound == 'equality' and not self._accumulates():
            raise ValueError(
                "norm='network' cancels under bound='equality' without carry, where every layer is "
                "stretched to gamma ||s_l||; use bound='ball', carry=True, or norm='layer'."
            )

    def _accumulates(self) -> bool:
        return self.carry or self.inner_steps > 1


@dataclass
class MaskedAWP(AWP):
    """AWP on the weights that survived pruning (S2AP, Algorithm 2).

    e_l = gamma ||w_l * m_l|| (g_l * m_l) / ||g_l * m_l||, or with norm='dense' the same with the
    first norm ||w_l||.

    The masks m are those of `set_masks`; without them a weight is pruned if it is exactly zero, as
    `ScoredNetwork.bake` leaves it.

    Args:
        gamma: radius of a layer relative to its own norm (no unit), >= 0.
        norm: 'kept', or 'dense', where weights hidden behind a mask widen the radius too.
        params: the masked weights by default.

    Raises:
        ValueError: a field out of its range; at a step, a mask of another shape than its weight.
    """

    norm: str = 'kept'
    params: str | Sequence[str] = field(default=('*.weight.original',), kw_only=True)
    _masks: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def set_masks(self, masks: Mapping[str, Tensor]) -> None:
        """Take the masks of weights that are hidden but not zero.

        Args:
            masks: {layer or parameter name: bool mask of the weight's shape}.
        """
        self._masks = {name: mask.detach().bool().clone() for name, mask in masks.items()}

    def state_dict(self) -> dict:
        """{'masks': {name: mask}}."""
        return dict(masks=dict(self._masks))

    def load_state_dict(self, state: Mapping) -> None:
        self.set_masks(state.get('masks', {}))

    def _turn(self, names, weights, grads):
        masks = [self._mask(name, weight) for name, weight in zip(names, weights, strict=True)]
        for grad, mask in zip(grads, masks, strict=True):
            grad.masked_fill_(~mask, 0)
        sizes = norms(MEASURED[self.norm](weights, masks))
        stretch_(grads, self.gamma * sizes, norms(grads), [1] * len(grads))

    def _mask(self, name: str, weight: Tensor) -> Tensor:
        key = name if name in self._masks else name.partition('.parametrizations.')[0]
        if key not in self._masks:
            return weight != 0
        mask = self._masks[key] = self._masks[key].to(weight.device)
        if mask.shape != weight.shape:
            raise ValueError(
                f'the mask of {name!r} has shape {tuple(mask.shape)} and the weight '
                f'{tuple(weight.shape)}; set the masks of this network.'
            )
        return mask

    def __post_init__(self):
        super().__post_init__()
        one_of('norm', self.norm, MEASURED)


def _own(lengths: Tensor) -> Tensor:
    return lengths


def _together(lengths: Tensor) -> Tensor:
    return lengths.norm().expand(len(lengths))


def _exactly(lengths: Tensor, radii: Tensor) -> Tensor:
    return radii


def _at_most(lengths: Tensor, radii: Tensor) -> Tensor:
    return torch.minimum(lengths, radii)


def _kept(weights: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
    return [weight * mask for weight, mask in zip(weights, masks, strict=True)]


def _dense(weights: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
    return weights


SCHEDULE = 'schedule'
LENGTHS = dict(layer=_own, network=_together)
BOUNDS = dict(equality=_exactly, ball=_at_most)
MEASURED = dict(kept=_kept, dense=_dense)
