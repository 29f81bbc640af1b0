"""What several recipes ask of their fields."""

from __future__ import annotations

from typing import Any


def _check_target(target: Any) -> None:
    number = isinstance(target, (int, float)) and not isinstance(target, bool)
    if not number or not 0 < target < 1:
        raise ValueError(
            f'robust_prune.target={target!r} is not in (0, 1); it is the fraction removed, so 0.5 halves the network.'
        )
