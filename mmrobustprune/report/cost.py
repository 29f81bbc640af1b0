"""Parameters, multiplications and time of a network."""
from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..surgery.groups import kind_of, positions, produces, width
from ..surgery.recording import Forward, default_forward, flags_restored


@dataclass(frozen=True)
class Cost:
    """``layers[name]`` holds out, in, params, macs; ``params`` and ``macs`` are the totals."""

    layers: dict[str, dict[str, int]]
    params: int
    macs: int


@torch.no_grad()
def count(model: nn.Module, example: Any, forward: Forward | None = None) -> Cost:
    """Parameters of every layer and its MACs in one forward of the example.

    MACs = weights * output positions, of convolutions and linear layers only; bias, normalisation
    and activations are not counted. A batch of n counts n times. Shared parameters count once in
    the totals.
    """
    uses: dict[nn.Module, int] = {}

    def hook(module: nn.Module, args: tuple, output: torch.Tensor) -> None:
        uses[module] = uses.get(module, 0) + positions(module, args[0] if args else None, output)

    handles = [m.register_forward_hook(hook) for m in model.modules() if produces(m)]
    try:
        with flags_restored(model):
            (forward or default_forward)(model.eval(), example)
    finally:
        for handle in handles:
            handle.remove()
    layers = {}
    for name, module in model.named_modules():
        params = sum(p.numel() for p in module.parameters(recurse=False))
        if not params:
            continue
        kind = kind_of(module)
        row = {side: width(model, name, side) for side in (kind.dims if kind else ())}
        macs = module.weight.numel() * uses.get(module, 0) if produces(module) else 0
        layers[name] = dict(row, params=params, macs=macs)
    return Cost(layers, sum(p.numel() for p in model.parameters()),
                sum(row['macs'] for row in layers.values()))


def device_stamp(device: torch.device | str = 'cpu') -> str:
    """What a time was measured on: device, threads, torch version."""
    device = torch.device(device)
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    else:
        name = f'{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads'
    return f'{device.type}: {name}, torch {torch.__version__}'


@torch.no_grad()
def latency(calls: dict[str, Callable[[], Any]], device: torch.device | str = 'cpu',
            warmup: int = 3, repeats: int = 20) -> dict[str, dict]:
    """Time of each call in milliseconds: median, spread (10th to 90th percentile), device stamp.

    The calls take turns, so that a busy machine slows all of them alike.
    """
    device, times = torch.device(device), {name: [] for name in calls}
    for turn in range(warmup + repeats):
        for name, call in calls.items():
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            if turn >= warmup:
                times[name].append(1e3 * (time.perf_counter() - start))
    stamp = device_stamp(device)
    return {name: _summary(values, stamp) for name, values in times.items()}


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _summary(values: list[float], stamp: str) -> dict:
    values = sorted(values)
    last = len(values) - 1
    return dict(median_ms=statistics.median(values), p10_ms=values[round(0.1 * last)],
                p90_ms=values[round(0.9 * last)], repeats=len(values), device=stamp)
