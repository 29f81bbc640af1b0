#!/usr/bin/env python
"""Train an mmdet or mmpretrain config; with `robust_prune` in it, prune while training.

Example:
    python tools/train.py configs/shapes/ssd-r18_shapes.py --work-dir work_dirs/shapes
    python tools/train.py configs/shapes/ssd-r18_shapes.py --work-dir work_dirs/shapes --resume

A run that was killed goes on with --resume at the next batch after its last checkpoint and ends
with the same weights.
Wrong input ends with one sentence and exit code 2; MMRP_TRACEBACK=1 shows where it came from.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the latest one in the work dir',
    )
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    parser.add_argument(
        '--count-gradients',
        action='store_true',
        help='write what the training costs in gradients to WORK_DIR/gradients.json',
    )
    cli.add_run_arguments(parser)
    args = parser.parse_args(arguments)

    from mmengine import runner

    from mmrobustprune.engine.runners import command

    cfg = command.read_config(args)
    if args.amp:
        cfg.optim_wrapper = command.amp_wrapper(cfg.get('optim_wrapper') or {})
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or ()):
            raise ValueError(
                '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the config; '
                'add it with the batch size that the learning rate was chosen for.'
            )
        cfg.auto_scale_lr.enable = True
    if args.count_gradients:
        counter = dict(type='mmrobustprune.CountGradientsHook')
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or ()), counter]
    if args.resume == 'auto' and runner.find_latest_checkpoint(cfg.work_dir) is None:
        print(
            f'{cfg.work_dir} has no checkpoint to resume; the training starts from the beginning.'
        )
    elif args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    command.build_runner(cfg).train()


if __name__ == '__main__':
    cli.run(main)
