#!/usr/bin/env python
"""Weak and strong scaling of training steps on 1, 2 and 4 processes, and a model that extrapolates.

Every number of processes takes plain and SAM steps, each with and without the all-reduce, in turns,
and all-reduces of several sizes by themselves. Weak: each process has `batch` images; strong: all
together have them. Processes that share cores slow each other down, so the step without the
all-reduce is the base of each ratio: what the all-reduce adds to it is exposed, the rest overlaps.

The model (`Model`): with latency a of a hop, bandwidth b of a link, G bytes of gradients,

    alone(n) = 2 (n - 1) a + 2 (n - 1) / n G / b        a ring all-reduce
    step(n)  = compute + (1 - h) alone(n)               h: the share that backward hides

a and b are fitted to the all-reduces alone, h to two processes; the error is that of the steps of
four, which nothing was fitted to.

Example:
    python benchmarks/scaling.py --rounds 5 --json docs/results/scaling.json --page docs/scaling.md
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy.optimize import nnls  # noqa: E402

from benchmarks import scaling_page  # noqa: E402
from benchmarks.processes import keep_steps, together  # noqa: E402
from benchmarks.two_processes import Arm, wait  # noqa: E402

RULES = ('SGD', 'SAM')
SIZES = (2**16, 2**20, 2**23, 2**25)  # bytes of the all-reduces by themselves
GPUS = (8, 64, 256, 1024)


@dataclass(frozen=True)
class Model:
    """Seconds of a data-parallel step.

    Attributes:
        hop: latency of a hop (s).
        bandwidth: of a link (bytes / s).
        hidden: share of the all-reduce that the backward pass hides, in [0, 1].
    """

    hop: float
    bandwidth: float
    hidden: float = 0.0

    def alone(self, processes: int, sent: float) -> float:
        """An all-reduce of so many bytes by itself."""
        hops = 2 * (processes - 1)
        return hops * self.hop + hops / processes * sent / self.bandwidth

    def step(self, compute: float, processes: int, sent: float) -> float:
        """A step that computes for so many seconds."""
        return compute + (1 - self.hidden) * self.alone(processes, sent)

    @classmethod
    def fitted(cls, times: list[tuple[int, float, float]]) -> Model:
        """Hop and bandwidth from (processes, bytes, seconds), by least relative squares."""
        rows = [(2 * (n - 1) / spent, 2 * (n - 1) / n * sent / spent) for n, sent, spent in times]
        (hop, inverse), _ = nnls(np.array(rows), np.ones(len(rows)))
        return cls(float(hop), 1 / max(float(inverse), 1e-15))


def measure(rank: int, world: int, folder: str, args: argparse.Namespace) -> None:
    """What one process does; rank 0 writes the medians over the rounds."""
    torch.set_num_threads(1)
    device = f'cuda:{rank}' if args.device == 'cuda' else 'cpu'
    if args.device == 'cuda':
        torch.cuda.set_device(rank)
    if world > 1:
        backend = 'nccl' if args.device == 'cuda' else 'gloo'
        dist.init_process_group(
            backend, f'file://{folder}/store{world}', rank=rank, world_size=world
        )
    steps = dict(_steps(world, args.batch, device))
    if world > 1:
        steps |= {f'alone {size}': _all_reduce(size, device) for size in SIZES}
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(-2, args.rounds):
        for name, step in steps.items():
            spent = _seconds(step, world, device)
            if number >= 0:
                found[name].append(spent)
    if rank == 0:
        medians = {name: statistics.median(times) for name, times in found.items()}
        Path(folder, f'{world}.json').write_text(json.dumps(medians))
    if world > 1:
        dist.destroy_process_group()


def _steps(world: int, batch: int, device: str):
    """Name and step of every arm: scaling, rule, with and without the all-reduce."""
    for scaling, images in (('weak', batch), ('strong', max(1, batch // world))):
        for rule in RULES:
            arm = Arm(rule, world, images, device)
            yield f'{scaling} {rule} local', _local(arm, world)
            if world > 1:
                yield f'{scaling} {rule} reduced', arm.step


def _local(arm: Arm, world: int) -> Callable[[], None]:
    def step() -> None:
        with arm.model.no_sync() if world > 1 else nullcontext():
            arm.step()

    return step


def _all_reduce(size: int, device: str) -> Callable[[], None]:
    numbers = torch.zeros(size // 4, device=device)
    return lambda: dist.all_reduce(numbers)


def _seconds(step: Callable[[], None], world: int, device: str) -> float:
    """Wall time of one step that all processes begin together, and of the slowest of them."""
    if world > 1:
        dist.barrier()
    wait(device)
    start = time.perf_counter()
    step()
    wait(device)
    spent = torch.tensor(time.perf_counter() - start, dtype=torch.float64, device=device)
    if world > 1:
        dist.all_reduce(spent, dist.ReduceOp.MAX)
    return float(spent)


def model_of(found: dict[int, dict[str, float]], sent: float) -> tuple[Model, list[dict]]:
    """The model, and how far it is from every step that was measured."""
    times = [
        (world, float(size), medians[f'alone {size}'])
        for world, medians in found.items()
        if world > 1
        for size in SIZES
    ]
    bare = Model.fitted(times)
    two = min(world for world in found if world > 1)
    exposed = [
        found[two][f'{scaling} {rule} reduced'] - found[two][f'{scaling} {rule} local']
        for scaling in ('weak', 'strong')
        for rule in RULES
    ]
    share = statistics.median(exposed) / bare.alone(two, sent)
    model = Model(bare.hop, bare.bandwidth, min(max(1 - share, 0.0), 1.0))
    rows = []
    for world, medians in found.items():
        if world == 1:
            continue
        for scaling in ('weak', 'strong'):
            for rule in RULES:
                compute = medians[f'{scaling} {rule} local']
                measured = medians[f'{scaling} {rule} reduced']
                predicted = model.step(compute, world, sent)
                rows.append(
                    dict(
                        processes=world,
                        scaling=scaling,
                        step=rule,
                        local=compute,
                        measured=measured,
                        predicted=predicted,
                        error=predicted / measured - 1,
                        efficiency=compute / measured,
                        fitted=world == two,
                    )
                )
    return model, rows


def extrapolated(compute: float, sent: float, hop: float, bandwidth: float) -> list[dict]:
    """Weak scaling by the model on GPUs, nothing hidden and all that backward can hide hidden.

    Args:
        compute: seconds of a plain step on one GPU; a two-pass step computes twice as long, and
            backward is two thirds of a pass.
        sent: bytes of gradients.
        hop, bandwidth: of the links, which the reader puts in.
    """
    model = Model(hop, bandwidth)
    rows = []
    for processes in GPUS:
        alone = model.alone(processes, sent)
        exposed = max(alone - compute * 2 / 3, alone / 20)  # the last bucket waits for nothing
        rows.append(
            dict(
                processes=processes,
                all_reduce=alone,
                plain=[compute / (compute + alone), compute / (compute + exposed)],
                two_pass=[
                    2 * compute / (2 * compute + alone),
                    2 * compute / (2 * compute + exposed),
                ],
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--worlds', type=int, nargs='+', default=[1, 2, 4], help='processes')
    parser.add_argument('--rounds', type=int, default=5, help='steps of each arm (5)')
    parser.add_argument('--batch', type=int, default=8, help='images (8)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--compute', type=float, default=0.1, help='GPU seconds of a plain step')
    parser.add_argument('--gradients', type=float, default=102.2e6, help='bytes (ResNet-50)')
    parser.add_argument('--hop', type=float, default=10e-6, help='s, of the GPUs to extrapolate to')
    parser.add_argument('--bandwidth', type=float, default=12.5e9, help='bytes / s, likewise')
    parser.add_argument('--json', type=Path, help='write the results here')
    parser.add_argument('--page', type=Path, help='and their tables into this page')
    args = parser.parse_args()
    if args.page is not None and args.json is None:
        parser.error('--page is made of what --json keeps; give both.')
    load = os.getloadavg()[0]
    found = together(measure, args.worlds, args)
    sent = float(Arm('SGD', 1, 1, 'cpu').weights)
    model, rows = model_of(found, sent)

    table = Table('processes', 'scaling', 'step', 'local, s', 'step, s', 'model, s', 'off')
    for row in rows:
        numbers = [f'{row[name]:.3f}' for name in ('local', 'measured', 'predicted')]
        off = f'{row["error"]:+.1%}' + (' (fitted)' if row['fitted'] else '')
        table.add_row(str(row['processes']), row['scaling'], row['step'], *numbers, off)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    print(
        f'hop {model.hop * 1e6:.0f} us, {model.bandwidth / 1e9:.2f} GB/s, '
        f'{model.hidden:.0%} hidden; load of the machine {load:.1f} on {os.cpu_count()} cores'
    )
    keep_steps(
        args,
        measured=found,
        rows=rows,
        model=asdict(model),
        extrapolated=extrapolated(args.compute, args.gradients, args.hop, args.bandwidth),
        assumed={k: getattr(args, k) for k in ('compute', 'gradients', 'hop', 'bandwidth')},
        gradients=sent,
        load=load,
        cores=os.cpu_count(),
    )
    if args.page is not None:
        scaling_page.write(args.json, args.page)


if __name__ == '__main__':
    main()
