#!/usr/bin/env python
"""The whole idea on a generated set: train a small SSD, prune half of it with AdaSAP, compare both.

Stopped, the same command goes on where it was.

Example:
    python tools/quickstart.py             (7 minutes of one core; quickstart.sh sets up)
    python tools/quickstart.py --smoke     (the same steps in miniature, no thresholds)
"""

import json
import logging
import os
import sys
import warnings
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]  # a checkout need not be installed
os.environ.setdefault('GOMP_SPINCOUNT', '1000')  # spinning threads take each other's cores

from mmengine.config import Config  # noqa: E402
from rich.console import Console  # noqa: E402
from steps.progress import ProgressHook, Steps, bar  # noqa: E402
from steps.shown import clear_name, draw_gallery, draw_task, read_image  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.corruption import BENCHMARK  # noqa: E402

DENSE = 'dense'
PRUNED = 'AdaSAP, half'
SHARES = (3, 27, 35, 33, 2)  # of the five steps in the time of all
NEXT = """
For a config of your own, after `source tools/activate`:
  mmrobustprune prune my.py my.pth --target 0.5 --out my_half --dry-run      what would go
  mmrobustprune train my_two_lines.py --work-dir my_half                     prune while it trains
  mmrobustprune robustness my.py my.pth my_half/pruned.py my_half/pruned.pth --work-dir my_both
docs/get_started.md has the two lines and says what comes out."""


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    train: int = 600
    test: int = 60
    epochs: int = 4  # of the dense detector
    more: int = 2  # while it is pruned
    rounds: int = 10
    corruptions: tuple[str, ...] = BENCHMARK
    severities: tuple[int, ...] = (1, 3, 5)
    least_dense: float = 0.60  # AP50 below which the run counts as failed
    least_pruned: float = 0.45


SMOKE = Plan(
    train=32,
    test=8,
    epochs=2,
    more=2,
    rounds=2,
    corruptions=('gaussian_noise', 'fog'),
    severities=(3,),
    least_dense=0,
    least_pruned=0,
)


def train(config: Path, work_dir: Path, options: dict) -> None:
    """What tools/train.py does, its log in a file only; goes on from the last checkpoint there."""
    from mmrobustprune.engine.runners.command import build_runner

    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options)
    cfg.visualizer.name = str(work_dir)  # mmengine keeps one per name and process
    cfg.update(
        work_dir=str(work_dir),
        launcher='none',
        log_level='WARNING',
        resume=(work_dir / 'last_checkpoint').exists(),
    )
    runner = build_runner(cfg)
    runner.logger.setLevel(logging.INFO)
    for handler in runner.logger.handlers:
        handler.setLevel(
            logging.INFO if isinstance(handler, logging.FileHandler) else logging.ERROR
        )
    runner.register_hook(ProgressHook())
    runner.train()


def evaluate(models: dict[str, tuple[Path, Path]], plan: Plan, options: dict) -> dict[str, dict]:
    """What tools/robustness.py does: every corrupted image is made once, for all models."""
    from mmrobustprune.engine.robustness.runner import evaluate_configs

    whole = (1 + len(plan.corruptions)) * 1000
    with bar(whole, '') as progress:
        progress.bar_format = '      {l_bar}{bar}| {postfix} [{elapsed}<{remaining}]'

        def show(part, before, cells, done, batches) -> None:
            progress.set_postfix_str(part[0].corruption.replace('_', ' '), refresh=False)
            there = int(whole * (before + len(part) * done / batches) / cells)
            progress.update(there - progress.n)

        results = evaluate_configs(
            [(*files, files[1].parent / 'corrupted') for files in models.values()],
            dict(corruptions=list(plan.corruptions), severities=list(plan.severities)),
            show,
            log_level='ERROR',
            **options,
            **{'visualizer.name': 'corrupted', 'test_dataloader.num_workers': 1},
        )
    return dict(zip(models, results, strict=True))


def check(what: str, value: float, least: float) -> None:
    if value < least:
        raise ValueError(
            f'the {what} detector reaches AP50 {value:.3f} and at least {least:.2f} was expected; '
            'the set-up trains wrongly here (its logs lie beside its checkpoints): '
            'please report it with them.'
        )


def options_for(data: Path, plan: Plan) -> dict:
    """The config options of this plan, the same for every step."""
    generate = dict(train=plan.train, test=plan.test, size=192, seed=0)
    fields = dict(data_root=f'{data}/', generate=generate)
    options = {}
    for split, key in product(('train', 'val', 'test'), fields):
        options[f'{split}_dataloader.dataset.{key}'] = fields[key]
    return options


def schedule(epochs: int) -> dict:
    return {
        'train_cfg.max_epochs': epochs,
        'param_scheduler.1.T_max': epochs,
        'param_scheduler.1.end': epochs,
    }


def run(folder: Path, plan: Plan) -> None:
    say_plan(folder, plan)
    steps = Steps(SHARES, folder / 'quickstart.log')
    data = folder / 'shapes'
    out = folder / 'report'
    options = options_for(data, plan)
    config = ROOT / 'configs' / 'shapes' / 'ssd-r18_shapes.py'
    dense_dir = folder / 'dense'
    pruned_dir = folder / 'adasap'
    models = {
        DENSE: (config, dense_dir / f'epoch_{plan.epochs}.pth'),
        PRUNED: (pruned_dir / 'pruned.py', pruned_dir / 'pruned.pth'),
    }

    from mmrobustprune.datasets import write_shapes

    with steps(f'a generated detection set: {plan.train} images to train, {plan.test} to test'):
        write_shapes(data, plan.train, plan.test, 192, 0)
        draw_task(out / 'task.png', data, plan.corruptions)
    print(f'      the first image: {out / "task.png"}', flush=True)
    with steps('a small SSD is trained', f'python tools/train.py {config.relative_to(ROOT)}'):
        if not models[DENSE][1].exists():
            train(config, dense_dir, {**options, **schedule(plan.epochs)})
    recipe = config.with_name('ssd-r18_adasap-p50_shapes.py')
    with steps(
        'AdaSAP removes half its parameters while it trains on',
        f'python tools/train.py {recipe.relative_to(ROOT)}',
    ):
        if not models[PRUNED][1].exists():
            more = {'load_from': str(models[DENSE][1]), 'robust_prune.rounds': plan.rounds}
            train(recipe, pruned_dir, {**options, **schedule(plan.more), **more})
    levels = ' '.join(map(str, plan.severities))
    with steps(
        f'both under {len(plan.corruptions)} corruptions at severity {levels}',
        f'python tools/robustness.py CONFIG CHECKPOINT --severities {levels}',
    ):
        results = evaluate(models, plan, options)
    with steps('the report'):
        write(models, out, data, plan)
    from mmrobustprune.report.runs import read_run
    from mmrobustprune.report.summary import comparison

    runs = [read_run(checkpoint.parent, name) for name, (_, checkpoint) in models.items()]
    print()
    Console(width=100).print(comparison(runs).rich())
    if plan == SMOKE:
        print('in miniature: these numbers say nothing')
    print(f'{steps.minutes()}; the report is {out / "index.html"}')
    check(DENSE, results[DENSE]['P'], plan.least_dense)
    check('pruned', results[PRUNED]['P'], plan.least_pruned)
    print(NEXT)


def say_plan(folder: Path, plan: Plan) -> None:
    """Write what this folder holds; another plan's folder is refused."""
    file = folder / 'plan.json'
    wanted = json.dumps(asdict(plan))
    if file.exists() and file.read_text() != wanted:
        raise ValueError(
            f'{folder} holds a quick start of another plan ({file}); '
            'remove it or give another --work-dir.'
        )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(wanted)


def write(models: dict[str, tuple[Path, Path]], out: Path, data: Path, plan: Plan) -> None:
    """Costs, gallery, structure tree, table and page."""
    from mmrobustprune.engine.analysis.compare import measure
    from mmrobustprune.report.page import Part
    from mmrobustprune.report.runs import read_run
    from mmrobustprune.report.summary import write_report
    from mmrobustprune.report.tables.tree import as_text, width_tree

    costs = measure(models)
    for name, (_, checkpoint) in models.items():
        (checkpoint.parent / 'cost.json').write_text(json.dumps(costs[name][1], indent=1))
    tree = as_text(
        width_tree(costs[DENSE][0].layers, costs[PRUNED][0].layers, title='output channels'), 100
    )
    image = read_image(data, clear_name(data))
    draw_gallery(out / 'gallery.png', models, image, plan.corruptions)
    (out / 'structure.txt').write_text(tree, encoding='utf-8')
    runs = [read_run(checkpoint.parent, name) for name, (_, checkpoint) in models.items()]
    write_report(
        runs,
        out,
        'A detector, dense and pruned',
        [
            Part(
                'What they find',
                'One test image, clean and corrupted; boxes of score 0.5 or more.',
                figure='gallery.png',
            ),
            Part('What was removed', 'Output channels of every layer, dense -> pruned.', text=tree),
        ],
        foot=f'{costs[DENSE][1]["timing"]["device"]}; latency: median of one image, network only.',
    )


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument(
        '--smoke', action='store_true', help='every step in miniature, no thresholds'
    )
    parser.add_argument(
        '--work-dir', type=Path, help='default: work_dirs/quickstart, or work_dirs/quickstart_smoke'
    )
    args = parser.parse_args()
    folder = args.work_dir or Path('work_dirs', 'quickstart_smoke' if args.smoke else 'quickstart')
    warnings.simplefilter('ignore')  # of the libraries underneath
    run(folder, SMOKE if args.smoke else Plan())


if __name__ == '__main__':
    cli.run(main)
