#!/usr/bin/env python
"""Accuracy of a trained mmdet or mmpretrain model, clean and under image corruptions.

Example:
    python tools/robustness.py my_ssd.py my_ssd.pth --severities 3 --work-dir work_dirs/my_ssd_c

P, mPC and rPC are printed and written with every cell to WORK_DIR/results.json. A run that was
stopped goes on with the first cell that is missing when the same command is given again.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument('checkpoint', help='its weights, dense or pruned')
    parser.add_argument('--suite', help="voc-c | coco-c | imagenet-c | imagenet-c-at-32 (default: "
                        'what goes with the evaluator and the image size)')
    parser.add_argument('--corruptions', nargs='+', metavar='NAME', help='names, or noise | blur | '
                        'weather | digital | extra | benchmark (default) | all')
    parser.add_argument('--severities', nargs='+', type=int, metavar='N', help='among 1 to 5 '
                        '(default: all)')
    parser.add_argument('--seed', type=int, help="of the corruptions' random numbers (default: 0)")
    parser.add_argument('--metric', help='what P, mPC and rPC are made of (default: VOC AP50, COCO '
                        'bbox_mAP or top-1 accuracy)')
    parser.add_argument('--work-dir', help='default: work_dirs/<config>_corrupted')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='who starts the processes')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='change config fields, e.g. test_dataloader.num_workers=4')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='of the launcher')
    args = parser.parse_args(arguments)

    from mmengine.dist import is_main_process
    from rich.console import Console

    from mmrobustprune.engine.command import parse_options
    from mmrobustprune.engine.corruption_runner import evaluate_config
    from mmrobustprune.engine.suite_progress import shown_on
    from mmrobustprune.engine.suite_table import table, verdict
    work_dir = args.work_dir or Path('work_dirs', f'{Path(args.config).stem}_corrupted')
    fields = ('suite', 'corruptions', 'severities', 'seed', 'metric')
    asked = {key: value for key in fields if (value := getattr(args, key)) is not None}
    options = dict(log_level='WARNING', **parse_options(args.cfg_options))
    with shown_on(Console(stderr=True)) as progress:
        results = evaluate_config(args.config, args.checkpoint, work_dir, asked, progress,
                                  **dict(options, launcher=args.launcher))
    if is_main_process():
        Console().print(table(results).rich(f"{results['suite']}: {results['metric']}"))
        print(verdict(results))
        print(f'{work_dir}: results.json')


if __name__ == '__main__':
    cli.run(main)
