"""Seconds of one training step of a CIFAR ResNet, dense and with grouped kernels in both forms.

'masked' is the dense network whose removed kernels are zero and whose gradients are masked: what the forms are compared with.
The arms take turns and the shortest of each one's times counts (processor time with one CPU thread, else elapsed).

    python benchmarks/grouped_training.py --json docs/results/grouped_training.json
    python benchmarks/grouped_training.py --device cuda
"""
from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from mmrobustprune.report.cost import device_stamp  # noqa: E402
from mmrobustprune.surgery import prune_grouped_kernels  # noqa: E402
from mmrobustprune.surgery.grouped import mask_kernels, race, set_form  # noqa: E402
from tests.support.resnets import CIFARResNet  # noqa: E402


def arms(depth: int, ratio: float, groups: int) -> dict[str, nn.Module]:
    """The same network four times."""
    torch.manual_seed(0)
    dense = CIFARResNet(depth)
    grouped, masked = copy.deepcopy(dense), copy.deepcopy(dense)
    mask_kernels(masked, prune_grouped_kernels(grouped, ratio, groups, search='random'))
    for module in masked.modules():
        if isinstance(module, nn.Conv2d):
            alive = module.weight.detach() != 0
            module.weight.register_hook(alive.to(module.weight.dtype).mul)
    return dict(dense=dense, masked=masked, grouped=set_form(grouped, 'grouped'),
                written_out=set_form(copy.deepcopy(grouped), 'dense'))


def step(model: nn.Module, labels: torch.Tensor) -> Callable[[torch.Tensor], None]:
    """Forward, backward and SGD step on a batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=.01, momentum=.9, weight_decay=5e-4)

    def run(x: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--depth', type=int, default=20)
    parser.add_argument('--ratio', type=float, default=.4375)
    parser.add_argument('--groups', type=int, default=8)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    x = torch.randn(args.batch, 3, 32, 32).to(args.device, memory_format=torch.channels_last)
    labels = torch.randint(10, (args.batch,), device=args.device)
    calls = {name: step(model.to(args.device).train(), labels) for name, model in arms(
        args.depth, args.ratio, args.groups).items()}
    seconds = {name: ms / 1e3 for name, ms in race(calls, x, args.repeats).items()}
    table = Table('network', 'seconds a step', 'of masked', title=device_stamp(args.device))
    for name, value in seconds.items():
        table.add_row(name, f'{value:.4f}', f"{value / seconds['masked']:.2f}")
    Console().print(table)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        result = dict(vars(args), json=None, seconds=seconds, device=device_stamp(args.device), command=sys.argv)
        args.json.write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
