"""Grouped-kernel convolution against the plain one it replaces, for the shapes that occur.

Plain is what the masked-dense form costs too. Grouped is timed with its gather of input channels
and without. The arms take turns and the shortest of each one's times counts (processor time with
one CPU thread, else elapsed); the verdict says 'equal' below 5 %.

    python benchmarks/grouped_convolution.py --json docs/results/grouped_convolution.json
    python benchmarks/grouped_convolution.py --device cuda --batch 64
"""

from __future__ import annotations

import argparse
import copy
import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.grouped_kernels.export import race  # noqa: E402
from mmrobustprune.surgery import prune_grouped_kernels  # noqa: E402

# what, input channels, filters, kernel, stride, side of the input, ratio removed
SHAPES = [
    ('CIFAR ResNet, stage 1', 16, 16, 3, 1, 32, 0.4375),
    ('CIFAR ResNet, stage 2', 32, 32, 3, 1, 16, 0.4375),
    ('CIFAR ResNet, stage 2 first', 16, 32, 3, 2, 32, 0.4375),
    ('CIFAR ResNet, stage 3', 64, 64, 3, 1, 8, 0.4375),
    ('CIFAR VGG-16', 512, 512, 3, 1, 4, 0.4375),
    ('ResNet-50, stage 1', 64, 64, 3, 1, 56, 0.75),
    ('ResNet-50, stage 2', 128, 128, 3, 1, 28, 0.75),
    ('ResNet-50, stage 3', 256, 256, 3, 1, 14, 0.75),
    ('ResNet-50, stage 3 first', 256, 256, 3, 2, 28, 0.75),
    ('ResNet-50, stage 4', 512, 512, 3, 1, 7, 0.75),
    ('ResNet-50, stage 3, 1x1', 256, 1024, 1, 1, 14, 0.75),
]
BESIDE = ('SR-GKP, table 9', 512, 512, 3, 1, 14, 0.5)  # there with 2 groups


def shape(row: tuple, groups: int, batch: int, device: str, repeats: int) -> dict:
    """Milliseconds of one shape, three ways, and the verdict."""
    what, inputs, filters, kernel, stride, side, ratio = row
    torch.manual_seed(0)
    plain = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, bias=False)
    net = nn.Sequential(copy.deepcopy(plain))
    prune_grouped_kernels(net, ratio, groups, ['0'], search='random')
    net[0].out_index = None  # folded, as inside a block
    plain = plain.to(device)
    grouped = net[0].to(device)
    x = torch.randn(batch, inputs, side, side, device=device)
    gathered = x.index_select(1, grouped.in_index)
    bare = nn.Conv2d(
        gathered.shape[1],
        filters,
        kernel,
        stride,
        kernel // 2,
        groups=groups,
        bias=False,
        device=device,
    )
    with torch.no_grad():
        times = race(dict(plain=plain, grouped=grouped, bare=lambda _: bare(gathered)), x, repeats)
    share = times['grouped'] / times['plain']
    verdict = (
        'equal' if abs(share - 1) < 0.05 else 'grouped' if share < 1 else 'plain (masked-dense)'
    )
    return dict(
        what=what,
        inputs=inputs,
        filters=filters,
        kernel=kernel,
        stride=stride,
        side=side,
        ratio=ratio,
        groups=groups,
        batch=batch,
        ms=times,
        macs_ratio=1 - ratio,
        grouped_over_plain=share,
        faster=verdict,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--groups', type=int, default=8)
    parser.add_argument('--batch', type=int, nargs='+', default=[1, 32])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=40)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    layers = [*((row, args.groups) for row in SHAPES), (BESIDE, 2)]
    rows = [
        shape(row, groups, batch, args.device, args.repeats)
        for batch, (row, groups) in product(args.batch, layers)
    ]
    table = Table(
        'shape',
        'n',
        'batch',
        'MACs left',
        'plain, ms',
        'grouped, ms',
        'without gather, ms',
        'grouped / plain',
        'faster',
        title=device_stamp(args.device),
    )
    for row in rows:
        times = [f'{row["ms"][name]:.3f}' for name in ('plain', 'grouped', 'bare')]
        kernel = f'{row["kernel"]}x{row["kernel"]}/{row["stride"]}'
        size = f'{row["inputs"]} -> {row["filters"]}, {kernel}, {row["side"]}²'
        table.add_row(
            f'{row["what"]}: {size}',
            str(row['groups']),
            str(row['batch']),
            f'{row["macs_ratio"]:.0%}',
            *times,
            f'{row["grouped_over_plain"]:.2f}',
            row['faster'],
        )
    Console(width=160).print(table)
    keep(args.json, rows=rows, device=device_stamp(args.device), seed=0)


if __name__ == '__main__':
    main()
