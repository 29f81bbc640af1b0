"""What a trained network still knows right after the removal, by the rule that ranks its units.

Every cell of the table is a network pruned at once: the metric of its config after the removal,
with the statistics of BatchNorm computed anew, and, where `--epoch` asks for it, after so many
training images more. The rules are ours and the three modes of Torch-Pruning at the same share of
the budget. Cells are kept as they are finished; a run that was stopped goes on.

    python tools/experiments/prepare_data.py
    python benchmarks/selection.py configs/cifar_jpeg/resnet20_cifar10-jpeg.py \
        data/resnet20_cifar10.pth --shape 32 32 --json docs/results/selection/resnet20.json
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from mmengine.evaluator import Evaluator  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from benchmarks.selection_rules import RULES, SCORES, Peer, Rule  # noqa: E402
from mmrobustprune.cost.count import count  # noqa: E402
from mmrobustprune.cost.model import CostModel  # noqa: E402
from mmrobustprune.dependency.groups import find_layer  # noqa: E402
from mmrobustprune.dependency.kinds import produces  # noqa: E402
from mmrobustprune.dependency.tracing import trace  # noqa: E402
from mmrobustprune.engine.bridge.checkpoint import load_model  # noqa: E402
from mmrobustprune.engine.bridge.config import test_size  # noqa: E402
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward  # noqa: E402
from mmrobustprune.engine.bridge.sampled import sampled_batches  # noqa: E402
from mmrobustprune.engine.bridge.training_loss import (  # noqa: E402
    sampled_loss,
    steady,
    training_batches,
    training_losses,
)
from mmrobustprune.engine.runners import command  # noqa: E402
from mmrobustprune.masks import loss_weights  # noqa: E402
from mmrobustprune.scores import build_score  # noqa: E402

BatchNorm = nn.modules.batchnorm._BatchNorm
SEEN = 4  # training batches that a score of gradients looks at


class Bench:
    """A trained network, and all that is asked about its smaller versions.

    Args:
        args: of the command line.
    """

    def __init__(self, args: argparse.Namespace):
        config = command.load_config(args.config, args.cfg_options)
        self.model = load_model(config, args.checkpoint)[0].eval()
        size = args.shape or test_size(config)
        self.example = example_of_shape(self.model, *size, tensor_forward)
        found = trace(self.model, self.example, tensor_forward)
        self.groups = found.groups
        self.unprunable = [
            name for name in found.unprunable if produces(find_layer(self.model, name))
        ]
        self.cost = CostModel(self.model, found.groups, found.shapes)
        self.dense = count(self.model, self.example, tensor_forward)
        self.train = Runner.build_dataloader(config.train_dataloader, seed=0)
        test = Runner.build_dataloader(config.val_dataloader, seed=0)
        self.fresh = training_batches(self.train, -(-args.images // self.train.batch_size), 1)
        self.tested = training_batches(test, -(-args.images // test.batch_size))
        self.metainfo = test.dataset.metainfo
        self.evaluator = config.val_evaluator
        self.optim = config.optim_wrapper
        self.epoch = args.epoch
        self.rate = args.lr
        self._ranked = cache(self._measured)
        self._weighed = cache(self._weights)

    def twin(self) -> nn.Module:
        return copy.deepcopy(self.model)

    def scores(self, score: dict) -> dict[str, Tensor]:
        """Scores (units,) of each group, by gradients of a few training batches where it asks."""
        return self._ranked(json.dumps(score))

    def _measured(self, score: str) -> dict[str, Tensor]:
        made = build_score(json.loads(score))
        batches = training_batches(self.train, SEEN, 2) if made.needs_gradient else ()
        optimizer = torch.optim.SGD(self.model.parameters(), 0.0)  # its steps are seen
        watching = made.watch(self.model, optimizer, self.groups)
        with steady(self.model, 'train'):
            for loss in training_losses(self.model, batches):
                optimizer.zero_grad()
                loss().backward()
                optimizer.step()
        watching.remove()
        return made(self.model, self.groups)

    def weights(self, score: dict, statistics: tuple[str, ...]) -> dict[str, float]:
        """What each group is worth: of several statistics the geometric mean."""
        found = [self._weighed(json.dumps(score), one) for one in statistics]
        logs = torch.tensor([list(one.values()) for one in found]).log()
        return dict(zip(found[0], logs.mean(0).exp().tolist(), strict=True))

    def _weights(self, score: str, statistics: str) -> dict[str, float]:
        loss = sampled_loss(self.train, batch_norm=statistics)
        return loss_weights(self.twin(), self.groups, self.scores(json.loads(score)), loss)

    def removed(self, model: nn.Module) -> dict[str, float]:
        """The removed fractions of parameters and MACs."""
        left = count(model, self.example, tensor_forward)
        return dict(
            params=1 - left.params / self.dense.params, macs=1 - left.macs / self.dense.macs
        )

    @torch.no_grad()
    def metric(self, model: nn.Module) -> float:
        """The first metric of the config."""
        evaluator = Evaluator(self.evaluator)
        evaluator.dataset_meta = self.metainfo
        model.eval()
        for batch in self.tested:
            data = copy.deepcopy(batch)  # some models change samples in place
            evaluator.process(data_samples=model.val_step(data), data_batch=batch)
        found = evaluator.evaluate(sum(len(batch['inputs']) for batch in self.tested))
        return float(next(iter(found.values())))

    @torch.no_grad()
    def recalibrate(self, model: nn.Module) -> None:
        """Statistics of BatchNorm from the training images alone, each batch with the same weight.

        Done in place.
        """
        norms = [layer for layer in model.modules() if isinstance(layer, BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        model.train()
        for batch in self.fresh:
            data = model.data_preprocessor(copy.deepcopy(batch), True)
            model(data['inputs'], data['data_samples'], mode='tensor')
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.eval()

    def tune(self, model: nn.Module) -> None:
        """Train on the images of `--epoch` once, by the config's optimizer; the rate falls to 0."""
        wrapper = build_optim_wrapper(model, self.optim)
        batches = list(sampled_batches(self.train, self.epoch))
        model.train()
        for number, batch in enumerate(batches):
            for group in wrapper.param_groups:
                group['lr'] = self.rate * (1 - number / len(batches))
            model.train_step(batch, wrapper)

    def cell(self, rule: Rule | Peer, score: str, budget: str, target: float) -> dict[str, float]:
        """One removal: metrics after it, after recalibration and an epoch, and what is gone."""
        small = rule.pruned(self, score, budget, target)
        found = dict(after=self.metric(small))
        self.recalibrate(small)
        found['recalibrated'] = self.metric(small)
        if self.epoch:
            gone = self.removed(small)
            self.tune(small)
            return dict(found, tuned=self.metric(small), epoch=self.epoch, lr=self.rate, **gone)
        return dict(found, **self.removed(small))


def labels(scores: list[str], rules: list[str]) -> Iterator[tuple[str, str, str]]:
    """Name of a row, score and rule; the peer has its own score alone."""
    for score, rule in product(scores, rules):
        if score == 'l2':
            yield rule, score, rule
        elif isinstance(RULES[rule], Rule):
            yield f'{score}, {rule}', score, rule


def table_of(cells: dict[str, dict], rows: list[str], names: list[str]) -> Table:
    """Metric after the removal, after recalibration, and the share of the other cost, per cell."""
    table = Table('rule', *rows, title='after the removal / recalibrated (params, MACs removed)')
    for name in names:
        shown = []
        for row in rows:
            cell = cells.get(f'{row}: {name}')
            shown.append('' if cell is None else _text(cell))
        table.add_row(name, *shown)
    return table


def _text(cell: dict[str, float]) -> str:
    tuned = f' / {cell["tuned"]:.3g}' if 'tuned' in cell else ''
    return (
        f'{cell["after"]:.3g} / {cell["recalibrated"]:.3g}{tuned} '
        f'({cell["params"]:.0%}, {cell["macs"]:.0%})'
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint', help='trained weights')
    parser.add_argument('--images', type=int, default=2000, help='to test, and to recalibrate')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help='input in pixels')
    parser.add_argument('--budgets', nargs='+', default=['params', 'macs'])
    parser.add_argument('--targets', nargs='+', type=float, default=[0.2, 0.3])
    parser.add_argument('--rules', nargs='+', choices=RULES, default=list(RULES))
    parser.add_argument('--scores', nargs='+', choices=SCORES, default=['l2'])
    parser.add_argument('--epoch', type=int, default=0, help='training images afterwards')
    parser.add_argument('--lr', type=float, default=0.01, help='at the start of that')
    parser.add_argument('--json', type=Path, required=True, help='keeps the cells')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args()
    kept = json.loads(args.json.read_text()) if args.json.exists() else {}
    cells = kept.get('cells', {})
    bench = Bench(args)
    about = dict(config=Path(args.config).name, images=args.images)
    dense = kept.get('dense') or bench.metric(bench.model)
    asked = list(product(args.budgets, args.targets))
    rows = [f'{target:.0%} of {budget}' for budget, target in asked]
    named = list(labels(args.scores, args.rules))
    for row, (budget, target) in zip(rows, asked, strict=True):
        for name, score, rule in named:
            key = f'{row}: {name}'
            if key in cells and (not args.epoch or 'tuned' in cells[key]):
                continue
            cells[key] = bench.cell(RULES[rule], score, budget, target)
            keep(args.json, **about, dense=dense, cells=cells)
            print(f'{key}: {_text(cells[key])}', flush=True)
    Console(width=160).print(f'dense {dense:.3g}')
    Console(width=160).print(table_of(cells, rows, [name for name, _, _ in named]))


if __name__ == '__main__':
    main()
