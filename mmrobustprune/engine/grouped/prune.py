"""Grouped-kernel pruning of a network of OpenMMLab as a recipe says: which part, which snapshots, which kernels stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from mmrobustprune.engine.bridge.checkpoint import read_checkpoint
from mmrobustprune.engine.bridge.model import tensor_forward
from mmrobustprune.grouped_kernels import Decision, prune_grouped_kernels
from mmrobustprune.recipes.grouped import GroupedKernels
from mmrobustprune.structure.record import Structure


def prune_by_recipe(
    model: nn.Module,
    example: Any,
    recipe: GroupedKernels,
    progress: Callable[[Decision], Any] | None = None,
) -> Structure:
    """Cut the filter groups of a model in place, certified on an example; see `grouped_kernels.prune_grouped_kernels`."""
    return prune_grouped_kernels(
        model,
        recipe.target,
        recipe.groups,
        recipe.layers,
        recipe.search,
        grouping_of(recipe),
        [*recipe.ignore, *outside(model, recipe.part, recipe.layers)],
        recipe.pointwise,
        example,
        tensor_forward,
        progress,
    )


def grouping_of(recipe: GroupedKernels) -> Any:
    """The recipe's grouping, with the snapshots that it reads."""
    if not recipe.snapshots:
        return recipe.grouping
    states = [
        read_checkpoint(str(file)).get('state_dict', {})
        for file in snapshot_files(recipe.snapshots)
    ]
    return dict(type=recipe.grouping, snapshots=states)


def outside(model: nn.Module, part: str, layers: Any) -> list[str]:
    """Names of the model's other parts, where layers are chosen by kind; a choice by name says itself where they are."""
    if layers not in ('3x3', 'all') or not part:
        return []
    names = [name for name, _ in model.named_children()]
    if part not in names:
        raise ValueError(
            f"robust_prune.part='{part}' is no part of {type(model).__name__}; choose among {', '.join(names)}, or "
            "'' for all of it."
        )
    return [
        name
        for name, child in model.named_children()
        if name != part and any(isinstance(module, nn.Conv2d) for module in child.modules())
    ]


def snapshot_files(patterns: tuple[str, ...]) -> list[Path]:
    """The checkpoints that paths and patterns name, by the numbers in their names.

    Raises:
        FileNotFoundError: one that matches nothing.
    """
    found = []
    for pattern in patterns:
        path = Path(pattern)
        files = sorted(
            path.parent.glob(path.name),
            key=lambda file: [int(n) for n in re.findall(r'\d+', file.name)],
        )
        if not files:
            raise FileNotFoundError(
                f"robust_prune.snapshots names '{pattern}', which is not there; give checkpoints of earlier "
                "epochs, such as 'work_dirs/dense/epoch_*.pth'."
            )
        found += files
    return found
