"""Perturbation rules: where the weights move before the second gradient is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import Tensor


@dataclass
class Rule:
    """Base of the rules; a subclass turns gradients into offsets in `_turn`.

    Args:
        params: what moves: 'all' (SAM and ASAM by default, as published), 'weight' (the others;
            convolution and linear weights: the name ends in 'weight' and there are two dimensions
            or more), or names or patterns of parameters ('backbone.*').

    Raises:
        ValueError: a field out of its range; at a step, a pattern that matches no parameter.
    """

    inner_steps = 1  # how often it turns gradients of one batch into offsets

    params: str | Sequence[str] = field(default='weight', kw_only=True)
    judged: bool = field(default=False, init=False, repr=False, compare=False)  # see step.py

    @torch.no_grad()
    def offsets(
        self, params: Mapping[str, Tensor], grads: Mapping[str, Tensor | None], reuse: bool = False
    ) -> dict[str, Tensor]:
        """What to add to each weight: {name: offset of the weight's shape}, of the weights moved.

        Norms are taken in float32 or wider. Where one is zero, infinite or NaN the offset is zero,
        with no branch in Python: no rank takes another way and no device waits.

        Args:
            params: {name: weight (out, ...)}, every parameter of the network, outputs first.
            grads: {name: gradient of the same shape}; parameters without one do not move.
            reuse: the gradients' memory becomes the offsets' (saves a copy, loses the gradients).
        """
        names = [name for name in self._chosen(params) if grads.get(name) is not None]
        if not names:
            return {}
        turned = [_own(grads[name], reuse) for name in names]
        self._turn(names, [params[name].detach() for name in names], turned)
        return dict(zip(names, turned, strict=True))

    def begin(self) -> None:
        """Be told that a batch begins; a rule with several `inner_steps` starts anew."""

    def follow(self, rate: float) -> None:
        """Be told the learning rate of the step that comes; most rules do not ask."""

    def state_dict(self) -> dict:
        """What a resumed run needs to take the same steps; tensors only."""
        return {}

    def rank_state(self) -> dict:
        """What of `state_dict` differs between data-parallel processes."""
        return {}

    def load_state_dict(self, state: Mapping) -> None:
        """Take back what `state_dict` gave."""

    def _chosen(self, params: Mapping[str, Tensor]) -> list[str]:
        if isinstance(self.params, str):
            chosen = CHOICES[self.params]
            return [name for name, weight in params.items() if chosen(name, weight)]
        matched: set[str] = set()
        for pattern in self.params:
            hits = [name for name in params if fnmatchcase(name, pattern)]
            if not hits:
                raise ValueError(
                    f'params names {pattern!r}, which matches no parameter of the network; '
                    'compare with model.named_parameters().'
                )
            matched.update(hits)
        return [name for name in params if name in matched]

    def _turn(self, names: list[str], weights: list[Tensor], grads: list[Tensor]) -> None:
        """Turn gradients into offsets, in place."""
        raise NotImplementedError

    def __post_init__(self):
        if isinstance(self.params, str):
            one_of('params', self.params, CHOICES)


def _is_weight(name: str, parameter: Tensor) -> bool:
    return name.rsplit('.', 1)[-1].endswith('weight') and parameter.ndim > 1


def _is_any(name: str, parameter: Tensor) -> bool:
    return True


CHOICES = dict(weight=_is_weight, all=_is_any)


@dataclass
class SAM(Rule):
    """Sharpness-aware minimisation (Foret et al., arXiv 2010.01412).

    e = rho g / ||g||, the norm over all parameters moved.

    Args:
        rho: L2 radius in weight units, >= 0.
        params: every parameter by default, biases and normalisations too.
    """

    rho: float = 0.05
    params: str | Sequence[str] = field(default='all', kw_only=True)

    def _turn(self, names, weights, grads):
        stretch_to_(grads, self.rho)

    def __post_init__(self):
        super().__post_init__()
        at_least_zero(rho=self.rho)


@dataclass
class ASAM(Rule):
    """Adaptive SAM, blind to the scale of a layer (Kwon et al., arXiv 2102.11600).

    e = rho T^2 g / ||T g|| with T = |w| + eta, elementwise, in parameters named 'weight' (also
    those of normalisations) and T = 1 in all others, biases among them, as in the authors' code
    (asam.py of SamsungLabs/ASAM; their word on biases and beta: davda54/sam#37).

    Args:
        rho: L2 radius of the relative change T^-1 e (no unit), >= 0.
        eta: floor of T in weight units, >= 0; 0 makes the rule exactly invariant to rescaling.
        params: every parameter by default.
    """

    rho: float = 2.0
    eta: float = 0.01
    params: str | Sequence[str] = field(default='all', kw_only=True)

    def _turn(self, names, weights, grads):
        scaled = Scaled(names, weights, grads, self.eta)
        scaled.multiply_()
        stretch_to_(grads, self.rho)
        scaled.multiply_()

    def __post_init__(self):
        super().__post_init__()
        at_least_zero(rho=self.rho, eta=self.eta)


@dataclass
class AWP(Rule):
    """Adversarial weight perturbation (Wu et al., arXiv 2004.05884).

    e_l = gamma ||w_l|| g_l / ||g_l|| in each layer l.

    Args:
        gamma: radius of a layer relative to its own norm (no unit), >= 0.
    """

    gamma: float = 5e-3

    def _turn(self, names, weights, grads):
        stretch_(grads, self.gamma * norms(weights), norms(grads), [1] * len(grads))

    def __post_init__(self):
        super().__post_init__()
        at_least_zero(gamma=self.gamma)


# --- arithmetic shared by the rules ---------------------------------------------------------------


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or wider if it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


class Scaled:
    """ASAM's T, and the gradients that it multiplies: of parameters with 'weight' in their name.

    Args:
        names: of all parameters at hand.
        weights: their values.
        grads: their gradients, to be changed in place.
        eta: T = |w| + eta.
    """

    def __init__(self, names: list[str], weights: list[Tensor], grads: list[Tensor], eta: float):
        places = [place for place, name in enumerate(names) if 'weight' in name]
        self.grads = [grads[place] for place in places]
        self.scales: list[Tensor] = []
        if places:
            self.scales = torch._foreach_abs([weights[place] for place in places])
            torch._foreach_add_(self.scales, eta)

    def multiply_(self) -> None:
        """T g in place of g."""
        if self.grads:
            torch._foreach_mul_(self.grads, self.scales)


def norms(tensors: list[Tensor]) -> Tensor:
    """L2 norm of each tensor, (len,)."""
    return torch.stack(torch._foreach_norm([wide(tensor) for tensor in tensors]))


def ratio(radius: float | Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """radius / length, 0 where that is no finite number, and where it is none."""
    factor = radius / length
    broken = ~(torch.isfinite(length) & torch.isfinite(factor))
    return torch.where(broken, torch.zeros_like(factor), factor), broken


def stretch_to_(directions: list[Tensor], rho: float) -> None:
    """Scale all directions by one number, in place, so that their common L2 norm is rho."""
    factor, broken = ratio(rho, norms(directions).norm())
    torch._foreach_mul_(directions, factor)
    for direction in directions:  # 0 * inf is NaN
        direction.masked_fill_(broken, 0)


def stretch_(directions: list[Tensor], radii: Tensor, lengths: Tensor, sizes: list[int]) -> None:
    """Scale part i of the directions by radii[i] / lengths[i], in place.

    Direction k has sizes[k] parts: the rows of its first dimension, or with size 1 all of it.
    """
    factor, broken = ratio(radii, lengths)
    torch._foreach_mul_(directions, _along(factor, directions, sizes))
    for direction, bad in zip(directions, _along(broken, directions, sizes), strict=True):
        direction.masked_fill_(bad, 0)


def _along(vector: Tensor, directions: list[Tensor], sizes: list[int]) -> list[Tensor]:
    """The parts of a vector, each shaped so that it broadcasts along the first dimension."""
    parts = []
    for part, direction in zip(vector.split(sizes), directions, strict=True):
        shape = (-1, *[1] * (direction.ndim - 1)) if direction.ndim else ()
        parts.append(part.view(shape))
    return parts


def _own(grad: Tensor, reuse: bool) -> Tensor:
    grad = grad.detach()
    widened = wide(grad)
    return widened if reuse or widened is not grad else grad.clone()


# --- validation -----------------------------------------------------------------------------------


def one_of(name: str, value: str, allowed: Mapping) -> None:
    """Raise ValueError unless value is a key of allowed."""
    if value not in allowed:
        allowed = ' or '.join(map(repr, allowed))
        raise ValueError(f'{name}={value!r} is not allowed; choose {allowed}.')


def at_least_zero(**values: float) -> None:
    """Raise ValueError unless every value is a finite number >= 0."""
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not (math.isfinite(value) and value >= 0):
            raise ValueError(
                f'{name}={value!r} is not a finite number >= 0; with 0 the weights do not move.'
            )
