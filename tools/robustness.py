#!/usr/bin/env python
"""Accuracy of trained mmdet or mmpretrain models, clean and under image corruptions.

Examples:
    python tools/robustness.py my_ssd.py my_ssd.pth --severities 3 --work-dir work_dirs/my_ssd_c
    python tools/robustness.py dense.py dense.pth pruned.py pruned.pth --work-dir work_dirs/both

Several models on the same images share every corrupted image. P, mPC and rPC are printed; every
cell is in WORK_DIR/results.json (of several models in WORK_DIR/NAME/results.json), the figures in
WORK_DIR/report/index.html. A run that was stopped goes on with the first cell that is missing when
the same command is given again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402

GATE = 3  # exit code of a number beyond its bound


def names_of(
    configs: Sequence[str], checkpoints: Sequence[str], given: Sequence[str] | None
) -> list[str]:
    """One name per model.

    Those given, else the first of config, checkpoint and its folder that tells them apart.

    Raises:
        ValueError: not one name per model, or two that are equal.
    """
    if given is not None:
        if len(given) != len(configs) or len(set(given)) < len(given):
            raise ValueError(
                f'--names got {" ".join(given)} for {len(configs)} models; '
                'give each a name of its own.'
            )
        return list(given)
    folders = [Path(file).resolve().parent.name for file in checkpoints]
    for names in (
        [Path(file).stem for file in configs],
        [Path(file).stem for file in checkpoints],
        folders,
    ):
        if len(set(names)) == len(names):
            return names
    raise ValueError('the models have equal file and folder names; tell them apart with --names.')


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument(
        'models',
        nargs='+',
        metavar='CONFIG CHECKPOINT',
        help=f'{cli.CONFIG}, and weights, dense or pruned; '
        'more pairs are evaluated on the same images',
    )
    parser.add_argument('--names', nargs='+', help='of the models, where there are several')
    parser.add_argument(
        '--suite',
        help='voc-c | coco-c | imagenet-c | imagenet-c-uncropped | cifar-10-c | imagenet-c-at-32 | '
        'imagenet-c-tensor (default: what goes with the evaluator and the image size)',
    )
    parser.add_argument(
        '--corruptions',
        nargs='+',
        metavar='NAME',
        help='names, or noise | blur | weather | digital | extra | benchmark (default) | all',
    )
    parser.add_argument(
        '--severities', nargs='+', type=int, metavar='N', help='among 1 to 5 (default: all)'
    )
    parser.add_argument('--seed', type=int, help="of the corruptions' random numbers (default: 0)")
    parser.add_argument(
        '--stored',
        metavar='DIR',
        help='a stored set: ImageNet-C, CIFAR-10-C, or what tools/make_corrupted.py wrote '
        '(default: corrupt while evaluating)',
    )
    parser.add_argument(
        '--metric',
        help='what P, mPC and rPC are made of (default: VOC AP50, COCO bbox_mAP or top-1 accuracy)',
    )
    parser.add_argument(
        '--baseline',
        help="what mCE is relative to: 'alexnet' (default under imagenet-c) or a results.json",
    )
    parser.add_argument(
        '--workers',
        type=int,
        help="processes that decode and corrupt (default: the test loader's, or one per core)",
    )
    parser.add_argument(
        '--subset',
        type=int,
        metavar='N',
        help='evaluate N images chosen at random, with an interval for the mPC of all',
    )
    parser.add_argument('--work-dir', help='default: work_dirs/<config>_corrupted')
    parser.add_argument('--no-report', action='store_true', help='results.json only, no figures')
    bounds = dict(nargs='+', action='extend', default=[], metavar='NAME=VALUE')
    parser.add_argument(
        '--fail-under',
        **bounds,
        help='exit with code 3 if P, mPC, rPC, R_C or the mean of a corruption is lower',
    )
    parser.add_argument('--fail-over', **bounds, help='exit with code 3 if mCE is higher')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='who starts the processes',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change fields of every config, e.g. test_dataloader.batch_size=4',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='of the launcher')
    args = parser.parse_args(arguments)
    configs = args.models[::2]
    checkpoints = args.models[1::2]
    if len(configs) != len(checkpoints):
        raise ValueError(f'{args.models[-1]} has no checkpoint; give CONFIG CHECKPOINT pairs.')

    from mmengine.dist import is_main_process
    from rich.console import Console

    from mmrobustprune.engine.bridge.config import parse_options
    from mmrobustprune.engine.robustness.progress import shown_on
    from mmrobustprune.engine.robustness.runner import evaluate_configs
    from mmrobustprune.engine.robustness.table import table, verdict
    from mmrobustprune.report.gate import failures, parse_bounds
    from mmrobustprune.report.runs import read_run
    from mmrobustprune.report.summary import write_report

    bounds = parse_bounds(args.fail_under), parse_bounds(args.fail_over, over=True)
    work_dir = Path(args.work_dir or cli.default_work_dir(configs[0], 'corrupted'))
    if len(configs) > 1:
        names = names_of(configs, checkpoints, args.names)
        folders = [work_dir / name for name in names]
    else:
        names = args.names or [Path(configs[0]).stem]
        folders = [work_dir]
    fields = 'suite corruptions severities seed metric stored workers baseline subset'.split()
    asked = {key: value for key in fields if (value := getattr(args, key)) is not None}
    options = dict(log_level='WARNING', **parse_options(args.cfg_options))
    with shown_on(Console(stderr=True)) as progress:
        every = evaluate_configs(
            list(zip(configs, checkpoints, folders, strict=True)),
            asked,
            progress,
            **dict(options, launcher=args.launcher),
        )
    if not is_main_process():
        return
    for name, folder, results in zip(names, folders, every, strict=True):
        Console().print(table(results).rich(f'{name}, {results["suite"]}: {results["metric"]}'))
        print(verdict(results))
        print(f'{folder}: results.json')
    if not args.no_report:
        runs = [read_run(folder, name) for folder, name in zip(folders, names, strict=True)]
        print(write_report(runs, work_dir / 'report', 'Robustness'))
    broken = failures(dict(zip(names, every, strict=True)), *bounds)
    for line in broken:
        print(f'robustness: {line}', file=sys.stderr)
    if broken:
        sys.exit(GATE)


if __name__ == '__main__':
    cli.run(main)
