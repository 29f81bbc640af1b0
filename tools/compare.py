#!/usr/bin/env python
"""Methods side by side on one dense network: run, resumed and tabulated from one file.

EXPERIMENT.py names the base config, the methods (a config and options each), the epochs, the budget
that all must meet within 1 %, the corruptions and the attacks; configs/comparisons/ has those of
docs/experiments.md. Every run that is finished is one JSON in RESULTS/EXPERIMENT and is not run
again; one that was stopped goes on from its last checkpoint. Unequal epochs or budgets are refused.

Several machines share the runs when they share the folders: each run has a lock in WORK_DIR, which
goes to another one 10 minutes after its owner's last sign of life.

The table over all that is there, with intervals over seeds, paired bootstraps over images, ranks
and figures, is RESULTS/EXPERIMENT/README.md.

Example:
    python tools/compare.py configs/comparisons/bccd.py --seeds 0 1 2
    python tools/compare.py configs/comparisons/cifar_jpeg.py --methods adasap magnitude
    python tools/compare.py configs/comparisons/cifar_jpeg.py --table     (what is recorded)
    python tools/compare.py cards configs/comparisons/*.py      (docs/results/cards, a card each)
    python tools/compare.py verify docs/results/cards/s2ap-dense-seed0.json
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a checkout need not be installed
os.environ.setdefault('GOMP_SPINCOUNT', '1000')  # spinning threads take each other's cores
from mmrobustprune import cli  # noqa: E402

DIFFERS = 1  # exit code of a card whose numbers did not come out again


def verify(words: list[str]) -> None:
    """Evaluate the checkpoint of a card again."""
    parser = cli.parser_of(verify.__doc__, config=False)
    parser.add_argument('card', help='a JSON file of docs/results/cards')
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/verify/CARD')
    args = parser.parse_args(words)

    from mmrobustprune.engine.comparison.verify import verify_card
    from mmrobustprune.report.leaderboard.result_card import read_card

    card = read_card(args.card)
    checks = verify_card(card, args.work_dir or Path('work_dirs', 'verify', card.name))
    print('\n'.join(check.text() for check in checks))
    if not all(check.holds for check in checks):
        sys.exit(DIFFERS)


def cards(words: list[str]) -> None:
    """Write a card for every record of these experiments."""
    parser = cli.parser_of(cards.__doc__, config=False)
    parser.add_argument('experiments', nargs='+', help='their files')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs'))
    parser.add_argument('--results', type=Path, default=Path('docs/results'))
    args = parser.parse_args(words)

    from mmrobustprune.engine.comparison.cards import make_cards
    from mmrobustprune.engine.comparison.experiment import read_experiment

    for file in args.experiments:
        for card in make_cards(read_experiment(file), args.work_dir, args.results):
            print(f'{card.write(args.results / "cards")}: {card.status}')


COMMANDS = dict(verify=verify, cards=cards)


def main(arguments: list[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        COMMANDS[words[0]](words[1:])
        return
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('experiment', help="its file; or 'cards', or 'verify'")
    parser.add_argument(
        '--methods', nargs='+', metavar='NAME', help="default: 'dense' and all the others"
    )
    parser.add_argument('--seeds', nargs='+', type=int, help="default: the experiment's")
    parser.add_argument(
        '--epochs', type=cli.positive, help="of every method, instead of the experiment's"
    )
    parser.add_argument('--table', action='store_true', help='run nothing, tabulate the records')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs'), help='of the trainings (work_dirs)'
    )
    parser.add_argument(
        '--results', type=Path, default=Path('docs/results'), help='of the records (docs/results)'
    )
    args = parser.parse_args(words)

    from rich.console import Console

    from mmrobustprune.engine.comparison.drive import Comparison
    from mmrobustprune.engine.comparison.experiment import read_experiment

    comparison = Comparison(
        read_experiment(args.experiment),
        args.work_dir,
        args.results,
        args.epochs,
        say=Console(width=None if sys.stdout.isatty() else 200).print,
    )
    if args.table:
        comparison.tabulate()
    else:
        comparison.run(args.methods, args.seeds)


if __name__ == '__main__':
    cli.run(main)
