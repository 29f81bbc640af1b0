#!/usr/bin/env python
"""Write a checkpoint, dense or pruned, as a config and weights that stock tools load, and ONNX.

Stock tools need mmrobustprune installed, and nothing else.

Example:
    python tools/export.py configs/shapes/ssd-r18_shapes.py work_dirs/half/pruned.pth --out exported
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument('checkpoint', help='weights, dense or pruned')
    parser.add_argument(
        '--out',
        required=True,
        type=Path,
        help='folder for model.py, model.pth, model.onnx, structure.json',
    )
    parser.add_argument(
        '--shape',
        type=cli.positive,
        nargs=2,
        metavar=('H', 'W'),
        help='input in pixels (default: the test pipeline)',
    )
    parser.add_argument(
        '--form',
        choices=['fastest', 'grouped', 'dense'],
        default='fastest',
        help='of grouped-kernel layers: the faster one here (default), grouped, or plain ones '
        'with zeros',
    )
    cli.add_forward(parser)
    parser.add_argument('--no-onnx', action='store_true', help='write config and weights only')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )
    args = parser.parse_args(arguments)

    from mmrobustprune.engine.bridge.config import test_size
    from mmrobustprune.engine.deploy.export import export_checkpoint, export_onnx
    from mmrobustprune.engine.pruning.forward import named_in, whole_forward
    from mmrobustprune.engine.runners import command

    config = command.load_config(args.config, args.cfg_options)
    size = tuple(args.shape) if args.shape else None
    call = whole_forward(args.forward or named_in(config))
    model, meta = export_checkpoint(config, args.checkpoint, args.out, args.form, size, call)
    print(f'{args.out}/model.py and model.pth written')
    if not args.no_onnx:
        size = size or test_size(config)
        error = export_onnx(model, size, args.out / 'model.onnx', meta, call)
        print(
            f'{args.out}/model.onnx written for {size[0]}x{size[1]} pixels; '
            f'it differs from the network by {error:.1e}'
        )


if __name__ == '__main__':
    cli.run(main, cli.FORWARD)
