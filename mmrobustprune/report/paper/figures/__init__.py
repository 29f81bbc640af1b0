"""Figures of the papers, drawn from recorded runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mmrobustprune.naming import nearest

from . import adasap, s2ap


class PaperFigure(Protocol):
    """One figure of a paper.

    Attributes:
        title: what it shows.
    """

    title: str

    def draw(self, path: Path, runs: Sequence[str], robust: str) -> Path:
        """Draw the runs of a command line into a file.

        Raises:
            ValueError: no run has what is drawn, or runs do not fit together.
        """


FIGURES: dict[str, PaperFigure] = {**adasap.FIGURES, **s2ap.FIGURES}


def draw(name: str, runs: Sequence[str], out: str | Path, robust: str) -> Path:
    """Draw a figure of a paper into a folder, as NAME.png.

    Args:
        name: one of FIGURES.
        runs: work dirs, records, or folders of records, as for the tables.
        out: the folder.
        robust: the attack that is the robust accuracy, as in the tables.

    Raises:
        FileNotFoundError, ValueError: an unknown name, or runs that do not fit.
    """
    if name not in FIGURES:
        raise ValueError(
            f"no figure is called '{name}'{nearest(name, FIGURES)}; --figure list prints the names."
        )
    Path(out).mkdir(parents=True, exist_ok=True)
    return FIGURES[name].draw(Path(out) / f'{name}.png', runs, robust)


__all__ = ['FIGURES', 'PaperFigure', 'draw']
