"""What `robust_prune = dict(recipe=..., target=...)` may say: one dataclass a recipe."""

from .build import RECIPES, build_recipe, checklist
from .facts import Facts
from .phases import Phase

__all__ = ['Facts', 'Phase', 'RECIPES', 'build_recipe', 'checklist']
