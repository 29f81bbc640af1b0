"""The kind 'sensitivity' of tools/analyze.py."""

import argparse
from pathlib import Path

from mmrobustprune import cli

from .tables import print_table


def add_sensitivity(parser: argparse.ArgumentParser) -> None:
    """The options of the kind 'sensitivity'."""
    parser.add_argument(
        '--fractions',
        nargs='+',
        type=float,
        default=[0.1, 0.3, 0.5],
        help='of each group that go, one group at a time (default: 0.1 0.3 0.5)',
    )
    parser.add_argument(
        '--score',
        type=cli.kind,
        default='Magnitude',
        metavar='NAME[,KEY=VALUE...]',
        help='the lowest go first: Magnitude (default) | BNScale | FPGM | ...',
    )
    parser.add_argument(
        '--corruptions',
        nargs='+',
        default=[],
        metavar='NAME',
        help='names or groups, e.g. fog noise (default: clean images alone)',
    )
    parser.add_argument(
        '--severities', nargs='+', type=int, default=[3], help='of the corruptions (default: 3)'
    )
    parser.add_argument(
        '--subset',
        type=cli.positive,
        default=500,
        metavar='N',
        help='random test images, at most (default: 500)',
    )
    parser.add_argument(
        '--allowed',
        type=float,
        default=0.05,
        help='fraction of the accuracy that one group may cost, for the limits (default: 0.05)',
    )
    parser.add_argument('--metric', help="the evaluator's key (default: AP50, mAP or top1)")
    parser.add_argument(
        '--ignore', nargs='*', default=[], metavar='NAME', help='modules that are left out'
    )
    parser.add_argument(
        '--forward',
        default='',
        metavar='PACKAGE.MODULE:FUNCTION',
        help='called as function(model, example), for a model that cannot be traced by its own',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the images and corruptions')
    parser.add_argument('--device', help='default: a GPU where there is one')


def sensitivity(args: argparse.Namespace, work_dir: Path) -> None:
    """Run the kind 'sensitivity' and print its table."""
    from mmrobustprune.engine.analysis.sensitivity import SensitivityOptions, measure_sensitivity
    from mmrobustprune.engine.attacks.progress import batch_bar

    options = SensitivityOptions(
        fractions=args.fractions,
        corruptions=args.corruptions,
        severities=args.severities,
        subset=args.subset,
        score=dict(type=args.score) if isinstance(args.score, str) else args.score,
        allowed=args.allowed,
        metric=args.metric,
        ignore=args.ignore,
        forward=args.forward,
        seed=args.seed,
        device=args.device,
        cfg_options=args.cfg_options,
    )
    with batch_bar('number') as progress:
        found = measure_sensitivity(args.config, args.checkpoint, work_dir, options, progress)
    names = list(found['dense'])
    rows = [('dense', '', *(f'{value:.4g}' for value in found['dense'].values()), '')]
    for group in found['groups']:
        limit = found['ratios'].get(group['name'])
        for point in group['points']:
            gone = f'{point["gone"]} of {group["units"]}'
            values = [f'{point["values"][name]:.4g}' for name in names]
            rows.append((group['name'], gone, *values, '-' if limit is None else f'{limit:.2f}'))
    print_table(('group', 'gone', *names, 'limit'), rows, f'{found["metric"]}')
    print(f'ignore: {", ".join(found["ignore"]) or "none"}')
    print(
        f'within the limits at most {found["removable"]["params"]:.1%} of the parameters and '
        f'{found["removable"]["macs"]:.1%} of the MACs can go'
    )
    print(f'{work_dir}: sensitivity.json, sensitivity.png, ratios.json')
