#!/usr/bin/env python
"""Accuracy of a trained classifier of mmpretrain, dense or pruned, under adversarial attacks.

Example:
    python tools/attack.py my_resnet.py my_resnet.pth --attack fgsm pgd --eps 2/255 8/255
    python tools/attack.py my_gkp.py work_dirs/my_gkp/epoch_*.pth --preset sr-gkp --held-out

A preset says which attacks there are and everything about them; options change it. The presets
'pixel' (default) and 'pixel-imagenet' set radii of pixels in [0, 1]; 'sr-gkp' and 'sr-gkp-imagenet'
those of SR-GKP's tables, which are radii of normalised images and so about five times smaller;
where its PGD starts is not published, and our assumption.
Every number is written with its radius in pixel units, space, label rule, subset, seed and versions
to WORK_DIR/attacks.json. A run that was stopped goes on when the same command is given again.
"""

from __future__ import annotations

import sys
from argparse import BooleanOptionalAction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__)
    parser.add_argument(
        'checkpoint',
        nargs='+',
        help='its weights, dense or pruned; several (epoch_*.pth) are a sweep, written to '
        'WORK_DIR/sweep.json, from which tools/report.py --superscore chooses',
    )
    parser.add_argument(
        '--held-out',
        action='store_true',
        help='attack the images of val_dataloader as well, to choose checkpoints by them',
    )
    parser.add_argument(
        '--preset',
        default='pixel',
        help='pixel (default) | black-box | pixel-imagenet | sr-gkp | sr-gkp-imagenet',
    )
    parser.add_argument(
        '--attack',
        nargs='+',
        metavar='NAME',
        help='fgsm | pgd | autoattack | square (default: all of the preset)',
    )
    parser.add_argument(
        '--eps', nargs='+', metavar='R', help='radii, e.g. 0.03 or 8/255, each for every attack'
    )
    parser.add_argument(
        '--step',
        metavar='S',
        help="length of PGD's steps (default: the preset's share of the radius)",
    )
    parser.add_argument('--steps', type=int, metavar='N', help='of PGD')
    parser.add_argument(
        '--random-start',
        action=BooleanOptionalAction,
        default=None,
        help='begin anywhere in the ball',
    )
    parser.add_argument('--keep', help='last (default) | best: which point of the path counts')
    parser.add_argument('--space', help='pixel | normalised: what the radius is a radius of')
    parser.add_argument(
        '--clip', help="image | range | none: the image's bounds, those of all channels, or none"
    )
    parser.add_argument('--label', help='true | predicted: what to move away from')
    parser.add_argument(
        '--queries', type=int, metavar='N', help="of AutoAttack's Square (default: 5000)"
    )
    parser.add_argument(
        '--iterations', type=int, metavar='N', help="of AutoAttack's APGD and FAB (default: 100)"
    )
    parser.add_argument('--seed', type=int, help="of the attacks' random numbers (default: 0)")
    parser.add_argument(
        '--subset', type=int, metavar='N', help='test images to attack (default: all)'
    )
    parser.add_argument(
        '--pick', default='random', help='random (default, nested) | first: which N'
    )
    parser.add_argument(
        '--subset-seed', type=int, default=0, help='of the random subset (default: 0)'
    )
    parser.add_argument(
        '--batch-size',
        type=cli.positive,
        help="default: the config's, on a GPU 512; halved where the GPU's memory is too small",
    )
    parser.add_argument('--device', help='default: a GPU where there is one')
    parser.add_argument('--work-dir', help='default: work_dirs/<config>_attacked')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='change config fields'
    )
    args = parser.parse_args(arguments)

    from rich.console import Console

    from mmrobustprune.attack import ASSUMED, choose

    fields = (
        'step',
        'steps',
        'random_start',
        'keep',
        'space',
        'clip',
        'label',
        'queries',
        'iterations',
        'seed',
    )
    attacks = choose(
        args.preset, args.attack, args.eps, **{key: getattr(args, key) for key in fields}
    )

    from mmrobustprune.engine.attacks.evaluate import ImageChoice, evaluate_attacks
    from mmrobustprune.engine.attacks.progress import batch_bar
    from mmrobustprune.engine.attacks.sweep import SWEEP, Sweep
    from mmrobustprune.engine.attacks.table import table, verdict

    work_dir = args.work_dir or cli.default_work_dir(args.config, 'attacked')
    with batch_bar() as progress:
        choice = ImageChoice(
            subset=args.subset,
            pick=args.pick,
            subset_seed=args.subset_seed,
            batch_size=args.batch_size,
            device=args.device,
            cfg_options=args.cfg_options,
        )
        if args.held_out or len(args.checkpoint) > 1:
            sweep = Sweep(args.config, attacks, args.held_out, choice)
            found = sweep(args.checkpoint, work_dir, progress)
            print(f'{work_dir}: {SWEEP}, {len(found["checkpoints"])} checkpoints')
            return
        results = evaluate_attacks(
            args.config, args.checkpoint[0], work_dir, attacks, progress, choice
        )
    Console().print(table(results))
    if notes := verdict(results):
        print(notes)
    if args.preset in ASSUMED:
        print(ASSUMED[args.preset])
    print(f'{work_dir}: attacks.json')


if __name__ == '__main__':
    cli.run(main)
