"""A recipe written out: every field with its value, those of its rules, scores and hosts too."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from mmrobustprune.mask_search import HOSTS
from mmrobustprune.scores import SCORES
from mmrobustprune.sharpness.build import RULES

from .build import RECIPES

PARTS: dict[str, type] = {**RULES, **SCORES, **HOSTS}


def spelled_out(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of what `robust_prune` says, a nested one as `rule.rho_max`.

    A field that is not said has its default, so that a silent config and one that says the defaults
    are the same. Of a recipe, a rule, a score or a host that is not known there is what is said.

    Args:
        given: `robust_prune`, with `recipe` and fields of it.
    """
    kind = RECIPES.get(given.get('recipe', ''))
    found: dict[str, Any] = {}
    for name, value in {**defaults(kind), **given}.items():
        found.update(_flat(name, value))
    return found


def defaults(kind: type | None) -> dict[str, Any]:
    """Field -> what a class takes where nothing is said, or always; {} of no class."""
    if kind is None:
        return {}
    if not is_dataclass(kind):
        parameters = inspect.signature(kind).parameters.values()
        return {one.name: one.default for one in parameters if one.default is not one.empty}
    found = {}
    for field in fields(kind):
        if field.compare and field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
        elif field.compare and field.default is not MISSING:
            found[field.name] = field.default
    return found


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A field and its value; of a dict the fields in it."""
    if not isinstance(value, Mapping):
        yield name, list(value) if isinstance(value, tuple) else value
        return
    for key, inner in {**defaults(PARTS.get(value.get('type', ''))), **value}.items():
        yield from _flat(f'{name}.{key}', inner)
