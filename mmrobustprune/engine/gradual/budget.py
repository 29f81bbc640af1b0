"""What a recipe's budget means for a network: who decides which units stay, and what is measured once they alone are left."""

from __future__ import annotations

from typing import Any

from torch import nn

from mmrobustprune.cost import CostModel
from mmrobustprune.dependency import Trace
from mmrobustprune.latency import LatencySelection
from mmrobustprune.masks import RankedSelection, Selection
from mmrobustprune.recipes.gradual import Recipe

from .latency_budget import latency_selection, measured_latency


class CountBudget:
    """Parameters, MACs or channels, counted from the widths.

    Args:
        recipe: what is asked.
    """

    times_dense = False  # whether `measured` takes the network of before the removal

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def selection(self, model: nn.Module, trace: Trace, example: Any, work_dir: str) -> Selection:
        """What decides which units of a dense network stay."""
        recipe = self.recipe
        return RankedSelection(
            CostModel(model, trace.groups, trace.shapes),
            budget=recipe.budget,
            scope=recipe.scope,
            min_keep=recipe.min_keep,
            round_to=recipe.round_to,
        )

    def measured(
        self, selection: Any, alive: dict, dense: nn.Module | None, model: nn.Module, example: dict
    ) -> dict[str, float]:
        """Figures of the smaller network; `dense` is given where `times_dense`."""
        return {}


class LatencyBudget(CountBudget):
    """Milliseconds, from a table of measured blocks, and measured at the end."""

    times_dense = True

    def selection(
        self, model: nn.Module, trace: Trace, example: Any, work_dir: str
    ) -> LatencySelection:
        return latency_selection(self.recipe, model, trace, example, work_dir)

    def measured(
        self, selection: Any, alive: dict, dense: nn.Module | None, model: nn.Module, example: dict
    ) -> dict[str, float]:
        return measured_latency(self.recipe, selection, alive, dense, model, example)


BUDGETS: dict[str, type[CountBudget]] = dict(
    params=CountBudget, macs=CountBudget, channels=CountBudget, latency=LatencyBudget
)


def budget_of(recipe: Recipe) -> CountBudget:
    """The budget that a recipe names."""
    return BUDGETS[recipe.budget](recipe)
