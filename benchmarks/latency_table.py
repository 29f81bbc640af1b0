#!/usr/bin/env python
"""What a latency table costs, and how far it is off, by how it is measured.

Every arm measures a table of the same network from nothing, in turns, in one process. Then each
table predicts draws of random widths, whose blocks are timed by themselves, 40 times each, before
the arms and behind them: the error of a draw is that of the sum over all blocks of the network, so
what is off by chance in single blocks cancels as it does in a budget. Times are processor times of
one thread, so that other programs hardly count.

Example:
    python benchmarks/latency_table.py --rounds 2 --json docs/results/latency_table.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from tqdm import tqdm  # noqa: E402

from benchmarks.latency_solver import build  # noqa: E402
from benchmarks.record import keep  # noqa: E402
from mmrobustprune.dependency.recording import default_forward  # noqa: E402
from mmrobustprune.engine.bridge.model import tensor_forward  # noqa: E402
from mmrobustprune.latency import LatencyTable, Network, measure_table, stamp_of  # noqa: E402
from mmrobustprune.latency.measure import stopwatch  # noqa: E402
from mmrobustprune.surgery import trace  # noqa: E402
from tests.support.resnets import CIFARResNet  # noqa: E402

ARMS: dict[str, dict[str, Any]] = {
    '40 times, 4 widths': dict(precision=None, points=4),
    'to 2 %, 4 widths': dict(precision=0.02, points=4),
    'to 2 %, 3 widths': dict(precision=0.02, points=3),
    'to 5 %, 4 widths': dict(precision=0.05, points=4),
    'to 5 %, 3 widths': dict(precision=0.05, points=3),
}
NETWORKS = ('resnet20', 'mobilenet_v2')
Draw = Mapping[str, tuple[int, int]]  # kind of block -> widths


def made(name: str) -> tuple[nn.Module, Any, Any]:
    """A network, an example and how it takes it."""
    if name != 'resnet20':
        return *build(name, 1, 'cpu'), tensor_forward
    torch.manual_seed(0)
    return CIFARResNet(20).eval(), torch.rand(1, 3, 32, 32), default_forward


def draws_of(table: LatencyTable, kinds: Mapping[str, int], count: int) -> list[Draw]:
    """Widths at random, multiples of 8 where there are some, between those of a table."""
    random = np.random.default_rng(0)
    draws = []
    for _ in range(count):
        draw = {}
        for key in kinds:
            grid = table.grids[key]
            draw[key] = tuple(_between(axis, random) for axis in (grid.inputs, grid.outputs))
        draws.append(draw)
    return draws


def _between(axis: tuple[int, ...], random: np.random.Generator) -> int:
    widths = [width for width in range(axis[0], axis[-1] + 1) if width % 8 == 0]
    return int(random.choice(widths or axis))


def timed(network: Network, table: LatencyTable, draws: list[Draw], like: Tensor) -> np.ndarray:
    """Milliseconds of every block of every draw (draws, kinds)."""
    signatures = {block.signature.key: block.signature for block in network.changing}
    watch = stopwatch(table, like)
    rows = [
        watch(signatures[key], *draw[key]).median
        for draw in tqdm(draws, 'reference', disable=None)
        for key in draw
    ]
    return np.reshape(rows, (len(draws), -1))


def predicted(table: LatencyTable, draws: list[Draw]) -> np.ndarray:
    """As `timed`, from a table."""
    rows = [
        float(table.ms(key, np.array(widths[0]), np.array(widths[1])))
        for draw in draws
        for key, widths in draw.items()
    ]
    return np.reshape(rows, (len(draws), -1))


def rows_of(name: str, rounds: int, count: int) -> list[dict]:
    """One row for each arm."""
    model, example, forward = made(name)
    network = Network.read(model, trace(model, example, forward), example, forward)
    kinds = Counter(block.signature.key for block in network.changing)
    like = next(model.parameters())
    stamp = stamp_of(model, example)
    whole: dict = {}
    tables: dict[str, list[LatencyTable]] = {arm: [] for arm in ARMS}
    spent: dict[str, list[float]] = {arm: [] for arm in ARMS}
    draws: list[Draw] = []
    references = []
    for number in range(-1, rounds):  # the first one warms up and says between which widths
        for arm, options in ARMS.items():
            table = LatencyTable(stamp)
            table.networks.update(whole)
            start = time.process_time()
            measure_table(
                table, network, model, example, forward, seconds=3600, progress=False, **options
            )
            seconds = time.process_time() - start
            whole = table.networks
            if number < 0:
                draws = draws_of(table, kinds, count)
                break
            tables[arm].append(table)
            spent[arm].append(seconds)
        references.append(timed(network, table, draws, like))
    truth = np.mean(references, 0)
    counts = np.array([kinds[key] for key in draws[0]])
    result = []
    for arm, options in ARMS.items():
        found = [predicted(table, draws) for table in tables[arm]]
        sums = [abs((one @ counts) / (truth @ counts) - 1) for one in found]
        blocks = [abs(one / truth - 1) for one in found]
        timings = [list(grid.entries.values()) for t in tables[arm] for grid in t.grids.values()]
        entries = sum(map(len, timings)) / rounds
        calls = sum(timing.repeats for some in timings for timing in some) / rounds
        result.append(
            dict(
                network=name,
                arm=arm,
                **options,
                seconds=statistics.median(spent[arm]),
                entries=entries,
                calls=calls,
                error=float(np.mean(sums)),
                worst=float(np.max(sums)),
                block_error=float(np.median(blocks)),
            )
        )
    apart = [abs((one @ counts) / (truth @ counts) - 1) for one in references]
    return [dict(row, reference_error=float(np.mean(apart)), draws=count) for row in result]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, default=NETWORKS)
    parser.add_argument('--rounds', type=int, default=2, help='tables of each arm (2)')
    parser.add_argument('--draws', type=int, default=6, help='networks of random widths (6)')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in args.networks:
        rows += rows_of(name, args.rounds, args.draws)
    table = Table('network', 'blocks are timed', 's', 'to the first', 'entries', 'calls', 'off')
    for row in rows:
        first = next(one for one in rows if one['network'] == row['network'])
        table.add_row(
            row['network'],
            row['arm'],
            f'{row["seconds"]:.2f}',
            f'{row["seconds"] / first["seconds"]:.2f}',
            f'{row["entries"]:.0f}',
            f'{row["calls"]:.0f}',
            f'{row["error"]:.1%}, at worst {row["worst"]:.1%}; a block {row["block_error"]:.1%}',
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    keep(args.json, rows=rows, seed=0)


if __name__ == '__main__':
    main()
