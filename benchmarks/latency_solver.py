"""Widths under a latency budget for real networks: time and gap of a step, and how true it is.

Without --tables the latencies of blocks are invented (widths in steps of 16, time by operations and
traffic), which is enough to time the solver. With it tables are measured on this machine (kept in
the folder, and gone on with), the network is really pruned at every target, and its time stands
beside the prediction.

    python benchmarks/latency_solver.py --models resnet50 mobilenet_v2 ssdlite ssd300
    python benchmarks/latency_solver.py --models mobilenet_v2 --tables latency_tables

'off' is predicted over measured - 1; 'dense now' is the dense network's time beside that
measurement over its time in the table: where it is far from 1 the machine was not as it had been,
and 'off' says more of that than of the table.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Iterator
from itertools import chain
from math import ceil, prod
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import MODELS, init_default_scope  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.model import CostModel  # noqa: E402
from mmrobustprune.engine.bridge.model import example_batch, tensor_forward  # noqa: E402
from mmrobustprune.latency import (  # noqa: E402
    LatencyModel,
    LatencySelection,
    LatencyTable,
    Network,
    Signature,
    Timing,
    measure_table,
    measure_whole,
    stamp_of,
)
from mmrobustprune.masks import MaskSet  # noqa: E402
from mmrobustprune.models.pruned import without_pretrained  # noqa: E402
from mmrobustprune.scores import Magnitude  # noqa: E402
from mmrobustprune.structure import rebuild  # noqa: E402
from mmrobustprune.surgery import trace  # noqa: E402

MODELS_AT = {  # name -> config, input side
    'resnet50': ('mmpretrain::resnet/resnet50_8xb32_in1k.py', 224),
    'mobilenet_v1': ('configs/adasap/mobilenet-v1_8xb128-90e_in1k.py', 224),
    'mobilenet_v2': ('mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py', 224),
    'ssdlite': ('mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py', 320),
    'tiny': ('mmpretrain::resnet/resnet18_8xb16_cifar10.py', 32),
    'ssd300': ('mmdet::ssd/ssd300_coco.py', 300),
}


def build(name: str, batch: int, device: str) -> tuple[torch.nn.Module, dict]:
    """(model with random weights, example)"""
    path, side = MODELS_AT[name]
    init_default_scope(path.partition(':')[0] if '::' in path else 'mmpretrain')
    config = get_config(path) if '::' in path else Config.fromfile(ROOT / path)
    torch.manual_seed(0)
    model = MODELS.build(without_pretrained(config.model)).eval()
    for module in model.modules():
        if type(module).__name__ == 'L2Norm':  # left uninitialised upstream
            torch.nn.init.constant_(module.weight, 20)
    model.to(device)
    return model, example_batch(model, side, side, batch)


def invented(signature: Signature, inputs: int, outputs: int) -> Timing:
    """2 us per million multiplications, .2 us per thousand numbers moved, widths in steps of 16."""
    wide = [16 * ceil(width / 16) for width in (inputs, outputs)]
    stride = prod(dict(signature.options).get('stride') or (1,))
    places = prod(signature.size) / stride
    ms = 0.01 + 2e-9 * places * prod(signature.kernel) * prod(wide) + 2e-7 * places * sum(wide)
    return Timing(ms, ms, ms, ms, 1)


def table_of(
    args: argparse.Namespace, name: str, network: Network, model: torch.nn.Module, example: dict
) -> LatencyTable:
    """The latency table, measured or invented."""
    options: dict[str, Any] = dict(seconds=args.seconds, points=args.points)
    stamp = stamp_of(model, example)
    if args.tables is None:
        table = LatencyTable(stamp)
        table.networks[network.fingerprint] = Timing(0, 0, 0, 0, 1)
        options |= dict(progress=False, stopwatch=invented, tolerance=1e9)
    else:
        table = LatencyTable.open(args.tables / f'{name}.json', stamp, statistic=args.statistic)
    measure_table(table, network, model, example, tensor_forward, **options)
    if args.tables is None:
        blocks = -LatencyModel(network, table).constant
        table.networks[network.fingerprint] = Timing(*[1.1 * blocks] * 4, 1)
    return table


def rows(args: argparse.Namespace, name: str) -> Iterator[dict]:
    """One row per solver and target."""
    model, example = build(name, args.batch, args.device)
    found = trace(model, example, tensor_forward)
    network = Network.read(model, found, example, tensor_forward)
    start = time.perf_counter()
    latency = LatencyModel(network, table_of(args, name, network, model, example))
    seconds = time.perf_counter() - start
    scores = Magnitude()(model, found.groups)
    errors = [grid.error for grid in latency.table.grids.values() if grid.error is not None]
    cost = CostModel(model, found.groups, found.shapes)
    for solver in ('exact', 'linearised'):
        selection = LatencySelection(latency, found.groups, solver=solver, normalise='mean')
        sizes = selection.sizes()
        for target in args.targets:
            steps = []
            try:
                for _ in range(3):
                    begun = time.process_time()
                    alive = selection.within(scores, (1 - target) * latency.dense)
                    steps.append(time.process_time() - begun)
            except ValueError as error:
                print(f'{name}, {solver}, {target:.0%} removed: {error}')
                continue
            row = dict(
                model=name,
                groups=len(sizes),
                sizes=sum(map(len, sizes.values())),
                solver=solver,
                target=target,
                solver_s=min(steps),
                gap=selection.solution.gap if solver == 'exact' else None,
                value=selection.solution.value,
                dense_ms=latency.dense,
                constant_ms=latency.constant,
                factor=latency.factor,
                predicted_ms=latency.predict(alive),
                macs_left=1 - cost.removed(alive)['macs'],
                table_s=seconds,
                blocks=len(network.changing),
                kinds=len(latency.table.grids),
                entries=sum(len(grid.entries) for grid in latency.table.grids.values()),
                worst_interpolation_ms=max(errors, default=None),
            )
            if args.tables is not None and solver == 'exact':
                row |= real(args, model, found, example, alive)
            yield row


def real(
    args: argparse.Namespace, model: torch.nn.Module, found: Any, example: dict, alive: dict
) -> dict:
    """Milliseconds of the dense network now and of the one that is cut."""
    small = copy.deepcopy(model)
    masks = MaskSet(small, found.groups)
    masks.remove(alive)
    rebuild(small, masks.structure('latency'))
    times = [
        getattr(measure_whole(one, example, tensor_forward, seconds=args.measure), args.statistic)
        for one in (model, small, model, small)
    ]
    return dict(measured_dense_ms=min(times[::2]), measured_ms=min(times[1::2]))


def show(found: list[dict], what: str) -> None:
    """All rows as a table."""
    table = Table(
        'model',
        'solver',
        'sizes',
        'budget',
        'step, s',
        'gap',
        'predicted',
        'measured',
        'off',
        'dense now',
        'speed-up',
        'MACs ratio',
        title=what,
    )
    for row in found:
        measured = row.get('measured_ms')
        dense = row.get('measured_dense_ms')
        table.add_row(
            row['model'],
            row['solver'],
            f'{row["groups"]} groups, {row["sizes"]}',
            f'{1 - row["target"]:.0%}',
            f'{row["solver_s"]:.3f}',
            '-' if row['gap'] is None else f'{row["gap"]:.3%}',
            f'{row["predicted_ms"]:.2f} ms',
            '-' if measured is None else f'{measured:.2f} ms',
            '-' if measured is None else f'{row["predicted_ms"] / measured - 1:+.1%}',
            '-' if measured is None else f'{dense / row["dense_ms"]:.2f}',
            '-' if measured is None else f'{dense / measured:.2f}x',
            f'{1 / row["macs_left"]:.2f}x',
        )
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--models', nargs='+', choices=sorted(MODELS_AT), default=['resnet50'])
    parser.add_argument(
        '--targets',
        nargs='+',
        type=float,
        default=[0.2, 0.45, 0.7],
        help='fractions of the latency removed',
    )
    parser.add_argument(
        '--tables', type=Path, help='folder of measured tables (default: invented latencies)'
    )
    parser.add_argument('--seconds', type=float, default=600, help='for one table')
    parser.add_argument(
        '--measure', type=float, default=20, help='seconds for the time of one whole network'
    )
    parser.add_argument('--points', type=int, default=4, help='widths per side to begin with')
    parser.add_argument(
        '--statistic', default='median', help="'median', or 'least' on a busy machine"
    )
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found = list(chain.from_iterable(rows(args, name) for name in args.models))
    like = torch.zeros(args.batch, 1, device=args.device)
    stamp = stamp_of(torch.nn.Linear(1, 1).to(args.device), like)
    show(
        found,
        'invented latencies'
        if args.tables is None
        else f'{stamp["device"]}, {args.threads} threads, {args.statistic}',
    )
    keep(args.json, rows=found, stamp=stamp, statistic=args.statistic)


if __name__ == '__main__':
    main()
