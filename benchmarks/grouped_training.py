"""Seconds of one training step of a CIFAR ResNet and of single layers, dense and grouped.

'masked' is the dense network whose removed kernels are zero and whose gradients are masked: what
the forms are compared with, 'written_out' are grouped kernels in the dense form. The arms take
turns and the shortest of each one's times counts (processor time with one CPU thread, else
elapsed).

    python benchmarks/grouped_training.py --json docs/results/grouped_training.json
    python benchmarks/grouped_training.py --device cuda
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.grouped_kernels import mask_kernels, race, set_form  # noqa: E402
from mmrobustprune.surgery import prune_grouped_kernels  # noqa: E402
from tests.support.resnets import CIFARResNet  # noqa: E402


def arms(depth: int, ratio: float, groups: int) -> dict[str, nn.Module]:
    """The same network four times."""
    torch.manual_seed(0)
    dense = CIFARResNet(depth)
    grouped = copy.deepcopy(dense)
    masked = copy.deepcopy(dense)
    mask_kernels(masked, prune_grouped_kernels(grouped, ratio, groups, search='random'))
    for module in masked.modules():
        if isinstance(module, nn.Conv2d):
            alive = module.weight.detach() != 0
            module.weight.register_hook(alive.to(module.weight.dtype).mul)
    return dict(
        dense=dense,
        masked=masked,
        grouped=set_form(grouped, 'grouped'),
        written_out=set_form(copy.deepcopy(grouped), 'dense'),
    )


# input channels, filters, side of the input, ratio removed
LAYERS = [
    (64, 64, 8, 0.4375),
    (64, 64, 56, 0.75),
    (128, 128, 28, 0.75),
    (512, 512, 4, 0.4375),
    (512, 512, 7, 0.75),
]


def layer_forms(row: tuple, groups: int, batch: int, device: str, repeats: int) -> dict:
    """Seconds of forward and backward of one 3x3 layer in both forms."""
    inputs, filters, side, ratio = row
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(inputs, filters, 3, padding=1, bias=False))
    prune_grouped_kernels(net, ratio, groups, ['0'], search='random')
    net[0].out_index = None  # folded, as inside a block
    x = (
        torch.randn(batch, inputs, side, side)
        .to(device, memory_format=torch.channels_last)
        .requires_grad_()
    )

    def run(form: str) -> Callable[[torch.Tensor], None]:
        layer = set_form(copy.deepcopy(net).to(device), form)
        return lambda x: layer(x).sum().backward()

    arms = {form: run(form) for form in ('grouped', 'dense')}
    seconds = {form: ms / 1e3 for form, ms in race(arms, x, repeats).items()}
    return dict(
        inputs=inputs,
        filters=filters,
        side=side,
        ratio=ratio,
        per_group=filters // groups,
        batch=batch,
        seconds=seconds,
    )


def step(model: nn.Module, labels: torch.Tensor) -> Callable[[torch.Tensor], None]:
    """Forward, backward and SGD step on a batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def run(x: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--depth', type=int, default=20)
    parser.add_argument('--ratio', type=float, default=0.4375)
    parser.add_argument('--groups', type=int, default=8)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--layer-batch', type=int, default=8)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    x = torch.randn(args.batch, 3, 32, 32).to(args.device, memory_format=torch.channels_last)
    labels = torch.randint(10, (args.batch,), device=args.device)
    calls = {
        name: step(model.to(args.device).train(), labels)
        for name, model in arms(args.depth, args.ratio, args.groups).items()
    }
    seconds = {name: ms / 1e3 for name, ms in race(calls, x, args.repeats).items()}
    table = Table('network', 'seconds a step', 'of masked', title=device_stamp(args.device))
    for name, value in seconds.items():
        table.add_row(name, f'{value:.4f}', f'{value / seconds["masked"]:.2f}')
    Console().print(table)
    rows = [
        layer_forms(row, args.groups, args.layer_batch, args.device, args.repeats) for row in LAYERS
    ]
    table = Table(
        'layer, forward and backward',
        'filters a group',
        'grouped, s',
        'dense, s',
        'grouped / dense',
    )
    for row in rows:
        grouped, dense = row['seconds'].values()
        table.add_row(
            f'{row["inputs"]} -> {row["filters"]}, {row["side"]}², '
            f'{row["ratio"]:.2%} removed, batch {row["batch"]}',
            str(row['per_group']),
            f'{grouped:.4f}',
            f'{dense:.4f}',
            f'{grouped / dense:.2f}',
        )
    Console().print(table)
    keep(
        args.json,
        depth=args.depth,
        ratio=args.ratio,
        groups=args.groups,
        batch=args.batch,
        seconds=seconds,
        layers=rows,
        device=device_stamp(args.device),
        seed=0,
    )


if __name__ == '__main__':
    main()
