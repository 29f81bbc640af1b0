"""What `robust_prune = dict(recipe=..., target=...)` may say: one dataclass a recipe."""

from .build import RECIPES, build_recipe
from .phases import Phase

__all__ = ['Phase', 'RECIPES', 'build_recipe']
