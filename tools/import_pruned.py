#!/usr/bin/env python
"""Results made elsewhere: pruned weights, ONNX files, and numbers of papers.

Weights of other widths than the config's network give its structure, which is verified; of weights
with filters of zeros, or with masks, these filters are removed, and what they leave behind is
folded into the next layers where that is exact. structure.json, pruned.py and pruned.pth in OUT are
what all other tools take. Of several configs the one that fits is taken. Nothing in a file is run:
pickled networks are refused, load them where they come from and save their state_dict.

An ONNX file of a classifier is evaluated as it is: tools/robustness.py, tools/analyze.py latency
and tools/attack.py --preset black-box take pruned.py and pruned.pth, which name it; other attacks
do where onnx2torch is installed. The config gives data, evaluation and normalisation.

A CSV file with the columns board, method, source, metric and numbers becomes cards of the
leaderboard in OUT, marked as numbers of a paper.

Example:
    python tools/import_pruned.py my_resnet56.py sfp_resnet56.pth --out work_dirs/sfp
    python tools/robustness.py work_dirs/sfp/pruned.py work_dirs/sfp/pruned.pth
    python tools/import_pruned.py my_resnet56.py resnet56.onnx --out work_dirs/onnx
    python tools/import_pruned.py rows_of_a_paper.csv --out docs/results/cards
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed
from mmrobustprune import cli  # noqa: E402


def import_numbers(file: str, out: Path) -> None:
    """Cards of a paper's numbers."""
    from mmrobustprune.report.leaderboard.cited import read_cited

    for card in read_cited(file):
        print(f'{card.write(out)}: {card.status}')


def import_weights(configs: list[str], weights: str, args) -> None:
    """A checkpoint of weights that were pruned elsewhere."""
    from mmrobustprune.engine.deploy.imported import Imported

    size = tuple(args.shape) if args.shape else None
    found = Imported(configs, weights, size, args.forward)
    found.write(args.out)
    for layer, why in found.left.items():
        print(f'{layer} still reads channels of zero filters: {why}')
    print(f'{args.out}: pruned.py, pruned.pth; {found.structure.summary()}')


def import_network(configs: list[str], file: str, out: Path) -> None:
    """An ONNX file with the one config that says how it is evaluated."""
    if len(configs) > 1:
        raise ValueError(
            f'{" and ".join(configs)} are given for one ONNX file; give the one that says how it '
            'is evaluated.'
        )
    from mmrobustprune.engine.deploy.imported_onnx import import_onnx

    import_onnx(configs[0], file, out)
    print(f'{out}: network.onnx, pruned.py, pruned.pth')


def main(arguments: list[str] | None = None) -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument(
        'files',
        nargs='+',
        metavar='CONFIG... FILE',
        help='dense configs, then weights or ONNX; or a CSV',
    )
    parser.add_argument('--out', required=True, type=Path, help='folder of the results')
    parser.add_argument(
        '--shape', nargs=2, type=cli.positive, metavar=('HEIGHT', 'WIDTH'), help='of the input'
    )
    cli.add_forward(parser)
    args = parser.parse_args(arguments)
    *configs, file = args.files
    if file.endswith('.csv'):
        import_numbers(file, args.out)
    elif configs and file.endswith('.onnx'):
        import_network(configs, file, args.out)
    elif configs:
        import_weights(configs, file, args)
    else:
        raise ValueError(
            f"'{file}' is the only file given; name the config of its dense network before it."
        )


if __name__ == '__main__':
    cli.run(main)
