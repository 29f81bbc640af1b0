"""The gap between clean and robust accuracy, and what closing it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .cards import Card, Column


@dataclass(frozen=True)
class Gap:
    """By how much the clean-robust gap shrank.

    Attributes:
        clean_lost: clean_original - clean_ours; where positive, a part of the gap that is no gain.
        robust_gained: robust_ours - robust_original.
    """

    clean_lost: float
    robust_gained: float

    @property
    def value(self) -> float:
        """Delta = (clean - robust)_original - (clean - robust)_ours, the sum of both terms."""
        return self.clean_lost + self.robust_gained

    def text(self, form: str = '+.2f') -> str:
        """The gap and both its terms in one line."""
        clean = format(0.0 - self.clean_lost, form)
        robust = format(self.robust_gained, form)
        line = f'{self.value:{form}} (clean {clean}, robust {robust})'
        return line.replace('-', '\u2212')


def gap(original: tuple[float, float], ours: tuple[float, float]) -> Gap:
    """The gap between two (clean, robust) pairs of one unit."""
    return Gap(original[0] - ours[0], ours[1] - original[1])


def gap_card(
    pairs: Mapping[str, tuple[tuple[float, float], tuple[float, float]]], form: str = '+.2f'
) -> Card:
    """One row per setting with the gap and always both its terms.

    A gap may close only because clean accuracy fell.

    Args:
        pairs: name of the row -> (clean, robust) of the original, then of ours.
        form: format of the numbers.
    """
    found = {name: gap(*pair) for name, pair in pairs.items()}
    rows = [
        dict(name=name, clean=-one.clean_lost, robust=one.robust_gained, gap=one.value)
        for name, one in found.items()
    ]
    return Card(
        rows,
        [
            Column('clean', 'clean', form),
            Column('robust', 'robust', form),
            Column('gap', 'gap closed', form),
        ],
    )
