#!/usr/bin/env python
"""Peak memory, time and traffic of a training step on one process and on two.

The arms are plain SGD, SAM and AdaSAP.

Every process has the same number of images, so two processes train on twice as many a step. In
every round each arm makes one step in turn, so that the load of the machine falls on all alike.
Peak memory is that of the tensors of one process (weights, gradients, optimizer, activations, the
buckets of DistributedDataParallel); traffic is what one process hands to the all-reduce. With two
GPUs NCCL connects them, else two processes on the CPU are connected by gloo, each with one thread.

Example:
    python benchmarks/two_processes.py --rounds 10 --json docs/results/two_processes.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402
from torchvision.models import resnet18  # noqa: E402
from tqdm import trange  # noqa: E402

from benchmarks.peak_memory import PeakMemory  # noqa: E402
from benchmarks.processes import keep_steps, together  # noqa: E402
from mmrobustprune.sharpness import SAM, AdaSAP, two_pass_step  # noqa: E402

SIZE = 64  # pixels
RULES = dict(SGD=lambda: None, SAM=SAM, AdaSAP=AdaSAP)


class Arm:
    """One way to train, with its network, batch and count of bytes handed to the all-reduce."""

    def __init__(self, rule: str, world: int, batch: int, device: str):
        torch.manual_seed(0)
        self.model = resnet18(num_classes=10).to(device).train()
        self.weights = sum(p.nbytes for p in self.model.parameters())
        self.sent = 0
        if world > 1:
            self.model = DistributedDataParallel(self.model, broadcast_buffers=False)
            self.model.register_comm_hook(None, self._count)
        self.rule = RULES[rule]()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4
        )
        self.images = torch.randn(batch, 3, SIZE, SIZE, device=device)
        self.labels = torch.randint(0, 10, (batch,), device=device)

    def step(self) -> None:
        two_pass_step(self.model, self.optimizer, self.rule, self._loss)

    def _loss(self) -> torch.Tensor:
        return nn.functional.cross_entropy(self.model(self.images), self.labels)

    def _count(self, state, bucket):  # DistributedDataParallel refuses annotations that are text
        self.sent += bucket.buffer().nbytes
        return allreduce_hook(None, bucket)


def peak(rule: str, world: int, batch: int, device: str) -> dict[str, float]:
    """Bytes of one process up to the end of the third step, and of one step's all-reduce."""
    with PeakMemory() as memory:
        arm = Arm(rule, world, batch, device)
        for _ in range(3):  # DistributedDataParallel regroups its buckets after the first
            arm.sent = 0
            arm.step()
    return dict(peak=memory.peak, sent=arm.sent, weights=arm.weights)


def times(world: int, rounds: int, batch: int, device: str) -> dict[str, dict[str, list[float]]]:
    """Wall and processor seconds of each arm's step in each round, after two to warm up."""
    arms = {name: Arm(name, world, batch, device) for name in RULES}
    found = {name: dict(wall=[], processor=[]) for name in RULES}
    shown = world == 1 or dist.get_rank() == 0
    for number in trange(
        -2, rounds, desc=f'{world} process{"es" * (world > 1)}', disable=None if shown else True
    ):
        for name, arm in arms.items():
            wall, processor = seconds(arm.step, world, device)
            if number >= 0:
                found[name]['wall'].append(wall)
                found[name]['processor'].append(processor)
    return found


def seconds(step: Callable[[], None], world: int, device: str) -> tuple[float, float]:
    """Wall time and processor time of one step that all processes begin together."""
    if world > 1:
        dist.barrier()
    wait(device)
    wall = time.perf_counter()
    processor = time.process_time()
    step()
    wait(device)
    return time.perf_counter() - wall, time.process_time() - processor


def wait(device: str) -> None:
    if device.startswith('cuda'):
        torch.cuda.synchronize()


def measure(rank: int, world: int, folder: str, rounds: int, batch: int, kind: str) -> None:
    """What one process does; rank 0 writes the answer."""
    torch.set_num_threads(1)
    device = kind
    if kind == 'cuda':
        torch.cuda.set_device(rank)
        device = f'cuda:{rank}'
    if world > 1:
        backend = 'nccl' if kind == 'cuda' else 'gloo'
        dist.init_process_group(
            backend, f'file://{folder}/store{world}', rank=rank, world_size=world
        )
    answer = {name: peak(name, world, batch, device) for name in RULES}
    for name, spent in times(world, rounds, batch, device).items():
        answer[name].update(spent)
    if rank == 0:
        Path(folder, f'{world}.json').write_text(json.dumps(answer))
    if world > 1:
        dist.destroy_process_group()


def ratio(arm: dict, base: dict, clock: str) -> float:
    """The median over the rounds of how much longer an arm took than another."""
    return statistics.median(a / b for a, b in zip(arm[clock], base[clock], strict=True))


def summary(found: dict[int, dict]) -> list[dict]:
    """A row for each arm and number of processes: medians, and ratios to plain SGD and to one."""
    rows = []
    for world, arms in found.items():
        for name, arm in arms.items():
            plain = arms['SGD']
            alone = found[1][name]
            rows.append(
                dict(
                    processes=world,
                    arm=name,
                    peak_mib=arm['peak'] / 2**20,
                    sent_mib=arm['sent'] / 2**20,
                    weights_mib=arm['weights'] / 2**20,
                    wall=statistics.median(arm['wall']),
                    processor=statistics.median(arm['processor']),
                    memory_to_sgd=arm['peak'] / plain['peak'],
                    memory_to_one=arm['peak'] / alone['peak'],
                    wall_to_sgd=ratio(arm, plain, 'wall'),
                    wall_to_one=ratio(arm, alone, 'wall'),
                    processor_to_sgd=ratio(arm, plain, 'processor'),
                    processor_to_one=ratio(arm, alone, 'processor'),
                )
            )
    return rows


def table(rows: list[dict]) -> Table:
    """The rows as they are printed; seconds and ratios are medians over the rounds."""
    compared = ('/ SGD', '/ one process')
    shown = Table(
        'processes',
        'step',
        'peak memory (MiB)',
        *compared,
        'processor time (s)',
        *compared,
        'wall time (s)',
        *compared,
        'all-reduced (MiB)',
        title=f'A step of ResNet-18 at {SIZE} pixels, one process of them',
    )
    for row in rows:
        cells = [str(row['processes']), row['arm']]
        for what, name, form in (
            ('peak_mib', 'memory', '.1f'),
            ('processor', 'processor', '.3f'),
            ('wall', 'wall', '.3f'),
        ):
            cells += [
                format(row[what], form),
                f'{row[f"{name}_to_sgd"]:.2f}',
                f'{row[f"{name}_to_one"]:.2f}',
            ]
        shown.add_row(*cells, f'{row["sent_mib"]:.1f}')
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=10, help='steps of each arm (10)')
    parser.add_argument('--batch', type=int, default=8, help='images of one process (8)')
    parser.add_argument(
        '--device',
        choices=('cpu', 'cuda'),
        default='cuda' if torch.cuda.device_count() > 1 else 'cpu',
    )
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    if args.device == 'cuda' and torch.cuda.device_count() < 2:
        parser.error(
            f'--device cuda needs two GPUs and {torch.cuda.device_count()} are here; '
            'use --device cpu.'
        )

    found = together(measure, (1, 2), args.rounds, args.batch, args.device)
    rows = summary(found)
    Console(width=None if sys.stdout.isatty() else 160).print(table(rows))
    keep_steps(args, rows=rows, measured=found, network='ResNet-18', pixels=SIZE)


if __name__ == '__main__':
    main()
