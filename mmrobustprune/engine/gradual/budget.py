"""What a recipe's budget means for a network: who decides which units stay, what is measured."""

from __future__ import annotations

from typing import Any

from torch import nn

from mmrobustprune.cost import CostModel
from mmrobustprune.dependency import Trace
from mmrobustprune.masks import Selection
from mmrobustprune.recipes.gradual import Recipe

from .latency_budget import latency_selection, measured_latency
from .setting import Setting


class CountBudget:
    """Parameters, MACs or channels, counted from the widths.

    Args:
        recipe: what is asked.
    """

    needs_dense_network = False  # whether `measured` takes the network of before the removal

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def selection(self, model: nn.Module, trace: Trace, setting: Setting) -> Selection:
        """What decides which units of a dense network stay."""
        return self.recipe.selection(model, CostModel(model, trace.groups, trace.shapes))

    def measured(
        self,
        selection: Any,
        alive: dict,
        dense: nn.Module | None,
        model: nn.Module,
        setting: Setting,
    ) -> dict[str, float]:
        """Figures of the smaller network; `dense` is given where `needs_dense_network`."""
        return {}


class LatencyBudget(CountBudget):
    """Milliseconds, from a table of measured blocks, and measured at the end."""

    needs_dense_network = True

    def selection(self, model: nn.Module, trace: Trace, setting: Setting) -> Selection:
        return latency_selection(self.recipe, model, trace, setting)

    def measured(
        self,
        selection: Any,
        alive: dict,
        dense: nn.Module | None,
        model: nn.Module,
        setting: Setting,
    ) -> dict[str, float]:
        return measured_latency(self.recipe, selection, alive, (dense, model), setting)


BUDGETS: dict[str, type[CountBudget]] = dict(
    params=CountBudget, macs=CountBudget, channels=CountBudget, latency=LatencyBudget
)


def budget_of(recipe: Recipe) -> CountBudget:
    """The budget that a recipe names."""
    return BUDGETS[recipe.budget](recipe)
