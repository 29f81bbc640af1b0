#!/usr/bin/env python
"""Evaluate a checkpoint of an mmdet or mmpretrain config, dense or pruned.

Example:
    python tools/test.py configs/shapes/ssd-r18_shapes.py work_dirs/shapes/epoch_4.pth
    python tools/test.py work_dirs/shapes/pruned.py work_dirs/shapes/pruned.pth --tta

Wrong input ends with one sentence and exit code 2; MMRP_TRACEBACK=1 shows where it came from.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> dict:
    parser = cli.parser_of(__doc__)
    parser.add_argument('checkpoint', help='weights to evaluate')
    parser.add_argument('--out', metavar='PKL', help='write the predictions to this .pkl file')
    parser.add_argument(
        '--tta', action='store_true', help="test-time augmentation: the config's, or flips"
    )
    parser.add_argument('--show', action='store_true', help='show painted predictions in a window')
    parser.add_argument('--show-dir', help='folder for painted predictions')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds per window')
    cli.add_run_arguments(parser)
    args = parser.parse_args(arguments)

    from mmrobustprune.engine.runners import command

    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise ValueError(
            f"--out '{args.out}' does not end in .pkl, the format of the predictions; name it so."
        )
    cfg = command.read_config(args)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.amp:
        cfg.test_cfg = dict(cfg.get('test_cfg') or {}, fp16=True)
    if args.show or args.show_dir:
        command.show_predictions(cfg, args.show, args.show_dir, args.wait_time)
    if args.tta:
        command.add_test_time_augmentation(cfg)
    runner = command.build_runner(cfg)
    if args.out:
        command.dump_predictions(runner, args.out)
    return runner.test()


if __name__ == '__main__':
    cli.run(main)
