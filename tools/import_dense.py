#!/usr/bin/env python
"""Weights of a dense classifier that were published elsewhere, as a checkpoint for a config.

CIFAR ResNets and VGGs with one linear layer under their usual names, and torchvision's ResNets:
names are translated, every shape is compared, nothing in the file is run.

Example:
    python tools/import_dense.py configs/sr_gkp/resnet50_8xb32-100e_in1k.py resnet50-0676ba61.pth \
        --out work_dirs/resnet50_torchvision.pth
    python tools/test.py configs/sr_gkp/resnet50_8xb32-100e_in1k.py \
        work_dirs/resnet50_torchvision.pth
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument('weights', help='the published file')
    parser.add_argument('--out', required=True, type=Path, help='the checkpoint to write')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )
    args = parser.parse_args(arguments)

    from mmrobustprune.engine.deploy.published import import_published

    count = import_published(args.config, args.weights, args.out, args.cfg_options)
    print(f'{args.out}: {count:,} parameters')


if __name__ == '__main__':
    cli.run(main)
