#!/usr/bin/env python
"""One-shot structured pruning of a trained mmdet or mmpretrain model; print what goes, layer by layer.

Example:
    python tools/prune.py configs/shapes/ssd-r18_shapes.py work_dirs/ssd-r18_shapes/epoch_12.pth --out work_dirs/half --dry-run

The pruned network is not fine-tuned here: pruned.py starts a training from pruned.pth.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument('checkpoint', help='trained weights of the dense model')
    parser.add_argument('--out', required=True, type=Path, help='folder for structure.json, pruned.py, pruned.pth, cost.json')
    parser.add_argument('--method', default='magnitude', choices=['magnitude', 'l1', 'bn', 'fpgm', 'random'],
                        help='what a channel is worth (magnitude: group L2)')
    parser.add_argument('--target', type=float, default=0.5, help='fraction removed, in (0, 1)')
    parser.add_argument('--budget', default='params', choices=['params', 'macs', 'channels'], help='what the target is of')
    parser.add_argument('--scope', default='network', choices=['network', 'layer'], help='where channels are ranked')
    parser.add_argument('--min-keep', type=float, default=0.1, help='fraction of each group that always stays')
    parser.add_argument('--round-to', type=int, help='kept channel counts are multiples of this')
    parser.add_argument('--ignore', nargs='*', default=[], metavar='NAME', help='module names, prefixes or patterns left whole')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='input in pixels (default: the test pipeline)')
    parser.add_argument('--dry-run', action='store_true', help='print widths, parameters and MACs per layer, write nothing')
    parser.add_argument('--chains', action='store_true', help='print what must shrink together, and what is left whole and why')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields')
    args = parser.parse_args(arguments)

    from mmrobustprune.engine import command
    from mmrobustprune.engine.export import test_size
    from mmrobustprune.engine.oneshot import OneShot
    from mmrobustprune.report import as_text, layer_table
    config = command.load_config(args.config, args.cfg_options)
    size = tuple(args.shape) if args.shape else test_size(config)
    done = OneShot(config, args.checkpoint, size, args.method, args.target, budget=args.budget, scope=args.scope,
                   min_keep=args.min_keep, round_to=args.round_to, ignore=args.ignore)
    if args.chains:
        print(done.trace.explain())
    print(as_text(layer_table(done.dense.layers, done.pruned.layers, done.trace.whole), columns=140))
    print(f'{done.structure.summary()}; input {size[0]}x{size[1]}')
    if args.dry_run:
        print('dry run: nothing was written')
        return
    done.write(args.out)
    print(f'{args.out}: structure.json, pruned.py, pruned.pth, cost.json')


if __name__ == '__main__':
    cli.run(main)
