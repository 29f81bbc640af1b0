"""Seconds of one training attack (TRADES, PGD-10) in three ways, and how far each raises the loss.

Three arms: 'modules' runs the network as it is in evaluation mode, 'folded' with BatchNorm inside
the convolutions (what every attack does on a CPU), 'bfloat16' the same by autocast
(dtype='bfloat16'). The arms take turns on the same random numbers and the shortest of each one's
times counts (processor time with one CPU thread, else elapsed).

    python benchmarks/training_attack.py --checkpoint work_dirs/s2ap/dense-seed0/epoch_20.pth
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from tqdm import trange  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.attack import TRADES, Classifier  # noqa: E402
from mmrobustprune.attack import training as attacks  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.engine.bridge.channels_last import channels_last  # noqa: E402
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import load_config
from mmrobustprune.engine.bridge.images import LabelledImages  # noqa: E402
from mmrobustprune.models.pixels import pixel_classifier  # noqa: E402

ARMS = {'modules': None, 'folded': None, 'bfloat16': 'bfloat16'}  # name -> dtype of the attack


@contextlib.contextmanager
def unfolded(model: torch.nn.Module, like: torch.Tensor | None = None):
    """In the place of `folded_norms`: nothing."""
    yield


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', default='configs/s2ap_jpeg/resnet20_trades-10k.py')
    parser.add_argument('--checkpoint', required=True, help='trained weights of it')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, _, config = load_model(load_config(args.config), args.checkpoint)
    model = pixel_classifier(network.train())
    network.backbone.register_forward_pre_hook(channels_last)
    x, y = next(LabelledImages.of_test_set(config).batches([list(range(0, 50 * args.batch, 50))]))
    clock = time.process_time if args.threads == 1 else time.perf_counter
    seconds = {name: [] for name in ARMS}
    raised = {}
    for number in trange(args.rounds + 1, desc='rounds', disable=None):
        for name, dtype in ARMS.items():
            loss = TRADES(dtype=dtype)
            with (
                mock.patch.object(attacks, 'folded_norms', unfolded)
                if name == 'modules'
                else contextlib.nullcontext()
            ):
                torch.manual_seed(1)
                start = clock()
                attacked = loss.craft(model, x, y)
                spent = clock() - start
            if number:
                seconds[name].append(spent)
            else:
                raised[name] = divergence(model, x, attacked)
    least = {name: min(values) for name, values in seconds.items()}
    ratios = {name: value / least['modules'] for name, value in least.items()}
    gained = {name: value / raised['modules'] for name, value in raised.items()}

    table = Table(
        'arm',
        'seconds',
        'of modules',
        'KL raised, of modules',
        title=f'{Path(args.config).stem}, batch {args.batch}',
    )
    for name in ARMS:
        table.add_row(name, f'{least[name]:.2f}', f'{ratios[name]:.2f}', f'{gained[name]:.3f}')
    Console().print(table)
    keep(
        args.json,
        ratios=ratios,
        raised=gained,
        least_seconds=least,
        seconds=seconds,
        batch=args.batch,
        config=args.config,
        device=device_stamp('cpu'),
        seed=1,
    )


@torch.no_grad()
def divergence(model: Classifier, x: torch.Tensor, attacked: torch.Tensor) -> float:
    """Mean KL(p(x) || p(x')) in evaluation mode."""
    model.eval()
    clean, moved = (model(one).log_softmax(1) for one in (x, attacked))
    model.train()
    return ((clean.exp() * (clean - moved)).sum(1)).mean().item()


if __name__ == '__main__':
    main()
