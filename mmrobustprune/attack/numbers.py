"""Numbers that a user gives: fractions as text, bounds, lengths in pixels."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any


def number(value: str | float) -> float:
    """0.03, '0.03' or '8/255' as a float.

    Raises:
        ValueError: anything else.
    """
    try:
        return float(Fraction(value.strip())) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError, TypeError):
        raise ValueError(f"'{value}' is no number; give one such as 0.03 or 8/255.") from None


def check_number(who: str, field: str, value: Any, least: float = 0, whole: bool = False) -> None:
    """Raise ValueError unless a value is a finite number of at least `least`, or a whole one."""
    fine = (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= least
    )
    if not fine or (whole and value != int(value)):
        kind = 'whole number' if whole else 'number'
        raise ValueError(f'{who} got {field}={value!r}; give a {kind} of at least {least:g}.')


def refuse_grey_levels(who: str, field: str, value: float) -> None:
    """Raise ValueError for a length that is more than all of [0, 1], where pixels lie."""
    if value > 1:
        raise ValueError(
            f'{who} got {field}={value:g}; pixels lie in [0, 1] here, so write {value:g}/255 for '
            f'{value:g} grey levels.'
        )
