"""The recipe that a config names."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from mmrobustprune.naming import check_fields, unknown

from .facts import Facts
from .gradual import AdaSAPLatencyRecipe, AdaSAPRecipe, MagnitudeRecipe, Recipe, TaylorRecipe
from .grouped import EveryConvolutionRecipe, GroupedKernelRecipe, TMIGroupedKernelRecipe
from .methods import METHODS
from .search import SEARCHES, MaskSearch

RECIPES: dict[str, type] = dict(
    adasap=AdaSAPRecipe,
    adasap_latency=AdaSAPLatencyRecipe,
    magnitude=MagnitudeRecipe,
    taylor=TaylorRecipe,
    sr_gkp=GroupedKernelRecipe,
    sr_gkp_all=EveryConvolutionRecipe,
    tmi_gkp=TMIGroupedKernelRecipe,
    **METHODS,
    **SEARCHES,
)


def build_recipe(config: dict) -> Recipe | GroupedKernelRecipe | MaskSearch:
    """The recipe that `robust_prune` describes.

    Args:
        config: `recipe` is one of RECIPES, `target` the fraction removed, the rest its fields.

    Raises:
        ValueError: unknown recipe or field (the nearest name is given), or a value out of its
            range.
    """
    config = _without_scopes(config)
    name = config.pop('recipe', None)
    if name not in RECIPES:
        raise unknown('robust_prune.recipe', name, RECIPES)
    check_fields('robust_prune', config, [f.name for f in fields(RECIPES[name]) if f.init])
    needed = [one.name for one in fields(RECIPES[name]) if one.default is MISSING]
    if 'target' in needed and 'target' not in config:
        raise ValueError(
            f"robust_prune of recipe '{name}' has no target; say target=0.5 to remove half."
        )
    for key in ('ignore', 'snapshots'):
        if key in config:
            config[key] = (config[key],) if isinstance(config[key], str) else tuple(config[key])
    return RECIPES[name](**config)


def checklist() -> dict[str, Facts]:
    """What to know of every recipe before numbers are compared, by its name."""
    return {name: recipe.facts for name, recipe in RECIPES.items()}


def _without_scopes(config: Any) -> Any:
    """Plain dicts, without the `_scope_` of mmengine in what a config inherits from a package."""
    if isinstance(config, dict):
        return {key: _without_scopes(value) for key, value in config.items() if key != '_scope_'}
    return config
