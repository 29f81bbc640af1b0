"""Grouped-kernel pruning of a network of OpenMMLab as a recipe says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from mmrobustprune.engine.bridge.checkpoint import read_checkpoint
from mmrobustprune.engine.pruning.forward import structure_forward
from mmrobustprune.grouped_kernels import Decision, prune_grouped_kernels
from mmrobustprune.recipes.grouped import GroupedKernelRecipe
from mmrobustprune.structure.record import Structure


def prune_by_recipe(
    model: nn.Module,
    example: Any,
    recipe: GroupedKernelRecipe,
    progress: Callable[[Decision], Any] | None = None,
    frozen: Iterable[str] = (),
) -> Structure:
    """Prune the kernels of a model in place; see `grouped_kernels.prune_grouped_kernels`.

    Args:
        model: the dense network.
        example: an input of it, for the certificate.
        recipe: what is asked.
        progress: gets the decision of each layer.
        frozen: layers that stay as they are, beside those that the recipe ignores.
    """
    ignore = [*recipe.ignore, *outside(model, recipe.part, recipe.layers), *frozen]
    return prune_grouped_kernels(
        model,
        recipe.target,
        recipe.groups,
        recipe.layers,
        recipe.search,
        grouping_of(recipe),
        ignore,
        recipe.pointwise,
        example,
        structure_forward(recipe.forward, model),
        progress,
    )


def grouping_of(recipe: GroupedKernelRecipe) -> Any:
    """The recipe's grouping, with the snapshots that it reads."""
    if not recipe.snapshots:
        return recipe.grouping
    files = snapshot_files(recipe.snapshots, recipe.snapshot_epochs)
    return dict(type=recipe.grouping, snapshots=Snapshots(files))


class Snapshots(Sequence):
    """The state dicts of checkpoints, each read when it is asked for and not kept."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> dict:
        return read_checkpoint(str(self.files[number])).get('state_dict', {})


def by_kind(layers: Any) -> bool:
    """Whether layers are chosen by kind, and not by name."""
    return layers in ('3x3', 'all')


def outside(model: nn.Module, part: str, layers: Any) -> list[str]:
    """Names of the model's other parts, where layers are chosen by kind.

    Raises:
        ValueError: the model has no such part.
    """
    if not by_kind(layers) or not part:
        return []
    children = dict(model.named_children())
    if part not in children:
        raise ValueError(
            f"robust_prune.part='{part}' is no part of {type(model).__name__}; choose among "
            f"{', '.join(children)}, or '' for all of it."
        )
    others = [name for name in children if name != part]
    return [name for name in others if _has_convolutions(children[name])]


def _has_convolutions(part: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in part.modules())


def snapshot_files(patterns: tuple[str, ...], epochs: tuple[int, int] | None = None) -> list[Path]:
    """The checkpoints that paths and patterns name, by the numbers in their names.

    Args:
        patterns: paths and patterns.
        epochs: the first and the last that are taken, by the last number in a file's name; None
            takes all.

    Raises:
        FileNotFoundError: one that matches nothing.
        ValueError: none of these epochs.
    """
    found = []
    for pattern in patterns:
        path = Path(pattern)
        files = sorted(path.parent.glob(path.name), key=_numbers)
        if not files:
            raise FileNotFoundError(
                f"robust_prune.snapshots names '{pattern}', which is not there; give checkpoints "
                "of earlier epochs, such as 'work_dirs/dense/epoch_*.pth'."
            )
        found += files
    if epochs is None:
        return found
    first, last = epochs
    chosen = [file for file in found if first <= (_numbers(file) or [-1])[-1] <= last]
    if not chosen:
        raise ValueError(
            f'none of the {len(found)} snapshots, {found[0].name} to {found[-1].name}, is of an '
            f'epoch from {first} to {last}; set robust_prune.snapshot_epochs=(FIRST, LAST), or '
            'None for all of them.'
        )
    return chosen


def _numbers(file: Path) -> list[int]:
    return [int(number) for number in re.findall(r'\d+', file.name)]
