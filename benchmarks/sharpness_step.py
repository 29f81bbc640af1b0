"""How much longer a sharpness-aware step takes than a plain one, and how much memory it needs.

Every round times one step of each arm in turn, so that the load of the machine falls on all alike;
ratios are those of the medians over the rounds.

    python benchmarks/sharpness_step.py --rounds 10 --json docs/results/sharpness_step.json
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.models import resnet18  # noqa: E402
from tqdm import trange  # noqa: E402

from benchmarks.peak_memory import PeakMemory  # noqa: E402
from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.sharpness import SAM, AdaSAP, two_pass_step  # noqa: E402

TARGETS = {
    'SAM / SGD': 2.1,
    'AdaSAP / SGD': 2.15,
    'SAM / pytorch_optimizer': 1.05,
    'SAM weight copies': 2.0,
    'AdaSAP weight copies': 2.0,
}
SETTINGS = dict(lr=1e-3, momentum=0.9, weight_decay=5e-4)


def cifar_resnet18() -> nn.Module:
    """ResNet-18 whose stem keeps 32x32 images: 3x3, stride 1, no pooling."""
    model = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def ours(rule):
    """A step of ours; rule=None is plain SGD."""

    def start(model):
        optimizer = torch.optim.SGD(model.parameters(), **SETTINGS)
        return lambda loss: two_pass_step(model, optimizer, rule, loss)

    return start


def theirs(model):
    """A step of pytorch_optimizer's SAM around the same SGD."""
    import pytorch_optimizer

    optimizer = pytorch_optimizer.SAM(model.parameters(), torch.optim.SGD, rho=0.05, **SETTINGS)

    def step(loss):
        def closure():
            optimizer.zero_grad()
            value = loss()
            value.backward()
            return value

        closure()
        optimizer.step(closure)

    return step


ARMS = {
    'SGD': ours(None),
    'SAM': ours(SAM()),
    'AdaSAP': ours(AdaSAP()),
}
if importlib.util.find_spec('pytorch_optimizer') is None:
    print('pytorch_optimizer is left out: it is not installed.')
else:
    ARMS['pytorch_optimizer'] = theirs


def arm(name: str, device: str, batch: int):
    """A function that makes one training step, and its model."""
    torch.manual_seed(0)
    model = cifar_resnet18().to(device).train()
    images = torch.randn(batch, 3, 32, 32, device=device)
    labels = torch.randint(0, 10, (batch,), device=device)
    step = ARMS[name](model)
    return lambda: step(lambda: nn.functional.cross_entropy(model(images), labels)), model


def seconds(step, device: str) -> float:
    """Wall time of one step."""
    if device == 'cuda':
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def times(rounds: int, device: str, batch: int) -> dict[str, list[float]]:
    """Seconds of each arm's step in each round, after a warm-up."""
    steps = {name: arm(name, device, batch)[0] for name in ARMS}
    found = {name: [] for name in ARMS}
    for number in trange(-1, rounds, desc='rounds', disable=None):
        for name, step in steps.items():
            spent = seconds(step, device)
            if number >= 0:
                found[name].append(spent)
    return found


def weight_copies(device: str) -> dict[str, float]:
    """Peak memory of a step beyond that of a plain one, in copies of the weights."""
    peaks = {}
    weights = 1
    for name in ARMS:
        step, model = arm(name, device, 2)  # few images, so that activations hide nothing
        step()
        for p in model.parameters():
            p.grad = None
        with PeakMemory() as memory:
            step()
        peaks[name] = memory.peak
        weights = sum(p.nbytes for p in model.parameters())
    return {name: (peak - peaks['SGD']) / weights for name, peak in peaks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()

    spent = times(args.rounds, args.device, args.batch)
    medians = {name: statistics.median(values) for name, values in spent.items()}
    copies = weight_copies(args.device)
    ratios = {
        'SAM / SGD': medians['SAM'] / medians['SGD'],
        'AdaSAP / SGD': medians['AdaSAP'] / medians['SGD'],
        'SAM weight copies': copies['SAM'],
        'AdaSAP weight copies': copies['AdaSAP'],
    }
    if 'pytorch_optimizer' in ARMS:
        ratios['SAM / pytorch_optimizer'] = medians['SAM'] / medians['pytorch_optimizer']
    result = dict(
        ratios=ratios,
        targets=TARGETS,
        met={name: ratios[name] <= TARGETS[name] for name in ratios},
        median_seconds=medians,
        seconds=spent,
        weight_copies=copies,
        batch=args.batch,
        device=device_stamp(args.device),
        seed=0,
    )

    table = Table('ratio', 'measured', 'target', 'met', title='ResNet-18 CIFAR')
    for name, ratio in ratios.items():
        table.add_row(name, f'{ratio:.3f}', f'<= {TARGETS[name]}', str(result['met'][name]))
    Console().print(table)
    keep(args.json, **result)


if __name__ == '__main__':
    main()
