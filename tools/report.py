#!/usr/bin/env python
"""Compare runs: one table (Markdown, CSV, JSON), curves, and a page that shows them.

A run is a work dir that holds, itself or one folder down, the results.json of tools/robustness.py, a cost.json, or a
training log. Folders whose names differ only in -seedN are repeats: mean and spread are shown.

Example:
    python tools/report.py work_dirs/dense work_dirs/adasap-seed0 work_dirs/adasap-seed1 --out work_dirs/report
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))   # a checkout need not be installed

from rich.console import Console  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.report.runs import read_run  # noqa: E402
from mmrobustprune.report.summary import comparison, write_report  # noqa: E402


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR')
    parser.add_argument('--out', required=True, help='folder of the report')
    parser.add_argument('--title', default='Comparison')
    args = parser.parse_args()
    runs = [read_run(folder) for folder in args.work_dirs]
    page = write_report(runs, args.out, args.title)
    Console().print(comparison(runs).rich(args.title))
    print(f'written to {page}')


if __name__ == '__main__':
    cli.run(main)
