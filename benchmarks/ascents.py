"""What an ascent costs and reaches: time, memory, and how flat the loss has become.

Every arm trains the same trained network on the same batches and its steps take turns, so that the
load of the machine falls on all alike. Time is in steps of plain training, by the sums over all
steps (processor time with one CPU thread, else elapsed), memory in copies of the weights beyond a
plain step. At the end each network has its loss and largest curvature (lambda_max, evaluation
mode) measured on the same held-out images.

    python benchmarks/ascents.py --data data/cifar10_jpeg --checkpoint weights.pth

The weights are a state_dict by the names of `tests.support.resnets.CIFARResNet`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402
from tqdm import tqdm  # noqa: E402

from benchmarks.peak_memory import PeakMemory  # noqa: E402
from benchmarks.record import keep  # noqa: E402
from mmrobustprune.analysis import lambda_max  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.sharpness import AdaSAP, build_ascent, two_pass_step  # noqa: E402
from mmrobustprune.sharpness.build import ASCENTS  # noqa: E402
from tests.support.resnets import CIFARResNet  # noqa: E402

SCALE = transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
LOOKS = 5  # steps after which every ascent has shown all that it does


class Arm:
    """A network with its optimizer, trained by one ascent; None is plain training."""

    def __init__(self, ascent: str | None, weights: dict[str, Tensor], lr: float, device: str):
        self.model = CIFARResNet(20).to(device).train()
        self.model.load_state_dict(weights)
        self.rule = None if ascent is None else AdaSAP()
        self.ascent = build_ascent(ascent or 'fresh')
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr, momentum=0.9, weight_decay=5e-4
        )
        self.seconds = 0.0

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step of training."""
        loss = partial(taken, self.model, images, labels)
        two_pass_step(self.model, self.optimizer, self.rule, loss, self.ascent)

    def most_bytes(self, images: Tensor, labels: Tensor) -> int:
        """The largest peak of memory of a few steps, after some that make all state."""
        peaks = []
        for number in range(2 * LOOKS):
            self.optimizer.zero_grad()
            with PeakMemory() as memory:
                self.step(images, labels)
            if number >= LOOKS:
                peaks.append(memory.peak)
        return max(peaks)


def taken(model: nn.Module, images: Tensor, labels: Tensor, take=lambda samples: samples) -> Tensor:
    """The loss of each sample of a part of the batch."""
    return cross_entropy(model(take(images)), take(labels), reduction='none')


def batches(folder: Path, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented training images and their labels, in a shuffled order without end."""
    augment = [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()]
    images = ImageFolder(folder, transforms.Compose([*augment, transforms.ToTensor(), SCALE]))
    order = torch.Generator().manual_seed(seed)
    loader = torch.utils.data.DataLoader(images, size, True, drop_last=True, generator=order)
    while True:
        yield from loader


def held_out(folder: Path, count: int) -> tuple[Tensor, Tensor]:
    """Every n-th test image, so that all classes are there, and the labels."""
    images = ImageFolder(folder, transforms.Compose([transforms.ToTensor(), SCALE]))
    chosen = [images[at] for at in range(0, len(images), len(images) // count)]
    pixels, labels = zip(*chosen, strict=True)
    return torch.stack(pixels), torch.tensor(labels)


def train(arms: dict[str, Arm], stream: Iterator, steps: int, device: str) -> None:
    """Let the arms train side by side; each adds up its seconds, without those of a first step."""
    on_cpu = device == 'cpu' and torch.get_num_threads() == 1
    clock = time.process_time if on_cpu else time.perf_counter
    for number in tqdm(range(steps + 1), desc='steps', disable=None):
        images, labels = (tensor.to(device) for tensor in next(stream))
        for arm in arms.values():
            start = clock()
            arm.step(images, labels)
            if device == 'cuda':
                torch.cuda.synchronize()
            if number:
                arm.seconds += clock() - start


def reached(model: nn.Module, images: Tensor, labels: Tensor, iterations: int) -> dict[str, float]:
    """Loss, accuracy and curvature on the held-out images."""
    model.eval()
    params = [p for p in model.parameters() if p.ndim > 1]
    found = lambda_max(lambda: taken(model, images, labels).mean(), params, iterations)
    with torch.no_grad():
        right = (model(images).argmax(1) == labels).double().mean().item()
    return dict(loss=found.loss, accuracy=right, lambda_max=found.value, residual=found.residual)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', type=Path, required=True, help='train and test, by class')
    parser.add_argument('--checkpoint', type=Path, required=True, help='weights of ResNet-20')
    parser.add_argument('--steps', type=int, default=200)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--lr', type=float, default=0.002)
    parser.add_argument('--held-out', type=int, default=200, help='test images')
    parser.add_argument('--iterations', type=int, default=10, help='of the power iteration')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    weights = torch.load(args.checkpoint, weights_only=True)
    make = partial(Arm, weights=weights, lr=args.lr, device=args.device)
    stream = batches(args.data / 'train', args.batch, args.seed)
    few = [tensor[:4].to(args.device) for tensor in next(stream)]  # activations hide nothing
    names = {'plain': None, **{name: name for name in ASCENTS}}
    peaks = {name: make(ascent).most_bytes(*few) for name, ascent in names.items()}
    arms = {name: make(ascent) for name, ascent in names.items()}
    train(arms, stream, args.steps, args.device)
    images, labels = (t.to(args.device) for t in held_out(args.data / 'test', args.held_out))
    copy = sum(p.nbytes for p in arms['plain'].model.parameters())
    rows = {
        name: dict(
            time=arm.seconds / arms['plain'].seconds,
            memory=(peaks[name] - peaks['plain']) / copy,
            **reached(arm.model, images, labels, args.iterations),
        )
        for name, arm in arms.items()
    }

    columns = list(rows['plain'])
    table = Table('ascent', *columns, title=f'AdaSAP on ResNet-20, {args.steps} steps')
    for name, row in rows.items():
        table.add_row(name, *(f'{row[key]:.3f}' for key in columns))
    Console().print(table)
    settings = dict(steps=args.steps, batch=args.batch, lr=args.lr, held_out=args.held_out)
    keep(
        args.json,
        ascents=rows,
        seconds={name: arm.seconds for name, arm in arms.items()},
        **settings,
        iterations=args.iterations,
        seed=args.seed,
        device=device_stamp(args.device),
    )


if __name__ == '__main__':
    main()
