"""The certificate of a surgery: the smaller network computes what the masked one computes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, full
from mmrobustprune.dependency.recording import Forward, default_forward, tensors_in
from mmrobustprune.masks.maskset import MaskSet
from mmrobustprune.structure.compare import (
    TOLERANCE,
    FullPrecision,
    difference,
    random_like,
    randomise,
)
from mmrobustprune.structure.rebuild import rebuild


def certify(
    masks: MaskSet,
    example: Any,
    forward: Forward | None = None,
    dtype: torch.dtype | None = None,
    seed: int = 0,
) -> float:
    """Largest relative difference between the masked network's outputs and the smaller one's.

    max |y_masked - y_removed| / max |y_masked| per output tensor, in evaluation mode, on random
    input of the example's shapes: once with the model's weights, once with random ones (a scale of
    zero or a vanishing signal would hide a wrong cut). Everything is done on copies. ``dtype`` is
    float64, or float32 where the forward does not run in float64 (mmcv's NMS). Raises ValueError
    above 1e-10 (float64) or 1e-4 (float32), with the groups whose removal alone changes outputs.
    """
    if dtype is None:
        try:
            return certify(masks, example, forward, torch.float64, seed)
        except RuntimeError as problem:
            if 'double' not in str(problem).lower():
                raise
            return certify(masks, example, forward, torch.float32, seed)
    forward = forward or default_forward
    example = random_like(example, dtype, seed)

    def error(alive: dict[str, Tensor]) -> float:
        model = copy.deepcopy(masks.model).to(dtype).eval()
        worst = _difference(model, masks, alive, example, forward)
        randomise(model, seed)
        return max(worst, _difference(model, masks, alive, example, forward))

    def only(groups: list[Group]) -> dict[str, Tensor]:
        return full(masks.groups) | {group.name: masks.alive[group.name] for group in groups}

    def guilty(groups: list[Group]) -> list[Group]:
        """The groups of a set that fails which fail by themselves; all where none does."""
        if len(groups) == 1:
            return groups
        halves = groups[: len(groups) // 2], groups[len(groups) // 2 :]
        bad = [half for half in halves if error(only(half)) > TOLERANCE[dtype]]
        return [group for half in bad for group in guilty(half)] or groups

    found = error(masks.alive)
    if found <= TOLERANCE[dtype]:
        return found
    cut = [group for group in masks.groups if not masks.alive[group.name].all()]
    raise ValueError(
        'the surgery was refused: the outputs of the masked and of the smaller network differ by '
        f'{found:.2g} where {TOLERANCE[dtype]:.0e} is allowed; leave whole by ignore='
        f'{[group.name for group in guilty(cut)]}.'
    )


@torch.no_grad()
def _difference(
    model: nn.Module, masks: MaskSet, alive: dict[str, Tensor], example: Any, forward: Forward
) -> float:
    twin = MaskSet(model, masks.groups)
    twin.remove(alive)
    removed = rebuild(copy.deepcopy(model), twin.structure('certificate'))
    with FullPrecision():
        ours = forward(model, example)
        if not all(tensor.isfinite().all() for tensor in tensors_in(ours)):
            raise ValueError(
                'the surgery cannot be certified: the network itself gives infinite or NaN outputs; '
                'initialise or load its weights first.'
            )
        try:
            return difference(ours, forward(removed, example))
        except RuntimeError:  # a width that is a number in the model's code
            return float('inf')
