"""Unknown names, answered with the nearest known one."""
from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def unknown(what: str, name: str, allowed: Collection[str]) -> ValueError:
    """The error for a name that is not among the allowed ones."""
    near = get_close_matches(str(name), list(allowed), 1, 0.4)
    hint = f"did you mean '{near[0]}'?" if near else 'use one of these.'
    return ValueError(f"unknown {what} '{name}' (known: {', '.join(sorted(allowed))}); {hint}")
