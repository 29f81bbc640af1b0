"""Processor time of grouped-kernel pruning, per network, and per layer beside an obvious search.

Times are `time.process_time` of one thread: they hardly depend on what else the machine does; with
`--threads` they are those of a clock on the wall.
Weights are random, or a real ResNet-20's (`--weights`): sets chosen depend on them, times hardly.

    python benchmarks/grouped_kernel_search.py --networks resnet20 resnet56
    python benchmarks/grouped_kernel_search.py --networks resnet50 --threads 2    # some minutes
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.models import resnet50  # noqa: E402
from tqdm import tqdm  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.grouped_kernels import SEARCHES, Snaking, arrange  # noqa: E402
from mmrobustprune.grouped_kernels.grouping import filter_order  # noqa: E402
from mmrobustprune.surgery import prune_grouped_kernels  # noqa: E402
from tests.support.grouped_reference import Search  # noqa: E402
from tests.support.resnets import CIFARResNet  # noqa: E402

NETWORKS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    'resnet8': (lambda: CIFARResNet(8), 0.4375),
    'resnet20': (lambda: CIFARResNet(20), 0.4375),
    'resnet32': (lambda: CIFARResNet(32), 0.4375),
    'resnet56': (lambda: CIFARResNet(56), 0.4375),
    'resnet110': (lambda: CIFARResNet(110), 0.4375),
    'resnet50': (resnet50, 0.75),
}
TARGETS = {
    ('resnet20', 'official'): 1,
    ('resnet50', 'official'): 60,  # on two cores
    ('resnet50', 'beam'): 60,
}


def network(name: str, search: str, weights: Path | None, device: str = 'cpu') -> dict:
    """Processor seconds of the search alone and of everything, certificate and surgery included."""
    torch.manual_seed(0)
    make, ratio = NETWORKS[name]
    model = make()
    if weights is not None and name == 'resnet20':
        model.load_state_dict(torch.load(weights, weights_only=True))
    model.to(device)
    alone = device == 'cpu' and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    last = [clock()]
    spent = {}
    with tqdm(desc=f'{name} {search}', disable=None) as bar:

        def told(decision) -> None:
            now = clock()
            spent[decision.layer] = now - last[0]
            last[0] = now
            bar.total = decision.total
            bar.update()

        start = last[0]
        structure = prune_grouped_kernels(model, ratio, search=search, progress=told)
    return dict(
        network=name,
        search=search,
        ratio=ratio,
        layers=spent,
        search_seconds=sum(spent.values()),
        seconds=clock() - start,
        achieved=structure.achieved,
        target=TARGETS.get((name, search)),
    )


def beside_the_slow_one(width: int, groups: int, search: str) -> dict:
    """One 3x3 layer of random weights, both ways."""
    weight = torch.randn(width, width, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    keep = width * 9 // 16
    rule = SEARCHES[search]
    start = time.process_time()
    kernels = arrange(
        'layer',
        weight,
        filter_order('layer', Snaking()('layer', weight, groups), width, groups),
        groups,
    )
    kept = rule(kernels, keep).tolist()
    ours = time.process_time() - start
    options = dict(width=rule.width, check_every=rule.check_every, alpha=rule.alpha, beta=rule.beta)
    start = time.process_time()
    slow = [
        Search(s, r, keep, **options).run()
        for s, r in zip(kernels.similarity.tolist(), kernels.roughness.tolist(), strict=True)
    ]
    theirs = time.process_time() - start
    return dict(
        width=width,
        groups=groups,
        keep=keep,
        search=search,
        seconds=ours,
        slow_seconds=theirs,
        ratio=theirs / ours,
        same_sets=sum(a == b for a, b in zip(kept, slow, strict=True)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--networks', nargs='*', choices=NETWORKS, default=['resnet20', 'resnet56'])
    parser.add_argument('--searches', nargs='+', choices=SEARCHES, default=['official', 'beam'])
    parser.add_argument(
        '--width',
        type=int,
        default=32,
        help='of the layer for the slow search; its time grows as width^4',
    )
    parser.add_argument('--device', default='cpu', help="'cuda': wall times of a GPU")
    parser.add_argument('--weights', type=Path, help="a ResNet-20's state dict")
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [
        network(name, search, args.weights, args.device)
        for name, search in product(args.networks, args.searches)
    ]
    pairs = [
        beside_the_slow_one(args.width, 8, search)
        for search in args.searches
        if search in ('official', 'beam', 'greedy')
    ]

    table = Table(
        'network',
        'search',
        'layers',
        'search, s',
        'in all, s',
        'target, s',
        title='processor time, one thread' if args.threads == 1 else f'{args.threads} threads',
    )
    for row in rows:
        table.add_row(
            row['network'],
            row['search'],
            str(len(row['layers'])),
            f'{row["search_seconds"]:.2f}',
            f'{row["seconds"]:.2f}',
            '' if row['target'] is None else f'< {row["target"]}',
        )
    slow = Table(
        'layer', 'search', 'ours, s', 'slow, s', 'slow / ours', 'equal sets', title='one 3x3 layer'
    )
    for row in pairs:
        slow.add_row(
            f'{row["width"]} -> {row["width"]}',
            row['search'],
            f'{row["seconds"]:.4f}',
            f'{row["slow_seconds"]:.2f}',
            f'{row["ratio"]:.0f}',
            f'{row["same_sets"]} of {row["groups"]}',
        )
    console = Console()
    console.print(table)
    console.print(slow)
    keep(args.json, networks=rows, beside_the_slow_one=pairs, device=args.device, seed=0)


if __name__ == '__main__':
    main()
