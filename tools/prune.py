#!/usr/bin/env python
"""One-shot structured pruning of a trained model of mmdet or mmpretrain; print what goes where.

Examples:
    python tools/prune.py my_ssd.py work_dirs/my_ssd/epoch_4.pth --out work_dirs/half --dry-run
    python tools/prune.py my_resnet.py my_resnet.pth --out work_dirs/gkp --method sr_gkp \
        --target 0.4375 --search beam,width=8

BatchNorm statistics are computed anew over training images (--recalibrate '' leaves them). The
pruned network is not fine-tuned here: pruned.py starts a training from pruned.pth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402

KERNELS = ('sr_gkp', 'sr_gkp_all', 'tmi_gkp')
SAID = {  # what functions ask for -> the option for it
    'see Trace.unprunable for the reasons': '--why prints the reasons',
    'give names of model.named_modules()': '--why prints names; give them',
    'give an example input and a': 'give its input as --shape H W, or a',
    **cli.FORWARD,
    'lower the target or min_keep': 'lower --target or --min-keep',
}


class ShowMethods(argparse.Action):
    """Print the checklist of every method, and end."""

    def __call__(self, parser, *_) -> None:
        from rich.console import Console

        from mmrobustprune.engine.deploy.oneshot import METHODS
        from mmrobustprune.recipes import checklist
        from mmrobustprune.report.tables.methods import methods_table

        here = {name: method.facts for name, method in METHODS.items()}
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print(methods_table(here, 'At once, by --method'))
        console.print(methods_table(checklist(), 'In a training, by robust_prune=dict(recipe=...)'))
        parser.exit()


def method_options(parser: argparse.ArgumentParser) -> list[str]:
    """Add the options that some methods have, all None unless given; returns their names."""
    every = parser.add_argument
    channels = parser.add_argument_group(
        'channels (all methods but those of grouped kernels)'
    ).add_argument
    kernels = parser.add_argument_group(
        'grouped kernels (sr_gkp, sr_gkp_all, tmi_gkp)'
    ).add_argument
    return [
        action.dest
        for action in (
            every(
                '--ignore',
                nargs='*',
                metavar='NAME',
                help='module names, prefixes or patterns to leave as they are',
            ),
            every(
                '--recalibrate',
                metavar='AMOUNT',
                help='compute BatchNorm statistics anew over so much training data, e.g. '
                "'2000 images' (default), '200 iters', '0.5 epochs' (at most one); '' keeps them",
            ),
            channels(
                '--budget',
                choices=['params', 'macs', 'channels'],
                help='what the target is of (default: params)',
            ),
            channels(
                '--scope',
                choices=['network', 'layer', 'isomorphic'],
                help='where channels are ranked (default: network)',
            ),
            channels(
                '--normalise',
                metavar='NAME',
                help='how scores are scaled before groups compete: rise (default) | share | mean | '
                'max | l2 | none',
            ),
            channels(
                '--per',
                choices=['unit', 'cost'],
                help='channels compete by score, or by score per parameter or MAC that they hold '
                '(default: cost)',
            ),
            channels(
                '--weigh',
                choices=['scores', 'reads', 'loss', 'none'],
                help='what a group of channels is worth: the sum of its squared scores, the square '
                'of the number of layers that read it, or what the loss of two training batches '
                'says without part of it (default: scores of magnitudes, else reads)',
            ),
            channels(
                '--macs',
                type=float,
                metavar='FRACTION',
                help='of the MACs that may go along with --budget params, at most',
            ),
            channels(
                '--min-keep',
                type=float,
                help='fraction of each group that always stays (default: 0.1)',
            ),
            channels(
                '--ratios',
                metavar='FILE',
                help='JSON with {pattern: most}: no group of channels loses more than that '
                'fraction; tools/analyze.py sensitivity writes one',
            ),
            channels('--round-to', type=int, help='kept channel counts are multiples of this'),
            channels(
                '--attention',
                choices=['dims', 'heads'],
                help='what an attention loses: a dimension of every head, or heads (default: dims)',
            ),
            kernels(
                '--groups', type=int, help='of filters, in every layer that is pruned (default: 8)'
            ),
            kernels(
                '--layers',
                type=cli.one_or_several,
                metavar='3x3|all|NAME,...',
                help='convolutions to prune (default: 3x3)',
            ),
            kernels(
                '--part',
                help='child of the model in which 3x3 and all choose '
                "(default: backbone; '' is everywhere)",
            ),
            kernels(
                '--search',
                type=cli.kind,
                metavar='NAME,KEY=VALUE,...',
                help='which kernels stay: beam (default of sr_gkp) | official | greedy | tmi | l2 '
                '| l1 | mean | seeds | ...',
            ),
            kernels(
                '--grouping',
                type=cli.kind,
                metavar='NAME,KEY=VALUE,...',
                help='which filters form a group: snaking (default of sr_gkp) | ordered | random '
                '| clustered | dbscan | tmi',
            ),
            kernels(
                '--pointwise',
                type=cli.kind,
                metavar='NAME,...',
                help='another search for 1x1 convolutions',
            ),
            kernels(
                '--snapshots',
                nargs='+',
                metavar='CKPT',
                help='of earlier epochs, for --grouping tmi',
            ),
            kernels(
                '--snapshot-epochs',
                type=int,
                nargs=2,
                metavar=('FIRST', 'LAST'),
                help='which of them (default of tmi_gkp: 35 70, as its released code)',
            ),
        )
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument('checkpoint', help='trained weights of the dense model')
    parser.add_argument(
        '--out',
        required=True,
        type=Path,
        help='folder for structure.json, pruned.py, pruned.pth, cost.json',
    )
    parser.add_argument(
        '--method',
        default='magnitude',
        metavar='NAME',
        help='magnitude (default: L2, relative to each layer) | l1 | bn | fpgm | smooth_mix | '
        'random, of channels; sr_gkp | sr_gkp_all | tmi_gkp',
    )
    parser.add_argument(
        '--methods',
        action=ShowMethods,
        nargs=0,
        help='print what to know of every method before its numbers are compared: what is removed, '
        'when, from which data, at what cost',
    )
    parser.add_argument(
        '--count',
        default='',
        metavar='RULE',
        help='count by another rule as well: sr-gkp | sr-gkp-vgg | sr-gkp-imagenet, those of '
        "SR-GKP's tables, which leave zeros out",
    )
    parser.add_argument('--target', type=float, default=0.5, help='fraction removed, in (0, 1)')
    parser.add_argument(
        '--shape',
        type=cli.positive,
        nargs=2,
        metavar=('H', 'W'),
        help='input in pixels (default: the test pipeline)',
    )
    parser.add_argument(
        '--images',
        type=Path,
        metavar='DIR',
        help='folder of images for --recalibrate, with the test transforms (default: the training '
        'set of the config, with its own; where that is not there, a warning says so)',
    )
    parser.add_argument(
        '--measure',
        type=cli.positive,
        default=0,
        metavar='N',
        help='evaluate N validation images before, after the surgery and after --recalibrate',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print widths, parameters and MACs per layer, write nothing',
    )
    parser.add_argument(
        '--why',
        '--chains',
        action='store_true',
        help='print what must shrink together and what is unprunable and why, also where nothing '
        'can be pruned; of grouped kernels the groups, what each reads, and the scores',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )
    cli.add_forward(parser)
    names = [*method_options(parser), 'forward']
    args = parser.parse_args(arguments)
    options = {name: getattr(args, name) for name in names if getattr(args, name) is not None}

    from mmrobustprune.engine.bridge.config import test_size
    from mmrobustprune.engine.deploy.explain import explain
    from mmrobustprune.engine.deploy.oneshot import OneShot
    from mmrobustprune.engine.pruning.forward import named_in
    from mmrobustprune.engine.runners import command
    from mmrobustprune.report import as_text, layer_table

    config = command.load_config(args.config, args.cfg_options)
    size = tuple(args.shape) if args.shape else test_size(config)
    options['forward'] = args.forward or named_in(config)
    of_kernels = args.method in KERNELS
    if args.why and not of_kernels:
        chosen = {
            name: options[name] for name in options.keys() & {'ignore', 'forward', 'attention'}
        }
        print(explain(config, args.checkpoint, size, **chosen))
    done = OneShot(
        config, args.checkpoint, size, args.method, args.target, print, args.count, **options
    )
    if args.why and of_kernels:
        print(done.surgery.why)
    print(
        as_text(
            layer_table(done.dense.layers, done.pruned.layers, done.surgery.unprunable), columns=140
        )
    )
    print(f'{done.structure.summary()}; input {size[0]}x{size[1]}')
    for rule, sides in done.report.get('rules', {}).items():
        counted = [
            f'{key} {sides["dense"][key]:,} -> {sides["pruned"][key]:,}'
            for key in ('params', 'macs')
        ]
        print(f'counted by {rule}: {", ".join(counted)}')
    if args.dry_run:
        print('dry run: nothing was written')
        return
    report = done.recalibrate(args.images, args.recalibrate is not None, args.measure)
    if report['recalibrated']:
        print(f'BatchNorm statistics: of {report["recalibrated"]} images')
    for side, metrics in report.get('accuracy', {}).items():
        print(f'{side}: {metrics}')
    print(f'{args.out}: {", ".join(done.write(args.out))}')


if __name__ == '__main__':
    cli.run(main, SAID)
