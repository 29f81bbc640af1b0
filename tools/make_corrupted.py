#!/usr/bin/env python
"""Write the test images of a config under image corruptions, as lossless PNG files.

Example:
    python tools/make_corrupted.py my_ssd.py --out data/VOC-C --severities 3 --workers 4
    python tools/robustness.py my_ssd.py my_ssd.pth --stored data/VOC-C --severities 3

Files are OUT/<corruption>/<severity>/<image>.png. Stopped at any time and started again by the same
command it goes on where it was; with other corruptions or severities it adds them. --check compares
every file with its checksum in OUT/manifest.json.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('config', nargs='?', help=f'{cli.CONFIG} (not needed for --check)')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='folder of the tree')
    parser.add_argument(
        '--suite',
        help='voc-c | coco-c | imagenet-c | imagenet-c-uncropped | cifar-10-c | imagenet-c-at-32 '
        "(default: the config's robust_eval, or what goes with the evaluator and the image size)",
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
        '--workers',
        type=int,
        default=len(os.sched_getaffinity(0)),
        help='processes (default: one per core)',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )
    parser.add_argument(
        '--check', action='store_true', help='write nothing, compare the files with their checksums'
    )
    args = parser.parse_args(arguments)

    from tqdm import tqdm

    every = 0.5 if sys.stderr.isatty() else 30  # seconds; a log gets lines
    with tqdm(
        unit='file' if args.check else 'image',
        mininterval=every,
        maxinterval=every,
        dynamic_ncols=True,
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            said = _check(args, show) if args.check else _write(args, show)
        except OSError as error:  # the disk is full, a worker died
            raise ValueError(str(error)) from error
    print(f'{args.out}: {said}')


def _check(args, show) -> str:
    from mmrobustprune.corruption.write import check_tree

    return f'{check_tree(args.out, args.workers, show)} files are as they were written'


def _write(args, show) -> str:
    if args.config is None:
        raise ValueError(
            'no config was given; name the config whose test images are to be written.'
        )
    from mmrobustprune.engine.bridge.config import load_config
    from mmrobustprune.engine.robustness.write_set import write_test_set

    manifest = write_test_set(
        load_config(args.config, args.cfg_options),
        args.out,
        args.suite,
        args.corruptions,
        args.severities,
        args.seed,
        args.workers,
        show,
    )
    images = f'{len(manifest["images"])} images in {len(manifest["cells"])} cells'
    return f"{images} of '{manifest['suite']}', manifest.json"


if __name__ == '__main__':
    cli.run(main)
