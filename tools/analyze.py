#!/usr/bin/env python
"""What the accuracy of a trained mmpretrain classifier, dense or pruned, rests on.

Example:
    python tools/analyze.py frequency my_resnet.py my_resnet.pth --theta 0.3 0.5 0.7 --subset 1000 --work-dir frequencies
    python tools/analyze.py imagenet-v2 my_resnet.py my_resnet.pth --data-root data/imagenetv2

frequency: accuracy on pictures rebuilt from their high (radius >= theta) or low (radius < theta) frequencies alone, written to
WORK_DIR/frequency.json. imagenet-v2: accuracy on the config's test set and on the three variants of ImageNet-V2, and their
ratio R_V2, written to WORK_DIR/imagenet_v2.json. A run that was stopped goes on when the same command is given again.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
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


def add_natural(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'imagenet-v2'."""
    parser.add_argument('--data-root', default='data/imagenetv2', help='folder of the unpacked variants (default: '
                        'data/imagenetv2)')
    parser.add_argument('--variants', nargs='+', default=['matched-frequency', 'threshold-0.7', 'top-images'],
                        help='which of them (default: all three)')


def natural(args: argparse.Namespace, work_dir: Path) -> None:
    """Run the kind 'imagenet-v2' and print its table."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from mmrobustprune.engine.command import load_config
    from mmrobustprune.engine.natural_shift import imagenet_v2
    config = load_config(args.config, args.cfg_options)
    config.log_level = 'WARNING'
    results = imagenet_v2(config, args.checkpoint, work_dir, args.data_root, args.variants)
    table = Table('test set', results['metric'], 'R_V2', box=SIMPLE, show_edge=False)
    table.add_row('own', f"{results['clean']:.2f}", '')
    for name, value in results['variants'].items():
        table.add_row(name, f'{value:.2f}', f"{results['R_V2'][name]:.3f}")
    Console().print(table)
    print(f'{work_dir}: imagenet_v2.json')


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """The options of kinds that look at pictures one by one."""
    parser.add_argument('--subset', type=int, metavar='N', help='test pictures (default: all)')
    parser.add_argument('--batch-size', type=int, help="default: the config's")
    parser.add_argument('--device', help='default: a GPU where there is one')


def with_pictures(work: Callable) -> Callable:
    """A kind under a progress bar, given the options of `add_pictures`."""
    def run(args: argparse.Namespace, work_dir: Path) -> None:
        from mmrobustprune.engine.attack_progress import batch_bar
        with batch_bar() as progress:
            work(args, work_dir, dict(progress=progress, subset=args.subset, batch_size=args.batch_size, device=args.device,
                                      options=args.cfg_options))
    return run


KINDS = {'frequency': ((add_frequency, add_pictures), with_pictures(frequency)), 'imagenet-v2': ((add_natural,), natural)}


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__, config=False)
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    for name, (add, _) in KINDS.items():
        kind = kinds.add_parser(name, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        kind.add_argument('config', help='config file')
        kind.add_argument('checkpoint', help='its weights, dense or pruned')
        for one in add:
            one(kind)
        kind.add_argument('--work-dir', help='default: work_dirs/<config>_<kind>')
        kind.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields')
    args = parser.parse_args(arguments)

    KINDS[args.kind][1](args, Path(args.work_dir or Path('work_dirs', f'{Path(args.config).stem}_{args.kind}')))


if __name__ == '__main__':
    cli.run(main)
