"""How much longer a mask search takes with S2AP, and how much time the shared mask saves.

One TRADES PGD-10 search step of HYDRA on a ResNet-18 for 32x32 pictures, in five arms: the host,
the host with S2AP, the host's outer forward and backward alone, and the host with every mask made
anew in every forward pass, by our selection and by a full sort of each layer's scores (as HYDRA was
published). Each round times one step of each arm in turn; the times are medians over the rounds.

    python benchmarks/score_search.py --batch 128 --rounds 5 --json docs/results/score_search.json
"""

from __future__ import annotations

import argparse
import operator
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402
from torchvision.models import resnet18  # noqa: E402
from tqdm import trange  # noqa: E402

from benchmarks.peak_memory import PeakMemory  # noqa: E402
from benchmarks.record import keep  # noqa: E402
from mmrobustprune.attack.classifier import Classifier  # noqa: E402
from mmrobustprune.attack.losses import TRADES  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.mask_search import HYDRA, Scored, parametrizations  # noqa: E402
from mmrobustprune.sharpness import S2AP, two_pass_step  # noqa: E402

TARGETS = {  # name -> how the measured number must compare with a limit
    'S2AP - host, in outer passes': ('at most', 1.1, operator.le),
    'host, mask sorted anew / host': ('at least', 1.15, operator.ge),
    'extra memory, in copies of the scores': ('at most', 1.02, operator.le),
}


def cifar_resnet18() -> nn.Module:
    """ResNet-18 whose stem keeps 32x32 images: 3x3, stride 1, no pooling."""
    model = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


class Search:
    """A HYDRA search at a ratio of 0.9 on random pictures: `crafted()`, then `step(rule)`."""

    def __init__(self, device: str, batch: int, steps: int):
        torch.manual_seed(0)
        network = cifar_resnet18().to(device).train()
        self.network = HYDRA(0.9).attach(network)
        self.model = Classifier(network)
        self.loss = TRADES(steps=steps)
        self.optimizer = torch.optim.SGD(
            self.network.trained_parameters(), 0.01, momentum=0.9, weight_decay=1e-4
        )
        self.x = torch.rand(batch, 3, 32, 32, device=device)
        self.y = torch.randint(0, 10, (batch,), device=device)

    def outer(self) -> torch.Tensor:
        """The loss on the batch that is there."""
        return sum(self.loss(self.model, self.x, self.attacked, self.y).values())

    def craft(self) -> None:
        self.attacked = self.loss.craft(self.model, self.x, self.y)

    def host(self) -> None:
        self.craft()
        two_pass_step(self.model, self.optimizer, None, self.outer)

    def s2ap(self) -> None:
        self.craft()
        two_pass_step(self.model, self.optimizer, S2AP(gamma=1e-3), self.outer)

    def one_pass(self) -> None:
        self.optimizer.zero_grad()
        self.outer().backward()

    def made_anew(self) -> None:
        hooks = [
            self.model.network.get_submodule(name).register_forward_pre_hook(_forget(layer))
            for name, layer in self.network.layers.items()
        ]
        try:
            self.host()
        finally:
            for hook in hooks:
                hook.remove()

    def sorted_anew(self) -> None:
        with mock.patch.object(parametrizations, 'top_mask', _by_sort):
            self.made_anew()


def _forget(layer: Scored):
    """A hook after which the layer's mask and weight are made again."""

    def hook(module, args):
        layer._factor.__init__()
        parametrize._cache.pop((id(module), 'weight'), None)

    return hook


@torch.no_grad()
def _by_sort(scores: torch.Tensor, kept: int, filters: int | None = None) -> torch.Tensor:
    mask = torch.ones_like(scores)
    mask.view(-1)[scores.abs().flatten().sort().indices[: scores.numel() - kept]] = 0
    return mask


ARMS = {
    'host': Search.host,
    'S2AP': Search.s2ap,
    'outer pass': Search.one_pass,
    'host, mask made anew': Search.made_anew,
    'host, mask sorted anew': Search.sorted_anew,
}


def seconds(step, device: str) -> float:
    """Time of one step: of the wall on a GPU, of the processor on a CPU, whatever else it does."""
    clock = time.perf_counter if device == 'cuda' else time.process_time
    if device == 'cuda':
        torch.cuda.synchronize()
    start = clock()
    step()
    if device == 'cuda':
        torch.cuda.synchronize()
    return clock() - start


def times(rounds: int, search: Search, device: str) -> dict[str, list[float]]:
    """Seconds of each arm's step in each round after a warm-up."""
    found = {name: [] for name in ARMS}
    for number in trange(-1, rounds, desc='rounds', disable=None):
        for name, step in ARMS.items():
            spent = seconds(lambda step=step: step(search), device)
            if number >= 0:
                found[name].append(spent)
    return found


def extra_copies(device: str) -> float:
    """Peak memory of a S2AP step beyond the host's, in copies of the scores; on few images."""
    peaks = {}
    for name in ('host', 'S2AP'):
        search = Search(device, 2, 1)
        ARMS[name](search)  # momentum is made here
        search.optimizer.zero_grad()
        with PeakMemory() as memory:
            ARMS[name](search)
        peaks[name] = memory.peak
    return (peaks['S2AP'] - peaks['host']) / sum(
        scores.nbytes for scores in search.network.score_parameters()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--steps', type=int, default=10, help='of PGD')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()

    copies = extra_copies(args.device)
    spent = times(args.rounds, Search(args.device, args.batch, args.steps), args.device)
    median = {name: statistics.median(values) for name, values in spent.items()}
    ratios = {
        'S2AP / host': median['S2AP'] / median['host'],
        'S2AP - host, in outer passes': (median['S2AP'] - median['host']) / median['outer pass'],
        'host, mask made anew / host': median['host, mask made anew'] / median['host'],
        'host, mask sorted anew / host': median['host, mask sorted anew'] / median['host'],
        'extra memory, in copies of the scores': copies,
    }
    met = {name: bool(TARGETS[name][2](ratios[name], TARGETS[name][1])) for name in TARGETS}
    result = dict(
        ratios=ratios,
        targets={name: f'{word} {limit}' for name, (word, limit, _) in TARGETS.items()},
        met=met,
        median_seconds=median,
        seconds=spent,
        batch=args.batch,
        steps=args.steps,
        device=device_stamp(args.device),
        seed=0,
    )

    table = Table('quantity', 'measured', 'target', 'met', title='HYDRA search, ResNet-18, TRADES')
    for name, value in ratios.items():
        table.add_row(name, f'{value:.3f}', result['targets'].get(name, ''), str(met.get(name, '')))
    Console().print(table)
    keep(args.json, **result)


if __name__ == '__main__':
    main()
