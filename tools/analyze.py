#!/usr/bin/env python
"""What the accuracy of a trained model rests on, and how a search for its mask went.

Example:
    python tools/analyze.py frequency my_resnet.py my_resnet.pth --theta 0.3 0.5 0.7 --subset 1000
    python tools/analyze.py imagenet-v2 my_resnet.py my_resnet.pth --data-root data/imagenetv2
    python tools/analyze.py sharpness my_resnet.py epoch_20.pth --loss PGDAT,eps=0.03137
    python tools/analyze.py stability harp=work_dirs/harp s2ap=work_dirs/s2ap_harp --warmup 5
    python tools/analyze.py sensitivity my_ssd.py my_ssd.pth --corruptions fog noise --subset 200
    python tools/analyze.py latency my_ssd.py pruned.pth --batch 1 --threads 1 --shape 300 300

Each kind writes a JSON file of its name to WORK_DIR. Of mmpretrain classifiers, dense or pruned:
frequency    accuracy on images of their high (radius >= theta) or low frequencies alone
imagenet-v2  accuracy on the test set and on ImageNet-V2's three variants, and their ratio R_V2
sharpness    lambda_max and loss difference in the weights, and in the scores of a search
Of any search: stability, distances between masks (mask files or pruned checkpoints), or what
searches measured (work dirs with a search.json) drawn over their epochs.
Of any mmdet or mmpretrain network: latency, the time of one forward pass, a pruned one beside the
dense one it came from, and with --table what a measured latency table predicts; sensitivity, the
accuracy with a part of each group of channels gone, and limits for robust_prune.ratios.
Given again, the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
sys.path.insert(1, str(Path(__file__).resolve().parent))
from steps.sensitivity import add_sensitivity, sensitivity  # noqa: E402
from steps.tables import print_table  # noqa: E402

from mmrobustprune import cli  # noqa: E402


def add_frequency(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'frequency'."""
    parser.add_argument(
        '--theta',
        nargs='+',
        type=float,
        default=[0.3, 0.5, 0.7],
        help='radii (default: 0.3 0.5 0.7)',
    )
    parser.add_argument(
        '--part', nargs='+', default=['high', 'low'], help='high | low (default: both)'
    )
    parser.add_argument('--shape', default='circle', help='circle (default) | square')
    parser.add_argument(
        '--normaliser', default='half_side', help='what has radius 1: half_side (default) | corner'
    )
    parser.add_argument(
        '--space',
        default='normalised',
        help='filter what the network sees: normalised (default) | pixel',
    )


def frequency(args: argparse.Namespace, work_dir: Path, progress: Callable) -> None:
    """Run the kind 'frequency' and print its table."""
    from mmrobustprune.engine.analysis.frequency import Band, frequency_accuracy
    from mmrobustprune.engine.attacks.evaluate import ImageChoice

    bands = [
        Band(part, theta, args.shape, args.normaliser, args.space)
        for part, theta in product(args.part, args.theta)
    ]
    choice = ImageChoice(**image_options(args))
    results = frequency_accuracy(args.config, args.checkpoint, work_dir, bands, progress, choice)
    rows = [('whole', '', f'{results["clean"]:.2%}')]
    for band in results['bands']:
        rows.append((band['part'], f'{band["theta"]:g}', f'{band["accuracy"]:.2%}'))
    print_table(('part', 'theta', 'right'), rows)
    print(f'{work_dir}: frequency.json')


def add_natural(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'imagenet-v2'."""
    parser.add_argument(
        '--data-root',
        default='data/imagenetv2',
        help='folder of the unpacked variants (default: data/imagenetv2)',
    )
    parser.add_argument(
        '--variants',
        nargs='+',
        default=['matched-frequency', 'threshold-0.7', 'top-images'],
        help='which of them (default: all three)',
    )


def natural(args: argparse.Namespace, work_dir: Path) -> None:
    """Run the kind 'imagenet-v2' and print its table."""
    from mmrobustprune.engine.bridge.config import load_config
    from mmrobustprune.engine.robustness.natural_shift import imagenet_v2

    config = load_config(args.config, args.cfg_options)
    config.log_level = 'WARNING'
    results = imagenet_v2(config, args.checkpoint, work_dir, args.data_root, args.variants)
    rows = [('own', f'{results["clean"]:.2f}', '')]
    for name, value in results['variants'].items():
        rows.append((name, f'{value:.2f}', f'{results["R_V2"][name]:.3f}'))
    print_table(('test set', results['metric'], 'R_V2'), rows)
    print(f'{work_dir}: imagenet_v2.json')


def add_sharpness(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'sharpness'."""
    parser.add_argument(
        '--loss',
        type=cli.kind,
        default='training',
        metavar='NAME[,KEY=VALUE...]',
        help="training (default): the config's own | CrossEntropy | PGDAT | TRADES | MART | FastAT;"
        ' the attack is made once and held fixed',
    )
    parser.add_argument('--split', default='train', help='images: train (default) | test')
    parser.add_argument(
        '--iterations', type=int, default=10, help='of power iteration (default: 10)'
    )
    parser.add_argument(
        '--rho',
        nargs='+',
        type=float,
        default=[0.001, 0.0025, 0.005, 0.0075, 0.01],
        help='radii in units of each weight or score (default: 0.001 0.0025 0.005 0.0075 0.01)',
    )
    parser.add_argument(
        '--steps', type=int, default=20, help='of APGD for each radius (default: 20)'
    )
    parser.add_argument(
        '--batch-norm',
        default='eval',
        help='statistics: eval (default) | train, those of the batch',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the choice of images and of the attack'
    )


def sharpness(args: argparse.Namespace, work_dir: Path, progress: Callable) -> None:
    """Run the kind 'sharpness' and print its table."""
    from mmrobustprune.engine.analysis.sharpness import (
        TRAINING,
        SharpnessOptions,
        measure_sharpness,
    )

    named = isinstance(args.loss, str) and args.loss != TRAINING
    loss = dict(type=args.loss) if named else args.loss
    meters = dict(
        lambda_max=dict(iterations=args.iterations),
        loss_difference=dict(rho=args.rho, steps=args.steps),
    )
    options = SharpnessOptions(
        split=args.split,
        meters=meters,
        batch_norm=args.batch_norm,
        seed=args.seed,
        **image_options(args),
    )
    results = measure_sharpness(args.config, args.checkpoint, work_dir, loss, progress, options)
    columns = ('lambda_max', 'residual', 'loss')
    rows = []
    for space, one in results['spaces'].items():
        values = [one[key] for key in columns]
        values += [row['value'] for row in one['loss_difference']]
        rows.append((space, *(f'{value:.4g}' for value in values)))
    radii = [f'rho {rho:g}' for rho in sorted(set(args.rho))]
    print_table(('space', *columns, *radii), rows)
    print(f'{work_dir}: sharpness.json, loss_difference.png')


def add_stability(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'stability'."""
    parser.add_argument(
        'paths',
        nargs='+',
        metavar='[NAME=]PATH',
        help='mask files or pruned checkpoints, compared with the first; or work dirs of measured '
        'searches, where names that differ only in -seedN are repeats',
    )
    parser.add_argument('--warmup', type=int, default=0, help='epochs of a search to shade')


def stability(args: argparse.Namespace, work_dir: Path) -> None:
    """Run the kind 'stability' and print its table."""
    from mmrobustprune.engine.analysis.stability import (
        compare_masks,
        compare_runs,
        is_run,
        named_paths,
    )

    paths = named_paths(args.paths)
    if any(is_run(path) for path in paths.values()):
        results = compare_runs(paths, work_dir, args.warmup)
        heads = ['run', f'stability gained over {results["original"]} (mean)']
        rows = [(name, f'{one["mean"]:+.4g}') for name, one in results['differences'].items()]
        figures = results['pictures']
    else:
        results = compare_masks(paths, work_dir)
        heads = ['mask', 'removed', f'distance to {results["reference"]}', 'resized']
        rows = []
        for one in results['masks']:
            removed = f'{one["removed"]:.2%}'
            rows.append((one['name'], removed, f'{one["hamming"]:.4g}', f'{one["resized"]:.4g}'))
        figures = ['stability.png']
    print_table(heads, rows)
    print(f'{work_dir}: {", ".join(["stability.json", *figures])}')


def add_latency(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'latency'."""
    parser.add_argument(
        '--batch', type=cli.positive, default=1, help='images per pass (default: 1)'
    )
    parser.add_argument(
        '--threads', type=cli.positive, help='CPU threads (default: as many as torch takes)'
    )
    parser.add_argument(
        '--shape',
        type=cli.positive,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help="default: the test pipeline's",
    )
    parser.add_argument('--device', help='default: a GPU where there is one')
    parser.add_argument(
        '--repeats', type=cli.positive, default=50, help='measured passes (default: 50)'
    )
    parser.add_argument(
        '--table',
        metavar='FILE',
        help='latency table (JSON); what it lacks of the dense network is measured',
    )
    parser.add_argument('--seconds', type=float, default=300, help='for the table (default: 300)')
    parser.add_argument(
        '--against', metavar='CONFIG', default='', help='a dense network is timed beside this one'
    )
    cli.add_forward(parser)


def latency(args: argparse.Namespace, work_dir: Path) -> None:
    """Run the kind 'latency' and print its table."""
    from mmrobustprune.engine.analysis.latency import LatencyOptions, measure_latency

    fields = 'shape batch threads device repeats table seconds cfg_options forward against'.split()
    options = LatencyOptions(**{name: getattr(args, name) for name in fields})
    results = measure_latency(args.config, args.checkpoint, work_dir, options)
    rows = []
    for name, one in results['networks'].items():
        predicted = results.get('predicted_ms', {}).get(name)
        times = [
            f'{one["median_ms"]:.2f}',
            f'{one["p10_ms"]:.2f} to {one["p90_ms"]:.2f}',
            '-' if predicted is None else f'{predicted:.2f}',
        ]
        rows.append((name, *times, f'{one["params"]:,}', f'{one["macs"]:,}'))
    print_table(
        ('network', 'median, ms', '10 % to 90 %', 'predicted, ms', 'parameters', 'MACs'),
        rows,
        f'{results["device"]}, {results["threads"]} threads, batch {results["batch"]}',
    )
    if 'speed_up' in results:
        print(f'{results["speed_up"]:.2f}x as fast with {results["macs_ratio"]:.2f}x fewer MACs')
    print(f'{work_dir}: latency.json')


def add_model(parser: argparse.ArgumentParser) -> None:
    """What kinds that look at one model take."""
    parser.add_argument('config', help=cli.CONFIG)
    parser.add_argument('checkpoint', help='its weights, dense or pruned')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )


def add_images(parser: argparse.ArgumentParser) -> None:
    """The options of kinds that look at images one by one."""
    parser.add_argument(
        '--subset', type=int, metavar='N', help='images (default: all; sharpness: 1024)'
    )
    parser.add_argument('--batch-size', type=cli.positive, help="default: the config's")
    parser.add_argument('--device', help='default: a GPU where there is one')


def image_options(args: argparse.Namespace) -> dict:
    """The fields that the options of `add_images` set."""
    return dict(
        subset=args.subset,
        batch_size=args.batch_size,
        device=args.device,
        cfg_options=args.cfg_options,
    )


def with_images(work: Callable) -> Callable:
    """A kind under a progress bar, given the options of `add_images`."""

    def run(args: argparse.Namespace, work_dir: Path) -> None:
        from mmrobustprune.engine.attacks.progress import batch_bar

        with batch_bar() as progress:
            work(args, work_dir, progress)

    return run


KINDS = {
    'frequency': ((add_model, add_frequency, add_images), with_images(frequency)),
    'imagenet-v2': ((add_model, add_natural), natural),
    'sharpness': ((add_model, add_sharpness, add_images), with_images(sharpness)),
    'stability': ((add_stability,), stability),
    'latency': ((add_model, add_latency), latency),
    'sensitivity': ((add_model, add_sensitivity), sensitivity),
}


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__, config=False)
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    for name, (add, _) in KINDS.items():
        kind = kinds.add_parser(
            name, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        for one in add:
            one(kind)
        kind.add_argument(
            '--work-dir',
            help='default: work_dirs/<config>_<kind>, or work_dirs/<kind> without a config',
        )
    args = parser.parse_args(arguments)

    usual = Path('work_dirs', args.kind)
    if 'config' in args:
        usual = cli.default_work_dir(args.config, args.kind)
    KINDS[args.kind][1](args, Path(args.work_dir or usual))


if __name__ == '__main__':
    cli.run(main, cli.FORWARD)
