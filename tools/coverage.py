#!/usr/bin/env python
"""What of both zoos can be pruned: one configuration per family, from trace to stock loader.

Every configuration is tried in a process of its own, with random weights and on small images, and
each step is recorded as soon as it is known: trace (shares in prunable groups), prune (30 % of the
MACs, with certificate), train (three iterations by the two lines), load (pruned.py and pruned.pth
in the zoo's loader), onnx, peer (Torch-Pruning on the same network). A second call goes on where
the first one stopped; the table is printed and written from the records.

Examples:
    python tools/coverage.py                                   (hours on one core)
    python tools/coverage.py --only mmpretrain --steps trace,prune
    python tools/coverage.py --only mmdet::detr --failed       (again what failed)
    python tools/coverage.py --part 3/20 --check               (exit code 1 where a row got worse)
"""

from __future__ import annotations

if __name__ == 'coverage':  # a library looks for the package of this name beside a tool that runs
    raise ModuleNotFoundError('this is a tool, not the package coverage', name='coverage')

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def part(text: str) -> tuple[int, int]:
    """`3/20` as (3, 20), counted from 0."""
    first, _, step = text.partition('/')
    if not (first.isdigit() and step.isdigit() and int(first) < int(step)):
        raise argparse.ArgumentTypeError(f"'{text}' is no part; write K/N, e.g. 0/20 to 19/20.")
    return int(first), int(step)


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('--only', default='', metavar='PATTERN', help='configurations named so')
    parser.add_argument('--part', type=part, default=(0, 1), metavar='K/N', help='every N-th')
    parser.add_argument('--steps', metavar='NAME,...', help='steps to try (default: all)')
    parser.add_argument('--failed', action='store_true', help='try again what failed')
    parser.add_argument('--again', action='store_true', help='try again what is recorded')
    parser.add_argument(
        '--check', action='store_true', help='try anew and compare with the records'
    )
    parser.add_argument(
        '--limit', type=float, default=300, help='seconds of the processor per step (default: 300)'
    )
    parser.add_argument('--zoo', default=ROOT / 'tools/zoo.csv', help='table of configurations')
    parser.add_argument(
        '--records', type=Path, default=ROOT / 'docs/results/coverage', help='their folder'
    )
    parser.add_argument('--page', type=Path, default=ROOT / 'docs/coverage.md', help='the table')
    args = parser.parse_args()

    from mmrobustprune.engine.coverage import row, table
    from mmrobustprune.engine.coverage.drive import run_rows
    from mmrobustprune.engine.coverage.steps import chosen
    from mmrobustprune.engine.coverage.zoo import read_cases
    from mmrobustprune.records.files import write_file

    steps = chosen(args.steps)
    cases = read_cases(args.zoo, args.only, args.part)
    if args.check:
        with tempfile.TemporaryDirectory() as folder:
            new = run_rows(cases, lambda case: steps, Path(folder), args.limit, print)
        fallen = table.compare([row.read_record(args.records, case) for case in cases], new)
        print('\n'.join(fallen) or f'{len(cases)} rows: none got worse')
        sys.exit(1 if fallen else 0)

    def todo(case):
        record = row.read_record(args.records, case)
        return steps if args.again else row.open_steps(record, steps, args.failed)

    run_rows(cases, todo, args.records, args.limit, print)
    records = [row.read_record(args.records, case) for case in read_cases(args.zoo)]
    page = table.markdown([record for record in records if record['steps']])
    write_file(args.page, page.encode())
    print(page)


if __name__ == '__main__':
    cli.run(main)
