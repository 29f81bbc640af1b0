#!/usr/bin/env python
"""Mixed precision through all phases of a pruning, float16 with overflows on a GPU.

A small ResNet trains under each recipe as `--amp` has it, with a loss scale so large that the first
steps overflow and are skipped, and once in float32. On a CPU the numbers are bfloat16, which needs
no scale.

Example:
    python benchmarks/mixed_precision.py --json docs/results/mixed_precision.json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.engine.runners.command import amp_wrapper  # noqa: E402
from mmrobustprune.engine.runners.prune import PruneRunner  # noqa: E402
from tests.support.tiny import classifier, pruned  # noqa: E402

SCALE = 2.0**20  # gradients of the first steps are beyond float16 with it
RECIPES = ('adasap', 'taylor', 'magnitude')


class Losses(Hook):
    """Keeps the loss of every step, and how often the loss scale fell."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.scales: list[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.losses.append(outputs['loss'].item())
        scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        self.scales.append(1.0 if scaler is None else scaler.get_scale())


def train(recipe: str, amp: bool, epochs: int) -> dict:
    """One run; its losses, how often its scale fell, what was removed, and the removal's error."""
    with tempfile.TemporaryDirectory() as folder:
        config = classifier(folder, epochs=epochs)
        config.experiment_name = f'{recipe}_{amp}'
        if amp:
            config.optim_wrapper = amp_wrapper(config.optim_wrapper)
            config.optim_wrapper.loss_scale = dict(init_scale=SCALE)
        runner = PruneRunner.from_cfg(pruned(config, recipe=recipe))
        losses = Losses()
        runner.register_hook(losses)
        runner.train()
        last = json.loads(Path(folder, 'rounds.json').read_text())[-1]
    return dict(
        recipe=recipe,
        precision='mixed' if amp else 'float32',
        losses=losses.losses,
        skipped=sum(b < a for a, b in zip(losses.scales, losses.scales[1:], strict=False)),
        scale=losses.scales[-1],
        finite=all(map(math.isfinite, losses.losses)),
        weights_finite=all(bool(p.isfinite().all()) for p in runner.model.parameters()),
        removed=last['removed'],
        surgery_error=last['surgery_error'],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--recipes', nargs='+', choices=RECIPES, default=RECIPES)
    parser.add_argument('--epochs', type=int, default=4, help='of 6 iterations (4)')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    rows = [train(recipe, amp, args.epochs) for recipe in args.recipes for amp in (True, False)]
    table = Table('recipe', 'precision', 'last loss', 'skipped', 'scale', 'parameters removed')
    for row in rows:
        table.add_row(
            row['recipe'],
            row['precision'],
            f'{row["losses"][-1]:.3f}',
            str(row['skipped']),
            f'{row["scale"]:g}',
            f'{row["removed"]["params"]:.3f}',
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    device = device_stamp('cuda' if torch.cuda.is_available() else 'cpu')
    keep(args.json, rows=rows, first_scale=SCALE, device=device, seed=3)
    if not all(row['finite'] and row['weights_finite'] for row in rows):
        raise SystemExit('a loss or a weight is not finite; see the rows.')


if __name__ == '__main__':
    main()
