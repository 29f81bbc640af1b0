#!/usr/bin/env python
"""One-shot structured pruning of a trained mmdet or mmpretrain model.

Example:
    python tools/prune.py configs/my_ssd.py work_dirs/my_ssd/latest.pth --method magnitude --target 0.5 --out work_dirs/half
"""
import argparse
import sys
from pathlib import Path

import mmrobustprune.engine  # noqa: F401  registers our parts before a config is read


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of the dense model')
    parser.add_argument('checkpoint', help='its trained weights')
    parser.add_argument('--method', default='magnitude', help='magnitude (L2) | l1 | bn | fpgm | random')
    parser.add_argument('--target', type=float, default=0.5, help='fraction removed, in (0, 1)')
    parser.add_argument('--budget', default='params', help='params | macs | channels')
    parser.add_argument('--scope', default='network', choices=['network', 'layer'], help='where neurons are ranked')
    parser.add_argument('--min-keep', type=float, default=0.1, help='fraction of each group that always stays')
    parser.add_argument('--round-to', type=int, help='kept channel counts are multiples of this')
    parser.add_argument('--ignore', nargs='*', default=[], help='module names, prefixes or patterns left whole')
    parser.add_argument('--shape', type=int, nargs='+', help='input height and width in pixels (default: from the test pipeline)')
    parser.add_argument('--out', required=True, help='folder for structure.json, pruned.py, pruned.pth and the report')
    parser.add_argument('--dry-run', action='store_true', help='print widths, parameters and MACs per layer; write nothing')
    parser.add_argument('--chains', action='store_true', help='print what must shrink together')
    parser.add_argument('--cfg-options', nargs='+', help='config overrides, key=value')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from mmrobustprune.engine.oneshot import prune_config
    prune_config(
        args.config, args.checkpoint, Path(args.out), method=args.method, target=args.target, budget=args.budget,
        scope=args.scope, min_keep=args.min_keep, round_to=args.round_to, ignore=args.ignore, shape=args.shape,
        dry_run=args.dry_run, chains=args.chains, cfg_options=args.cfg_options)


if __name__ == '__main__':
    try:
        main()
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f"prune: {error}", file=sys.stderr)
        sys.exit(2)
