#!/usr/bin/env python
"""Images a second under PGD and under each attack of AutoAttack, by batch size and memory order.

A CIFAR ResNet-18 with random weights on noise, each image with the label that the network gives it,
so that every attack begins with all images. The attacks of AutoAttack go on with what is left, as
its standard does. Channels-last order is that of the weights, which every layer's output follows.

Example:
    python benchmarks/attack_throughput.py --batches 128 512 --json docs/results/attacks.json
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from benchmarks.sharpness_step import cifar_resnet18  # noqa: E402
from mmrobustprune.attack import PGD, Attack, AutoAttack, Classifier  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402

EPS = 8 / 255
FORMATS = dict(contiguous=torch.contiguous_format, channels_last=torch.channels_last)


def data(model: nn.Module, count: int, device: str) -> tuple[Tensor, Tensor]:
    """Noise (N, 3, 32, 32) in [0, 1] and what the network calls it."""
    images = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        return images, model(images).argmax(1)


def seconds(attack: Attack, model: Classifier, images: Tensor, labels: Tensor) -> tuple[float, int]:
    """Wall time of an attack on a batch, and how many images it leaves right."""
    index = torch.arange(len(images), device=images.device)
    _wait(images)
    start = time.perf_counter()
    outcome = attack(model, images, labels, index)
    _wait(images)
    return time.perf_counter() - start, int(list(outcome.robust.values())[-1].sum())


def _wait(images: Tensor) -> None:
    if images.is_cuda:
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--batches', type=int, nargs='+', default=[128, 512])
    parser.add_argument('--iterations', type=int, default=20, help='of APGD and FAB (20)')
    parser.add_argument('--queries', type=int, default=200, help='of Square (200)')
    parser.add_argument('--steps', type=int, default=10, help='of PGD (10)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    attacks: dict[str, Attack] = {
        'pgd': PGD(eps=EPS, step=2 / 255, steps=args.steps, random_start=True)
    }
    if importlib.util.find_spec('pyautoattack') is None:
        print('AutoAttack is left out: pyautoattack is not installed.')
    else:
        attacks['autoattack'] = AutoAttack(
            eps=EPS, iterations=args.iterations, queries=args.queries, targets=3
        )
    rows = []
    for order, form in FORMATS.items():
        torch.manual_seed(0)
        model = Classifier(cifar_resnet18()).to(args.device).eval().to(memory_format=form)
        seconds(attacks['pgd'], model, *data(model, 2, args.device))  # the first call compiles
        for batch in args.batches:
            images, labels = data(model, batch, args.device)
            for name, attack in attacks.items():
                spent, left = seconds(attack, model, images, labels)
                found = dict(attack=name, order=order, batch=batch, seconds=spent, left=left)
                rows.append(dict(found, images_a_second=batch / spent))
    table = Table('attack', 'memory', 'batch', 'images / s', 'left')
    for row in rows:
        rate = f'{row["images_a_second"]:.1f}'
        table.add_row(row['attack'], row['order'], str(row['batch']), rate, str(row['left']))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    settings = dict(iterations=args.iterations, queries=args.queries, steps=args.steps, targets=3)
    keep(args.json, rows=rows, device=device_stamp(args.device), eps=EPS, seed=0, **settings)


if __name__ == '__main__':
    main()
