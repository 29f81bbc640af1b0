"""What methods cost against what they keep, and which of them nothing beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from .scatter import label
from .style import INK, dress, few_ticks, look, save


@dataclass(frozen=True)
class Offer:
    """A method: its cost (less is better), its value (more is better) and the error of that."""

    name: str
    cost: float
    value: float
    error: float = 0.0


def front(offers: Sequence[Offer]) -> list[Offer]:
    """Those that no other one beats: none costs at most as much and has more, or less and as much.

    From the cheapest to the dearest.
    """
    found: list[Offer] = []
    for offer in sorted(offers, key=lambda one: (one.cost, -one.value)):
        if not found or offer.value > found[-1].value:
            found.append(offer)
    return found


def draw_pareto(path: str | Path, offers: Sequence[Offer], cost: str, value: str) -> Path:
    """Draw cost along and value up, a line over the front, the errors of values as bars.

    Args:
        path: of the figure.
        offers: of each name one.
        cost, value: names of the axes.
    """
    dressed = dress(offer.name for offer in offers)
    with look():
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.subplots()
        best = front(offers)
        axes.step(
            [offer.cost for offer in best],
            [offer.value for offer in best],
            where='post',
            color=INK,
            linewidth=1.2,
            linestyle=(0, (5, 3)),
            zorder=1,
        )
        for offer in offers:
            colour, mark = dressed[offer.name]
            axes.errorbar(
                offer.cost,
                offer.value,
                yerr=offer.error or None,
                color=colour,
                marker=mark,
                markersize=8,
                elinewidth=1,
                markeredgecolor='white',
                capsize=3,
                zorder=3,
            )
        axes.set(xlabel=cost, ylabel=value, title='Cost and value (line: nothing beats it)')
        axes.margins(0.18)
        few_ticks(axes.xaxis, 6)
        few_ticks(axes.yaxis, 8)
        places = {offer.name: [(offer.cost, offer.value)] for offer in offers}
        label(axes, places, {name: colour for name, (colour, _) in dressed.items()})
        return save(figure, path)
