"""What several recipes ask of their fields."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import field
from typing import Any

from mmrobustprune.naming import unknown
from mmrobustprune.sharpness import build_rule

_AMOUNT = re.compile(r'\s*(\d+(?:\.\d+)?)\s*(image|iter|epoch)s?\s*')


def fixed(value: Any) -> Any:
    """A field that a method leaves no choice of; `robust_prune` may not set it."""
    return field(default=value, init=False)


def check_target(target: Any) -> None:
    """Refuse (ValueError) a target that is no fraction in (0, 1)."""
    number = isinstance(target, (int, float)) and not isinstance(target, bool)
    if not number or not 0 < target < 1:
        raise ValueError(
            f'robust_prune.target={target!r} is not in (0, 1); it is the fraction removed, so 0.5 '
            'halves the network.'
        )


def check_choice(name: str, value: Any, allowed: Collection[str]) -> None:
    """Refuse (ValueError) a value of the field `name` that is not among the allowed ones."""
    if value not in allowed:
        raise unknown(f'robust_prune.{name}', value, allowed)


def check_above_zero(**fields: Any) -> None:
    """Refuse (ValueError) a field that is no number above 0."""
    for name, value in fields.items():
        if not isinstance(value, (int, float)) or not value > 0:
            raise ValueError(
                f'robust_prune.{name}={value!r} is no number above 0; give one, or leave it out to '
                'take the default.'
            )


def check_pace(every: Any) -> None:
    """Refuse (ValueError) a pace of choices without a unit, which were a number of rounds."""
    if not isinstance(every, str):
        raise ValueError(
            f'robust_prune.every={every!r} has no unit; say how long filters learn between two '
            "choices, '1 epochs' or '100 iters'."
        )


def check_rules(*rules: dict | None) -> None:
    """Refuse (ValueError) a sharpness rule that cannot be built; None is plain training."""
    for rule in rules:
        build_rule(rule)


def amount(text: Any) -> tuple[float, str]:
    """How much data `recalibrate` asks for: a number and 'image', 'iter' or 'epoch'; '' is 0.

    Raises:
        ValueError: anything else.
    """
    if text == '':
        return 0.0, 'image'
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if found is None or not float(found[1]):
        raise ValueError(
            f"robust_prune.recalibrate={text!r} is no amount of data; write '2000 images', "
            "'200 iters' or '1 epochs', or '' to keep the statistics as they are."
        )
    return float(found[1]), found[2]


def check_forward(path: str) -> None:
    """Refuse (ValueError) what is no `package.module:function`; '' is the model's own forward."""
    if path and not re.fullmatch(r'[\w.]+:\w+', str(path)):
        raise ValueError(
            f'robust_prune.forward={path!r} names no function; write '
            "'package.module:function', the function taking the model and its example input."
        )
