"""What a trained network still knows right after the removal, by the rule that ranks its units.

Every cell of the table is a network pruned at once, without fine-tuning: the metric of its config
after the removal and, second, with the statistics of BatchNorm computed anew. The rules are ours
and the three modes of Torch-Pruning at the same share of the budget. Cells are kept as they are
finished; a run that was stopped goes on.

    python tools/experiments/prepare_data.py
    python benchmarks/selection.py configs/cifar_jpeg/resnet20_cifar10-jpeg.py \
        data/resnet20_cifar10.pth --shape 32 32 --json docs/results/selection/resnet20.json
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
import torch_pruning  # noqa: E402
from mmengine.evaluator import Evaluator  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import count  # noqa: E402
from mmrobustprune.cost.model import CostModel  # noqa: E402
from mmrobustprune.dependency.groups import find_layer  # noqa: E402
from mmrobustprune.dependency.kinds import produces  # noqa: E402
from mmrobustprune.dependency.tracing import trace  # noqa: E402
from mmrobustprune.engine.bridge.checkpoint import load_model  # noqa: E402
from mmrobustprune.engine.bridge.config import test_size  # noqa: E402
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward  # noqa: E402
from mmrobustprune.engine.bridge.training_loss import sampled_loss, training_batches  # noqa: E402
from mmrobustprune.engine.runners import command  # noqa: E402
from mmrobustprune.masks import MaskSet, RankedSelection, loss_weights  # noqa: E402
from mmrobustprune.scores import Magnitude  # noqa: E402
from mmrobustprune.structure.rebuild import rebuild  # noqa: E402

BatchNorm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Rule:
    """One of ours: a score, and the fields of the selection.

    Attributes:
        relative: of the score.
        fields: of `RankedSelection`.
    """

    relative: bool
    fields: dict

    def pruned(self, bench: Bench, budget: str, target: float) -> nn.Module:
        scores = Magnitude(relative=self.relative)(bench.model, bench.groups)
        selection = RankedSelection(bench.cost, budget, **self.fields)
        if selection.needs_loss:
            weights = loss_weights(bench.twin(), bench.groups, scores, bench.loss)
            selection = selection.weighed(weights)
        twin = bench.twin()
        masks = MaskSet(twin, bench.groups)
        masks.remove(selection.plan(scores, target))
        return rebuild(twin, masks.structure('benchmark'))


@dataclass(frozen=True)
class Peer:
    """A mode of Torch-Pruning, with group L2 norms.

    Attributes:
        options: of its pruner.
    """

    options: dict

    def pruned(self, bench: Bench, budget: str, target: float) -> nn.Module:
        """The smallest of 20 bisected ratios that removes the target."""
        low = 0.0
        high = 1.0
        best = None
        for _ in range(20):
            ratio = (low + high) / 2
            small = self._at(bench, ratio)
            if small is not None and bench.removed(small)[budget] >= target:
                best = small
                high = ratio
            else:
                low = ratio
        return best

    def _at(self, bench: Bench, ratio: float) -> nn.Module:
        twin = bench.twin()
        ignored = [find_layer(twin, name) for name in bench.unprunable]
        pruner = torch_pruning.pruner.BasePruner(
            twin,
            bench.example,
            torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=ratio,
            max_pruning_ratio=0.9,
            ignored_layers=ignored,
            forward_fn=tensor_forward,
            **self.options,
        )
        pruner.step()
        return twin


RULES = {
    'relative, loss': Rule(True, dict(normalise='rise', per='cost', weigh='loss')),
    'loss': Rule(False, dict(normalise='rise', per='cost', weigh='loss')),
    'relative, scores': Rule(True, dict(normalise='rise', per='cost', weigh='scores')),
    'reads': Rule(False, dict(normalise='rise', per='cost', weigh='reads')),
    'mean': Rule(False, dict(normalise='mean')),
    'none': Rule(False, dict(normalise='none')),
    'l2': Rule(False, dict(normalise='l2')),
    'isomorphic': Rule(False, dict(scope='isomorphic')),
    'layer': Rule(False, dict(scope='layer')),
    'Torch-Pruning local': Peer({}),
    'Torch-Pruning global': Peer(dict(global_pruning=True)),
    'Torch-Pruning isomorphic': Peer(dict(global_pruning=True, isomorphic=True)),
}


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
        train = Runner.build_dataloader(config.train_dataloader, seed=0)
        test = Runner.build_dataloader(config.val_dataloader, seed=0)
        self.loss = sampled_loss(train)
        self.fresh = training_batches(train, -(-args.images // train.batch_size), 1)
        self.tested = training_batches(test, -(-args.images // test.batch_size))
        self.metainfo = test.dataset.metainfo
        self.evaluator = config.val_evaluator

    def twin(self) -> nn.Module:
        return copy.deepcopy(self.model)

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

    def cell(self, rule: Rule | Peer, budget: str, target: float) -> dict[str, float]:
        """One removal: metrics after it and after recalibration, and what is gone."""
        small = rule.pruned(self, budget, target)
        after = self.metric(small)
        self.recalibrate(small)
        return dict(after=after, recalibrated=self.metric(small), **self.removed(small))


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
    return (
        f'{cell["after"]:.3g} / {cell["recalibrated"]:.3g} '
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
    parser.add_argument('--json', type=Path, required=True, help='keeps the cells')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    args = parser.parse_args()
    kept = json.loads(args.json.read_text()) if args.json.exists() else {}
    cells = kept.get('cells', {})
    bench = Bench(args)
    about = dict(config=Path(args.config).name, images=args.images)
    dense = kept.get('dense') or bench.metric(bench.model)
    rows = [f'{target:.0%} of {budget}' for budget in args.budgets for target in args.targets]
    for budget in args.budgets:
        for target in args.targets:
            for name in args.rules:
                key = f'{target:.0%} of {budget}: {name}'
                if key not in cells:
                    cells[key] = bench.cell(RULES[name], budget, target)
                    keep(args.json, **about, dense=dense, cells=cells)
                    print(f'{key}: {_text(cells[key])}', flush=True)
    Console(width=160).print(f'dense {dense:.3g}')
    Console(width=160).print(table_of(cells, rows, args.rules))


if __name__ == '__main__':
    main()
