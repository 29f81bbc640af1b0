"""How many units are left after each pruning round."""

from __future__ import annotations


def exponential(m: int, ratio: float, rounds: int) -> list[int]:
    """Units kept after rounds 1..R: k_r = m (1 - p)^(r / R), the same share each (AdaSAP A.4).

    Each count is the nearest integer, so the last is round((1 - p) m).

    Args:
        m: units now.
        ratio: p, the fraction removed at the end, in [0, 1).
        rounds: R.
    Raises:
        ValueError: a number out of its range.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f'ratio is the fraction removed and must lie in [0, 1), not {ratio}.')
    if rounds < 1:
        raise ValueError(f'rounds must be at least 1, not {rounds}.')
    return [round(m * (1 - ratio) ** (r / rounds)) for r in range(1, rounds + 1)]
