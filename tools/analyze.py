#!/usr/bin/env python
"""What the accuracy of a trained mmpretrain classifier, dense or pruned, rests on.

Example:
    python tools/analyze.py frequency my_resnet.py my_resnet.pth --theta 0.3 0.5 0.7 --subset 1000 --work-dir frequencies

frequency: accuracy on pictures rebuilt from their high (radius >= theta) or low (radius < theta) frequencies alone, written to
WORK_DIR/frequency.json. A run that was stopped goes on when the same command is given again.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def add_frequency(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'frequency'."""
    parser.add_argument('--theta', nargs='+', type=float, default=[.3, .5, .7], help='radii (default: 0.3 0.5 0.7)')
    parser.add_argument('--part', nargs='+', default=['high', 'low'], help='high | low (default: both)')
    parser.add_argument('--shape', default='circle', help='circle (default) | square')
    parser.add_argument('--normaliser', default='half_side', help='what has radius 1: half_side (default) | corner')
    parser.add_argument('--space', default='normalised', help='filter what the network sees: normalised (default) | pixel')


def frequency(args: argparse.Namespace, work_dir: Path, choices: dict) -> None:
    """Run the kind 'frequency' and print its table."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from mmrobustprune.engine.frequency import Band, frequency_accuracy
    bands = [Band(part, theta, args.shape, args.normaliser, args.space) for part in args.part for theta in args.theta]
    results = frequency_accuracy(args.config, args.checkpoint, work_dir, bands, **choices)
    table = Table('part', 'theta', 'right', box=SIMPLE, show_edge=False)
    table.add_row('whole', '', f"{results['clean']:.2%}")
    for band in results['bands']:
        table.add_row(band['part'], f"{band['theta']:g}", f"{band['accuracy']:.2%}")
    Console().print(table)
    print(f'{work_dir}: frequency.json')


KINDS = dict(frequency=(add_frequency, frequency))


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__, config=False)
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    for name, (add, _) in KINDS.items():
        kind = kinds.add_parser(name, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        kind.add_argument('config', help='config file')
        kind.add_argument('checkpoint', help='its weights, dense or pruned')
        add(kind)
        kind.add_argument('--subset', type=int, metavar='N', help='test pictures (default: all)')
        kind.add_argument('--batch-size', type=int, help="default: the config's")
        kind.add_argument('--device', help='default: a GPU where there is one')
        kind.add_argument('--work-dir', help='default: work_dirs/<config>_<kind>')
        kind.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields')
    args = parser.parse_args(arguments)

    from mmrobustprune.engine.attack_progress import batch_bar
    work_dir = Path(args.work_dir or Path('work_dirs', f'{Path(args.config).stem}_{args.kind}'))
    with batch_bar() as progress:
        KINDS[args.kind][1](args, work_dir, dict(
            progress=progress, subset=args.subset, batch_size=args.batch_size, device=args.device, options=args.cfg_options))


if __name__ == '__main__':
    cli.run(main)
