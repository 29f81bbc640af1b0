"""What `robust_prune = dict(recipe=..., target=...)` may say: one dataclass a recipe, its fields with their defaults."""
from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields
from typing import Any

from mmrobustprune.scores import build_score
from mmrobustprune.sharpness import build_rule

BUDGETS = ('params', 'macs', 'channels')


def _magnitude() -> dict:
    return dict(type='Magnitude', p=2)


@dataclass(frozen=True)
class Recipe:
    """Gradual structured pruning: score, mask in rounds, remove once, fine-tune.

    Phases: `warmup` (nothing masked), then `rounds` rounds of masks `interval` iterations apart, the removal with the last
    one, then fine-tuning to the end of the base schedule. The number of neurons falls as k_r = m (1 - p)^(r / rounds).

    Args:
        target: fraction removed, in (0, 1), of `budget`.
        budget: 'params' | 'macs' | 'channels'.
        score: what a neuron is worth; feeds the perturbation radius and the removal.
        scope: neurons are ranked over the whole 'network' or in each 'layer' by itself.
        min_keep: fraction of each group of channels that always stays, in [0, 1).
        round_to: channel counts kept are multiples of this.
        ignore: module names (prefixes or patterns) left whole.
        warmup: length of the first phase: a fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.
        rounds: rounds of masks.
        interval: iterations between rounds; None with `prune` set.
        prune: length of the pruning phase instead of `interval`, written as `warmup` is.
        rule: sharpness rule while neurons are scored and removed; None is plain training.
        finetune_rule: sharpness rule after the removal; None is plain training.
        measure: evaluate the validation set on both sides of the first and of the last mask.

    Raises:
        ValueError: a field out of its range.
    """

    target: float
    budget: str = 'params'
    score: dict = field(default_factory=_magnitude)
    scope: str = 'network'
    min_keep: float = 0.1
    round_to: int | None = None
    ignore: tuple[str, ...] = ()
    warmup: float | str = 1 / 9
    rounds: int = 30
    interval: int | None = 30
    prune: float | str | None = None
    rule: dict | None = None
    finetune_rule: dict | None = None
    measure: bool = True

    def __post_init__(self):
        number = isinstance(self.target, (int, float)) and not isinstance(self.target, bool)
        if not number or not 0 < self.target < 1:
            raise ValueError(
                f'robust_prune.target={self.target!r} is not in (0, 1); it is the fraction removed, so 0.5 halves the network.')
        if self.budget not in BUDGETS:
            raise ValueError(_unknown('robust_prune.budget', self.budget, BUDGETS))
        if self.scope not in ('network', 'layer'):
            raise ValueError(_unknown('robust_prune.scope', self.scope, ('network', 'layer')))
        if self.rounds < 1:
            raise ValueError(f'robust_prune.rounds={self.rounds} is below 1; one round removes everything at once.')
        if self.prune is None and (self.interval is None or self.interval < 1):
            raise ValueError(
                f'robust_prune.interval={self.interval} is below 1; give iterations between rounds, or the length `prune`.')
        if not 0 <= self.min_keep < 1:
            raise ValueError(f'robust_prune.min_keep={self.min_keep} is not in [0, 1); 0.1 keeps a tenth of each group.')
        build_score(self.score)
        for rule in (self.rule, self.finetune_rule):
            if rule is not None:
                build_rule(rule)


def _adasap() -> dict:
    return dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True)


def _uniform() -> dict:
    return dict(type='ASAM', rho=2.0)


@dataclass(frozen=True)
class AdaSAP(Recipe):
    """AdaSAP (arXiv 2306.14306): a radius per neuron until the last removal, then one radius for all."""

    rule: dict | None = field(default_factory=_adasap)
    finetune_rule: dict | None = field(default_factory=_uniform)


@dataclass(frozen=True)
class Magnitude(Recipe):
    """Group L2 magnitude under plain training."""


@dataclass(frozen=True)
class Taylor(Recipe):
    """First-order Taylor scores of the weights under plain training."""

    score: dict = field(default_factory=lambda: dict(type='Taylor'))


RECIPES: dict[str, type[Recipe]] = dict(adasap=AdaSAP, magnitude=Magnitude, taylor=Taylor)


def build_recipe(config: dict) -> Recipe:
    """The recipe that `robust_prune` describes.

    Raises:
        ValueError: unknown recipe or field (the nearest name is given), or a value out of its range.
    """
    config = _without_scopes(config)
    name = config.pop('recipe', None)
    if name not in RECIPES:
        raise ValueError(_unknown('robust_prune.recipe', name, RECIPES))
    allowed = [f.name for f in fields(RECIPES[name])]
    for key in config:
        if key not in allowed:
            raise ValueError(_unknown('robust_prune', key, allowed))
    if 'target' not in config:
        raise ValueError(f"robust_prune of recipe '{name}' has no target; say target=0.5 to remove half.")
    if 'prune' in config and 'interval' not in config:
        config['interval'] = None
    if isinstance(config.get('ignore'), str):
        config['ignore'] = (config['ignore'],)
    config['ignore'] = tuple(config.get('ignore', ()))
    return RECIPES[name](**config)


def _without_scopes(config: Any) -> Any:
    """Plain dicts, without the `_scope_` that mmengine writes into what a config inherits from a package."""
    if isinstance(config, dict):
        return {key: _without_scopes(value) for key, value in config.items() if key != '_scope_'}
    return config


def _unknown(what: str, given: Any, allowed) -> str:
    near = difflib.get_close_matches(str(given), list(allowed), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else 'choose one of them.'
    return f'{what}={given!r} is not known (known: {", ".join(allowed)}); {hint}'
