"""A finished network with each pruned layer in its faster form: grouped, or dense with zeros."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d, swap
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.flags import flags_restored
from mmrobustprune.structure.record import Structure

from .forms import check_form


def export_forms(
    model: nn.Module,
    structure: Structure,
    form: str = 'fastest',
    example_input: Any = None,
    forward: Forward | None = None,
    repeats: int = 15,
) -> Structure:
    """Give the pruned layers of a network the form they are to be exported in, in place.

    A dense layer with zeros has no gathers and, since orders stay folded, the dense network's
    shapes: where all layers are dense the record is empty and the state dict loads into the dense
    architecture. It is for use, not for further training, which would fill the zeros.

    Args:
        model: the pruned network.
        structure: its record.
        form: 'fastest': measured per layer on the shapes that `example_input` gives; 'grouped' or
            'dense' for all.
        example_input: an input of the size in use.
        forward: how the network takes it.
        repeats: timings per layer and form, in turns; the shortest are compared.

    Returns:
        The new record.

    Raises:
        ValueError: an unknown form, 'fastest' without an example input, or a layer that the
            example does not reach.
    """
    dense = [
        name
        for name, own in fix_forms(model, form, example_input, forward, repeats).items()
        if own == 'dense'
    ]
    left = {name: record for name, record in structure.layers.items() if name not in dense}
    if not _grouped_layers(model):
        left = {name: record for name, record in left.items() if not _is_reorder(record)}
    return replace(structure, layers=left)


def fix_forms(
    model: nn.Module,
    form: str = 'fastest',
    example_input: Any = None,
    forward: Forward | None = None,
    repeats: int = 15,
) -> dict[str, str]:
    """The same without a record, for a network that is only to be timed.

    Returns:
        layer -> 'grouped' or 'dense'; {} where the network has no such layers.

    Raises:
        ValueError: as `export_forms`.
    """
    check_form(form)
    layers = _grouped_layers(model)
    if not layers:
        return {}
    forms = dict.fromkeys(layers, form)
    if form == 'fastest':
        times = time_forms(model, example_input, forward, repeats)
        forms = {name: min(row, key=row.get) for name, row in times.items()}
    for name, own in forms.items():
        if own == 'dense':
            swap(model, layers[name], layers[name].dense())
    return forms


@torch.no_grad()
def time_forms(
    model: nn.Module, example_input: Any, forward: Forward | None = None, repeats: int = 15
) -> dict[str, dict[str, float]]:
    """Milliseconds of every grouped-kernel layer on the input it meets.

    Args:
        model: the pruned network.
        example_input: an input of the size in use.
        forward: how the network takes it.
        repeats: timings per layer and form, in turns; the shortest counts.

    Returns:
        {layer: {'grouped': ms, 'dense': ms}}.

    Raises:
        ValueError: no example input, or one that does not reach a layer.
    """
    if example_input is None:
        raise ValueError(
            "form='fastest' is measured and needs an example_input of the size in use; give one, "
            "or form='grouped'."
        )
    layers = _grouped_layers(model)
    inputs: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, tuple], None]:
        def hook(_: nn.Module, args: tuple) -> None:
            inputs.setdefault(name, args[0].detach())

        return hook

    handles = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        with flags_restored(model):
            (forward or default_forward)(model.eval(), example_input)
    finally:
        for handle in handles:
            handle.remove()
    for name in layers:
        if name not in inputs:
            raise ValueError(
                f"the example input does not reach '{name}'; give a forward that does, or "
                "form='grouped'."
            )
    return {
        name: race(dict(grouped=layer, dense=layer.dense()), inputs[name], repeats)
        for name, layer in layers.items()
    }


def race(calls: dict[str, Callable[[Tensor], Tensor]], x: Tensor, repeats: int) -> dict[str, float]:
    """Milliseconds that each call takes on x: the shortest of its turns, after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = _now(x)
            call(x)
            times[name].append(1e3 * (_now(x) - start))
    return {name: min(values[1:]) for name, values in times.items()}


def _grouped_layers(model: nn.Module) -> dict[str, GroupedKernelConv2d]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, GroupedKernelConv2d)
    }


def _now(x: Tensor) -> float:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    elif torch.get_num_threads() == 1:
        return time.process_time()  # other programs do not lengthen it
    return time.perf_counter()


def _is_reorder(record: dict) -> bool:
    """Whether an entry only says in which order all channels stand."""
    sides = [record[side] for side in ('out', 'in') if side in record]
    return 'kept' not in record and all(sorted(side) == list(range(len(side))) for side in sides)
