#!/usr/bin/env python
"""Compare runs: one table, figures of accuracy under corruption, and one self-contained page.

A run is a work dir that holds, itself or one folder down, the results.json of tools/robustness.py,
a cost.json, or a training log; NAME=WORK_DIR gives it another name. A folder of several evaluations
is all of them. Folders whose names differ only in -seedN are repeats: mean and sample standard
deviation are shown. Runs on different data, suites, metrics or seeds of the corruptions are
refused.

--table NAME prints a table of the AdaSAP, S2AP or SR-GKP paper instead, in its layout, '-' where
nothing was run; runs are work dirs, records of tools/compare.py or folders of such.
--table list prints the names; --cite adds rows of the literature; --figure NAME draws
one of their figures, likewise; docs/paper_tables.md says more.

--superscore takes sweeps of tools/attack.py over the checkpoints of several methods and writes the
best of each metric, chosen on the test images (an oracle) and on held-out ones, and ranks.

Example:
    python tools/report.py work_dirs/dense work_dirs/adasap-seed0 work_dirs/adasap-seed1 --out out
    python tools/report.py work_dirs/adasap --out out --fail-under rPC=0.55   (exit code 3 below)
    python tools/report.py --table s2ap-1 work_dirs/resnet18_* --out work_dirs/tables
    python tools/report.py --figure s2ap-2 work_dirs/wrn-28-4_s2ap-harp-* --out work_dirs/figures
    python tools/report.py --superscore SR-GKP=work_dirs/a TMI-GKP=work_dirs/b --out work_dirs/best
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from rich.console import Console  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.report import paper  # noqa: E402
from mmrobustprune.report.gate import EXIT_CODE, failures, parse_bounds  # noqa: E402
from mmrobustprune.report.runs import read_runs  # noqa: E402
from mmrobustprune.report.summary import comparison, numbers, write_report  # noqa: E402
from mmrobustprune.report.superscores import write_superscores  # noqa: E402


def paper_table(name: str, runs: list[str], out: str | None, robust: str, cited: list[str]) -> None:
    """Print one table of a paper and write it to `out`, or list them all."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    if name == 'list':
        for known, table in paper.TABLES.items():
            print(f'{known:20} {table.title}')
        return
    table = paper.get_table(name)
    if not out:
        raise ValueError('--out is not given; name the folder for the table.')
    found = paper.observe(runs)
    rows = paper.shipped(name, table)
    for file in cited:
        rows += paper.read_cited(file, table)
    filled = paper.fill(table, found, robust, rows)
    path = paper.write(filled, out, name)
    console.print(paper.as_rich(filled))
    print(
        '\n'.join([*paper.notes(filled), f'written to {path} and {path.with_suffix(".csv").name}'])
    )


def paper_figure(name: str, runs: list[str], out: str | None, robust: str) -> None:
    """Draw one figure of a paper into `out`, or list them all."""
    if name == 'list':
        for known, figure in paper.FIGURES.items():
            print(f'{known:36} {figure.title}')
        return
    if not out:
        raise ValueError('--out is not given; name the folder for the figure.')
    print(f'written to {paper.draw(name, runs, out, robust)}')


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('work_dirs', nargs='*', metavar='[NAME=]WORK_DIR')
    parser.add_argument('--out', help='folder of the report')
    parser.add_argument(
        '--table',
        metavar='NAME',
        help="a table of a paper instead of the comparison; 'list' prints the names",
    )
    parser.add_argument(
        '--figure',
        metavar='NAME',
        help="a figure of a paper, likewise; 'list' prints the names",
    )
    parser.add_argument(
        '--superscore',
        action='store_true',
        help='superscores and ranks of swept checkpoints instead of the comparison',
    )
    parser.add_argument(
        '--exclude', nargs='+', default=[], metavar='METHOD', help='methods that are not ranked'
    )
    parser.add_argument(
        '--robust',
        default=paper.ROBUST_DEFAULT,
        metavar='ATTACK@RADIUS',
        help='the attack that is the robust accuracy of such a table, e.g. pgd@8/255 '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--cite',
        nargs='+',
        action='extend',
        default=[],
        metavar='CSV',
        help='rows of such a table that were not measured here, with its labels and any columns',
    )
    parser.add_argument('--title', default='Comparison')
    parser.add_argument(
        '--reference',
        metavar='NAME',
        help='the run that margins are taken against (default: the first)',
    )
    parser.add_argument(
        '--partial',
        action='store_true',
        help='where cells are missing, take means over the cells that every run has and say so; '
        'otherwise such a mean is not given',
    )
    parser.add_argument(
        '--draws',
        type=int,
        default=1000,
        help="of the bootstrap behind the margins' intervals; 0 gives none (default: 1000)",
    )
    parser.add_argument(
        '--gallery',
        type=int,
        metavar='INDEX',
        help='show what every run finds in this image of the test set under the corruptions; '
        'needs its config and checkpoint',
    )
    parser.add_argument(
        '--fail-under',
        nargs='+',
        action='extend',
        default=[],
        metavar='NAME=VALUE',
        help=f'exit with code {EXIT_CODE} where P, mPC, rPC, R_C, a corruption (fog=0.4) or a cell '
        '(fog-3=0.3) of any run is lower',
    )
    parser.add_argument(
        '--fail-over',
        nargs='+',
        action='extend',
        default=[],
        metavar='NAME=VALUE',
        help='the same for mCE, relative_mCE, params, macs or latency that is higher',
    )
    args = parser.parse_args()
    if args.figure:
        paper_figure(args.figure, args.work_dirs, args.out, args.robust)
        return
    if args.table:
        paper_table(args.table, args.work_dirs, args.out, args.robust, args.cite)
        return
    if not args.work_dirs or not args.out:
        parser.error('the work dirs of the runs and --out are required')
    if args.superscore:
        path = write_superscores(args.work_dirs, args.out, args.exclude)
        print(f'{path.read_text()}\nwritten to {path}')
        return
    bounds = parse_bounds(args.fail_under), parse_bounds(args.fail_over, over=True)
    runs = read_runs(args.work_dirs)
    card = comparison(runs, args.partial)
    broken = failures(numbers(runs, args.partial), *bounds)
    extra = []
    if args.gallery is not None:
        from mmrobustprune.engine.robustness.gallery import gallery_parts

        extra = gallery_parts(runs, args.out, args.gallery)
    page = write_report(
        runs,
        args.out,
        args.title,
        extra,
        reference=args.reference,
        partial=args.partial,
        draws=args.draws,
    )
    Console(width=None if sys.stdout.isatty() else 160).print(card.rich(args.title))
    print(f'written to {page}')
    if broken:
        print('\n'.join(broken), file=sys.stderr)
        sys.exit(EXIT_CODE)


if __name__ == '__main__':
    cli.run(main)
