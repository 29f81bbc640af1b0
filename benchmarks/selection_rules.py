"""The rules that `selection.py` compares: ours, and the modes of Torch-Pruning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch_pruning
from torch import Tensor, nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Group, find_layer
from mmrobustprune.engine.bridge.model import tensor_forward
from mmrobustprune.masks import MaskSet, RankedSelection
from mmrobustprune.masks.ranked import TOLERANCE
from mmrobustprune.structure.rebuild import rebuild

BISECTIONS = 20
SCORES = {
    'l2': dict(type='Magnitude', p=2),
    'l1': dict(type='Magnitude', p=1),
    'bn': dict(type='BNScale'),
    'taylor': dict(type='Taylor'),
}


class Trained(Protocol):
    """A trained network, and what is known of it."""

    groups: tuple[Group, ...]
    unprunable: list[str]
    cost: CostModel
    example: dict

    def twin(self) -> nn.Module:
        """A copy of the network."""

    def scores(self, score: dict) -> dict[str, Tensor]:
        """Scores (units,) of each group."""

    def weights(self, score: dict, statistics: tuple[str, ...]) -> dict[str, float]:
        """What each group is worth to the loss."""

    def removed(self, model: nn.Module) -> dict[str, float]:
        """The removed fractions of parameters and MACs."""


@dataclass(frozen=True)
class Rule:
    """One of ours: how scores are ranked.

    Attributes:
        fields: of `RankedSelection`.
        options: of the score.
        statistics: of BatchNorm, with which the loss weighs the groups: 'train' (of the batch),
            'eval' (running); of both the geometric mean of the weights.
    """

    fields: dict
    options: dict = field(default_factory=dict)
    statistics: tuple[str, ...] = ('train',)

    def pruned(self, bench: Trained, score: str, budget: str, target: float) -> nn.Module:
        """The network without the units that this rule ranks lowest."""
        asked = SCORES[score] | self.options
        selection = RankedSelection(bench.cost, budget, **self.fields)
        if selection.needs_loss:
            selection = selection.weighed(bench.weights(asked, self.statistics))
        twin = bench.twin()
        masks = MaskSet(twin, bench.groups)
        masks.remove(selection.plan(bench.scores(asked), target))
        return rebuild(twin, masks.structure('benchmark'))


@dataclass(frozen=True)
class Peer:
    """A mode of Torch-Pruning, with group L2 norms whatever the score.

    Attributes:
        options: of its pruner.
    """

    options: dict

    def pruned(self, bench: Trained, score: str, budget: str, target: float) -> nn.Module:
        """The smallest removal that meets the target, by a bisected ratio."""
        low = 0.0
        high = 1.0
        best = None
        for _ in range(BISECTIONS):
            ratio = (low + high) / 2
            small = self._at(bench, ratio)
            gone = bench.removed(small)[budget]
            if gone < target:
                low = ratio
                continue
            best = small
            high = ratio
            if gone <= target + TOLERANCE:
                break
        return best

    def _at(self, bench: Trained, ratio: float) -> nn.Module:
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


_LOSS = dict(normalise='rise', per='cost', weigh='loss')
_RELATIVE = dict(relative=True)
RULES: dict[str, Rule | Peer] = {
    'relative, loss': Rule(_LOSS, _RELATIVE),
    'loss': Rule(_LOSS),
    'loss, running statistics': Rule(_LOSS, statistics=('eval',)),
    'loss, both statistics': Rule(_LOSS, statistics=('train', 'eval')),
    'relative, scores': Rule(dict(normalise='rise', per='cost', weigh='scores'), _RELATIVE),
    'reads': Rule(dict(normalise='rise', per='cost', weigh='reads')),
    'mean': Rule(dict(normalise='mean')),
    'none': Rule(dict(normalise='none')),
    'l2': Rule(dict(normalise='l2')),
    'isomorphic': Rule(dict(scope='isomorphic')),
    'layer': Rule(dict(scope='layer')),
    'Torch-Pruning local': Peer({}),
    'Torch-Pruning global': Peer(dict(global_pruning=True)),
    'Torch-Pruning isomorphic': Peer(dict(global_pruning=True, isomorphic=True)),
}
