"""Seconds of a one-shot removal, trace and choice included, beside Torch-Pruning's in one run.

'certified' is `prune_channels`, 'plain' the same without its certificate, 'torch-pruning' that
library's own graph, choice and removal of about as much; 'failed' says why it does not prune the
network, or why what it leaves does not run. The three take turns and the shortest of each one's
times counts (processor time with one CPU thread, else elapsed). 'copies' is the most memory that
`prune_channels` held at a time, in sizes of the network in single precision.

    python benchmarks/surgery.py --json docs/results/surgery.json
    python benchmarks/surgery.py --networks resnet50 mobilenet_v2 --rounds 5
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402

from benchmarks.peak_memory import PeakMemory  # noqa: E402
from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.model import CostModel  # noqa: E402
from mmrobustprune.dependency.tracing import trace  # noqa: E402
from mmrobustprune.engine.bridge.model import forward_of  # noqa: E402
from mmrobustprune.engine.coverage.peer import shrink_with_torch_pruning  # noqa: E402
from mmrobustprune.engine.coverage.row import limited  # noqa: E402
from mmrobustprune.engine.coverage.steps import trial_of  # noqa: E402
from mmrobustprune.engine.coverage.zoo import Case  # noqa: E402
from mmrobustprune.masks import MaskSet, RankedSelection  # noqa: E402
from mmrobustprune.scores import Magnitude  # noqa: E402
from mmrobustprune.structure import rebuild  # noqa: E402
from mmrobustprune.surgery import prune_channels  # noqa: E402

REMOVED = 0.3  # of the multiplications
PATIENCE = 30  # seconds of processor time that Torch-Pruning gets
NETWORKS = {
    'resnet50': Case('mmpretrain::resnet/resnet50_8xb32_in1k.py', 224),
    'mobilenet_v2': Case('mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py', 224),
    'vit-b': Case('mmpretrain::vision_transformer/vit-base-p16_32xb128-mae_in1k.py', 224),
    'yolox-s': Case('mmdet::yolox/yolox_s_8xb8-300e_coco.py', 320),
    'rtmdet-s': Case('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', 320),
    'mask-rcnn': Case('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', 320),
    'solov2': Case('mmdet::solov2/solov2_r50_fpn_1x_coco.py', 320),
}


def certified(model: nn.Module, example: Any) -> None:
    prune_channels(model, example, REMOVED, budget='macs', forward=forward_of(model))


def plain(model: nn.Module, example: Any) -> None:
    found = trace(model, example, forward_of(model))
    cost = CostModel(model, found.groups, found.shapes)
    alive = RankedSelection(cost, 'macs').plan(Magnitude()(model, found.groups), REMOVED)
    rebuild(model, MaskSet.planned(model, found.groups, alive).structure('plain'))


def seconds(run: Callable[[nn.Module, Any], None], model: nn.Module, example: Any) -> float:
    """Time of one run; what is left of other runs is not collected in it."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    gc.collect()
    gc.disable()
    try:
        start = clock()
        run(model, example)
        return clock() - start
    finally:
        gc.enable()


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """The shortest times of each arm; None for Torch-Pruning where it fails."""
    with trial_of(case) as trial:
        example = trial.example
        found = trial.found

        def peer(model: nn.Module, example: Any) -> None:
            with limited(PATIENCE):
                shrink_with_torch_pruning(model, example, forward_of(model), REMOVED, found)

        arms = {'certified': certified, 'plain': plain, 'torch-pruning': peer}
        times: dict[str, list[float]] = {name: [] for name in arms}
        failed = ''
        for _ in range(rounds):
            for name, run in arms.items():
                if failed and not times[name]:  # once is enough
                    continue
                model = case.build()
                try:
                    times[name].append(seconds(run, model, example))
                    if name == 'torch-pruning':
                        forward_of(model)(model, example)
                except Exception as error:  # the peer's failure is a result
                    if name != 'torch-pruning':
                        raise
                    failed = f'{type(error).__name__}: {error}'.splitlines()[0]
        model = case.build()
        size = sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers()])
        gc.collect()
        with PeakMemory() as memory:
            certified(model, example)
    best = {name: round(min(values), 3) if values else None for name, values in times.items()}
    return dict(best, copies=round(memory.peak / size, 2), failed=failed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--networks', nargs='+', choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--json', type=Path, help='file to write')
    args = parser.parse_args()
    rows = {}
    for name in args.networks:
        rows[name] = measure(NETWORKS[name], args.rounds)
        keep(args.json, removed=REMOVED, rounds=args.rounds, networks=rows)
    table = Table('network', 'certified, s', 'plain, s', 'Torch-Pruning, s', 'ratios', 'copies')
    for name, row in rows.items():
        peer = row['torch-pruning']
        ratios = (
            '-' if peer is None else f'{row["certified"] / peer:.1f} / {row["plain"] / peer:.1f}'
        )
        shown = [row['certified'], row['plain'], peer or row['failed'][:40], ratios, row['copies']]
        table.add_row(name, *map(str, shown))
    Console().print(table)


if __name__ == '__main__':
    main()
