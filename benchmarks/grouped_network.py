"""Milliseconds of a forward pass of SR-GKP's networks: dense, pruned, and pruned as deployed.

'grouped' is the network as it is stored, 'written_out' the form in which it trains on a CPU,
'deployed' what tools/export.py --form fastest gives: each layer in its faster form, the zeros of
dense ones written once. Sizes decide, not values, so weights are random. The arms take turns and
the shortest of each one's times counts (processor time with one CPU thread, else elapsed).

    python benchmarks/grouped_network.py --threads 1 --json docs/results/grouped_network.json
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from torch import nn  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.grouped_kernels import fix_forms, race, set_form  # noqa: E402
from mmrobustprune.surgery import prune_grouped_kernels  # noqa: E402
from tests.support.resnets import CIFARResNet  # noqa: E402

RATIO = 0.4375
GROUPS = 8


def arms(depth: int, image: torch.Tensor) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """The network in four forms, and which form each layer of the deployed one has."""
    torch.manual_seed(0)
    dense = CIFARResNet(depth).eval()
    grouped = copy.deepcopy(dense)
    prune_grouped_kernels(grouped, RATIO, GROUPS, search='random')
    deployed = copy.deepcopy(grouped)
    forms = fix_forms(deployed, 'fastest', image)
    written_out = set_form(copy.deepcopy(grouped), 'dense')
    found = dict(
        dense=dense,
        grouped=set_form(grouped, 'grouped'),
        written_out=written_out,
        deployed=deployed,
    )
    return found, forms


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--depths', type=int, nargs='+', default=[20, 56])
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 64])
    parser.add_argument('--threads', type=int)
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    rows = []
    for depth in args.depths:
        for batch in args.batches:
            image = torch.randn(batch, 3, 32, 32)
            models, forms = arms(depth, image)
            image = image.to(args.device)
            calls = {name: model.to(args.device) for name, model in models.items()}
            times = race(calls, image, args.repeats)
            count = list(forms.values()).count('grouped')
            rows.append(dict(depth=depth, batch=batch, ms=times, stay_grouped=count, of=len(forms)))
            print(rows[-1])
    keep(args.json, rows=rows, ratio=RATIO, groups=GROUPS, device=device_stamp(args.device))


if __name__ == '__main__':
    main()
