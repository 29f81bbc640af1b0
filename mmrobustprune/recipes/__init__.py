"""What `robust_prune = dict(recipe=..., target=...)` may say: one dataclass a recipe."""

from .build import RECIPES, build_recipe

__all__ = ['RECIPES', 'build_recipe']
