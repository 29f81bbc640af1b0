#!/usr/bin/env python
"""Searches for a mask with several radii gamma and seeds; the radius is chosen on held-out images.

Every cell of the grid is one search by tools/train.py, without fine-tuning, in its own folder
WORK_DIR/gamma-G-seedN. A cell that is finished is not run again, and one that was stopped goes on
from its last checkpoint. What counts is a metric of the validation with the mask alone, so the
config must validate with other images than it tests with. The means, and the gamma of the best, are
in WORK_DIR/gamma_sweep.json and gamma_sweep.png; tools/report.py --figure s2ap-5 draws the folders
of several networks together.

Example:
    python tools/experiments/gamma_sweep.py configs/s2ap/resnet18_s2ap-harp-p90_cifar10.py \
        --seeds 0 1 2
"""

import argparse
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a checkout need not be installed

from mmengine.config import Config  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.engine.bridge.config import load_config  # noqa: E402
from mmrobustprune.recipes import build_recipe  # noqa: E402
from mmrobustprune.recipes.search import MaskSearch  # noqa: E402
from mmrobustprune.records import stamp  # noqa: E402
from mmrobustprune.records.files import write_json  # noqa: E402
from mmrobustprune.report.figures.search_plots import draw_panels, gammas  # noqa: E402

GAMMAS = (0.00075, 0.001, 0.0025, 0.005, 0.0075, 0.01)  # the paper's; it prints 0.001 twice


def epochs_of(config: Config) -> int:
    """Epochs of the training up to the end of the search.

    Raises:
        ValueError: no search of masks, phases not written in epochs, or a validation with the
            images that test.
    """
    recipe = build_recipe(config.robust_prune) if 'robust_prune' in config else None
    if not isinstance(recipe, MaskSearch):
        raise ValueError(
            "the config searches for no mask; give one with robust_prune=dict(recipe='s2ap_harp', "
            '...).'
        )
    loaders = [config.get(f'{part}_dataloader') or {} for part in ('val', 'test')]
    if loaders[0].get('dataset') in (None, loaders[1].get('dataset')):
        raise ValueError(
            'the config validates with no images, or with those that test and must not choose; '
            'give val_dataloader images held out of the training set.'
        )
    total = 0
    for field in ('pretrain', 'search'):
        length = getattr(recipe, field)
        written = re.fullmatch(r'(\d+) epochs?', str(length))
        if length and not written:
            raise ValueError(
                f"robust_prune.{field}={length!r} is not in epochs; write it as '20 epochs', so "
                'that the training can end with the search.'
            )
        total += int(written[1]) if written else 0
    return total


def value_of(folder: Path, metric: str) -> float | None:
    """The metric of the mask alone; None where the search is not finished.

    Raises:
        ValueError: a finished search that has no such metric.
    """
    file = folder / 'stages.json'
    last = json.loads(file.read_text())[-1] if file.exists() else {}
    if last.get('stage') != 'finetune' or not (folder / 'masks.npz').exists():
        return None
    metrics = last.get('metric_after') or {}
    if metric not in metrics:
        raise ValueError(
            f"{folder} has no metric '{metric}' of its mask (it has {', '.join(metrics) or 'none'})"
            '; give another --metric.'
        )
    return float(metrics[metric])


def search(args: argparse.Namespace, folder: Path, epochs: int, gamma: float, seed: int) -> None:
    """Train one cell of the grid, from where it was stopped.

    Raises:
        ValueError: the training failed.
    """
    resume = ['--resume'] if (folder / 'last_checkpoint').exists() else []
    options = [
        f'robust_prune.gamma={gamma!r}',
        f'train_cfg.max_epochs={epochs}',
        f'randomness.seed={seed}',
        *args.cfg_options,
    ]
    words = ['tools/train.py', Path(args.config).resolve(), '--work-dir', folder, *resume]
    line = [sys.executable, *map(str, words), '--cfg-options', *options]
    if subprocess.run(line, cwd=ROOT).returncode:
        raise ValueError(
            f'the search with gamma={gamma:g} and seed {seed} failed; mend the cause and give the '
            f'same command again, which goes on in {folder}.'
        )


def summary(cells: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    """Mean per gamma over the seeds, and the gamma with the best."""
    means = {}
    for gamma in sorted({cell['gamma'] for cell in cells}):
        means[gamma] = fmean(cell['value'] for cell in cells if cell['gamma'] == gamma)
    best = max(means, key=means.get)
    return dict(
        metric=metric,
        best=best,
        means=[dict(gamma=gamma, value=value) for gamma, value in means.items()],
        cells=cells,
        versions=stamp.versions(),
        commit=stamp.commit(),
        command=stamp.command(),
    )


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument(
        '--gammas', nargs='+', type=float, default=list(GAMMAS), help='default: %(default)s'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='default: 0')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/CONFIG_gamma')
    parser.add_argument(
        '--metric',
        help="of the validation, higher is better (default: the config's robust_prune.metric)",
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )
    args = parser.parse_args(arguments)
    config = load_config(args.config, args.cfg_options)
    epochs = epochs_of(config)
    metric = args.metric or build_recipe(config.robust_prune).metric
    work_dir = (args.work_dir or Path('work_dirs', f'{Path(args.config).stem}_gamma')).resolve()
    cells = []
    for gamma, seed in product(args.gammas, args.seeds):
        folder = work_dir / f'gamma-{gamma:g}-seed{seed}'
        if value_of(folder, metric) is None:
            search(args, folder, epochs, gamma, seed)
        cells.append(dict(gamma=gamma, seed=seed, value=value_of(folder, metric)))
        write_json(work_dir / 'gamma_sweep.json', summary(cells, metric))
    found = summary(cells, metric)
    for one in found['means']:
        print(f'gamma {one["gamma"]:<8g} {metric} {one["value"]:.2f}')
    print(f'best on held-out images: gamma={found["best"]:g}; {work_dir}: gamma_sweep.json')
    positive = [cell for cell in cells if cell['gamma'] > 0]
    if positive:
        values: dict[float, list[float]] = {}
        for cell in positive:
            values.setdefault(cell['gamma'], []).append(cell['value'])
        name = Path(args.config).stem
        draw_panels(work_dir / 'gamma_sweep.png', [gammas('', {name: values}, metric)], 1)


if __name__ == '__main__':
    cli.run(main)
