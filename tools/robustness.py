#!/usr/bin/env python
"""Accuracy of a trained mmdet or mmpretrain model, clean and under image corruptions.

Prints P, mPC and rPC and writes them with every cell to WORK_DIR/results.json. A run that was
stopped goes on with the first cell that is missing when the same command is given again.

Example:
    python tools/robustness.py my_ssd.py my_ssd.pth --severities 3 --work-dir work_dirs/my_ssd_c
"""
import argparse
import sys
from pathlib import Path

from mmengine.config import DictAction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import mmrobustprune.engine  # noqa: F401  registers our parts before a config is read
from mmrobustprune.engine.corruption_runner import evaluate_config
from mmrobustprune.engine.suite_progress import LogProgress, title
from mmrobustprune.engine.suite_table import table, verdict


class Bars:
    """Two bars: the batches of this pass and the cells of the run, each with its time left."""

    def __init__(self, console: Console) -> None:
        self.bars = Progress(TextColumn('{task.description}', justify='right'), BarColumn(),
                             MofNCompleteColumn(), TimeRemainingColumn(), console=console)
        self.run = self.bars.add_task('cells')
        self.part = self.bars.add_task('clean')

    def __call__(self, part: list, before: int, cells: int, done: int, batches: int) -> None:
        if done == 0:
            self.bars.reset(self.part, total=batches, description=title(part))
        self.bars.update(self.part, completed=done)
        self.bars.update(self.run, total=cells, completed=before + len(part) * done / batches)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of the model, or the pruned.py of a pruned one')
    parser.add_argument('checkpoint', help='its weights, dense or pruned')
    parser.add_argument('--suite', help="'voc-c', 'coco-c', 'imagenet-c' or 'imagenet-c-at-32'; by "
                        'default the one that goes with the evaluator and the image size')
    parser.add_argument('--corruptions', nargs='+', help="names, or 'noise', 'blur', 'weather', "
                        "'digital', 'extra', 'benchmark' (default), 'all'")
    parser.add_argument('--severities', nargs='+', type=int, help='among 1 to 5 (default: all)')
    parser.add_argument('--seed', type=int, help='of the corruptions (default: 0)')
    parser.add_argument('--metric', help='what P, mPC and rPC are made of (default: VOC AP50, COCO '
                        'bbox_mAP or top-1 accuracy)')
    parser.add_argument('--work-dir', help='default: work_dirs/<config>_corrupted')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        help='config overrides, key=value')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    asked = {key: value for key in ('suite', 'corruptions', 'severities', 'seed', 'metric')
             if (value := getattr(args, key)) is not None}
    work_dir = args.work_dir or Path('work_dirs', f'{Path(args.config).stem}_corrupted')
    console = Console(stderr=True)
    options = dict(log_level='WARNING', **args.cfg_options)
    options['launcher'] = args.launcher
    if console.is_terminal:
        bars = Bars(console)
        with bars.bars:
            results = evaluate_config(
                args.config, args.checkpoint, work_dir, asked, bars, **options)
    else:
        results = evaluate_config(
            args.config, args.checkpoint, work_dir, asked, LogProgress(console.print), **options)
    from mmengine.dist import is_main_process
    if is_main_process():
        Console().print(table(results).rich(f"{results['suite']}: {results['metric']}"))
        print(verdict(results))
        print(f'written to {work_dir}/results.json')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, TypeError, OSError) as error:
        print(f'robustness: {error}', file=sys.stderr)
        sys.exit(2)
