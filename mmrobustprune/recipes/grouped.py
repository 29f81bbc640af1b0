"""Recipes of grouped-kernel pruning: SR-GKP and TMI-GKP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from mmrobustprune.grouped_kernels import build_grouping, build_search
from mmrobustprune.grouped_kernels.forms import check_form
from mmrobustprune.sharpness import build_ascent

from .facts import Facts
from .fields import amount, check_forward, check_rules, check_target
from .phases import Phase


@dataclass(frozen=True)
class GroupedKernelRecipe:
    """SR-GKP (NeurIPS 2023): once, before training, few input channels per group of filters stay.

    Filters are grouped by smoothness and a beam search chooses the channels; the schedule is
    fine-tuning.

    Args:
        target: fraction of the kernels removed from every chosen layer, in (0, 1); what is left
            must be a whole number of channels.
        groups: of filters, in every chosen layer.
        layers: '3x3', 'all' (both without stems and shortcuts), or module names, prefixes and
            patterns.
        part: child of the model in which '3x3' and 'all' choose; '' is all of it.
        search: which kernels stay: 'beam', 'official', 'greedy', 'l2', ..., or dict(type=...).
        grouping: which filters form a group: 'snaking', 'ordered', 'random', 'clustered', 'dbscan',
            'tmi', or dict(type=...).
        pointwise: another search for 1x1 convolutions; None is the same.
        snapshots: checkpoints of earlier epochs (paths or patterns) for grouping='tmi'.
        snapshot_epochs: first and last of them that are taken, by the number in the file's name;
            None takes all.
        ignore: module names (prefixes or patterns) that stay as they are.
        prune_frozen: whether layers that do not learn (no gradient, or a learning rate of 0) are
            chosen by kind as well; they cannot recover what they lose.
        forward: 'package.module:function', called as `function(model, example)` instead of the
            model's own tensor forward, for a model that cannot be traced by that.
        form: 'fastest', 'grouped' or 'dense': how the pruned layers compute in training, see
            `grouped_kernels.set_form`.
        finetune_rule: sharpness rule of the fine-tuning; None is plain training.
        ascent: what the rule makes its offset of, as for gradual recipes.
        recalibrate: BatchNorm statistics are computed anew right after the surgery over so many
            training images: '2000 images', '200 iters' or '0.5 epochs', at most one epoch; ''
            leaves them to the training that follows.
        measure: evaluate the validation set on both sides of the surgery, and after the statistics
            were computed anew.

    Raises:
        ValueError: a field out of its range.
    """

    hook: ClassVar[str] = 'mmrobustprune.GroupedKernelHook'
    facts: ClassVar[Facts] = Facts(paper='Zhong et al., NeurIPS 2023', unit='grouped kernel')

    target: float
    groups: int = 8
    layers: str | tuple[str, ...] = '3x3'
    part: str = 'backbone'
    search: str | dict = 'beam'
    grouping: str | dict = 'snaking'
    pointwise: str | dict | None = None
    snapshots: tuple[str, ...] = ()
    snapshot_epochs: tuple[int, int] | None = None
    ignore: tuple[str, ...] = ()
    prune_frozen: bool = False
    forward: str = ''
    form: str = 'fastest'
    finetune_rule: dict | None = None
    ascent: str | dict = 'fresh'
    recalibrate: str = '2000 images'
    measure: bool = True

    def phases(self) -> tuple[Phase, ...]:
        """The parts of the training, in order; the surgery comes before the first."""
        return (Phase('finetune', rule=self.finetune_rule),)

    def __post_init__(self):
        check_target(self.target)
        check_forward(self.forward)
        amount(self.recalibrate)
        check_form(self.form)
        for search in filter(None, (self.search, self.pointwise)):
            build_search(search)
        if self.grouping != 'tmi':
            build_grouping(self.grouping)
        if (self.grouping == 'tmi') != bool(self.snapshots):
            raise ValueError(
                f'robust_prune.grouping={self.grouping!r} has {len(self.snapshots)} snapshots; TMI '
                "alone needs them: give snapshots=('work_dirs/dense/epoch_*.pth',) with "
                "grouping='tmi'."
            )
        _check_epochs(self.snapshot_epochs)
        check_rules(self.finetune_rule)
        build_ascent(self.ascent)


@dataclass(frozen=True)
class EveryConvolutionRecipe(GroupedKernelRecipe):
    """What SR-GKP's released code does to all convolutions: other ways than the paper's for 3x3.

    Filters are dealt out by the signed sum of their weights, of 1x1 and 3x3 convolutions alike, and
    1x1 convolutions are searched greedily.
    """

    layers: str | tuple[str, ...] = 'all'
    search: str | dict = 'official'
    grouping: str | dict = field(default_factory=lambda: dict(type='snaking', by='sum'))
    pointwise: str | dict | None = 'greedy'


@dataclass(frozen=True)
class TMIGroupedKernelRecipe(GroupedKernelRecipe):
    """TMI-GKP (ICLR 2022): groups by what training did to the filters, a greedy search.

    The snapshots are those of epochs 35 to 70, as in its released code.
    """

    facts: ClassVar[Facts] = Facts(
        paper='Zhong et al., ICLR 2022',
        unit='grouped kernel',
        data='checkpoints of the training',
        setup='needs the epochs of the dense training',
    )

    search: str | dict = 'tmi'
    grouping: str | dict = 'tmi'
    snapshot_epochs: tuple[int, int] | None = (35, 70)


def _check_epochs(epochs: Any) -> None:
    """Refuse (ValueError) what is no first and last epoch; None takes all."""
    if epochs is None:
        return
    if not (isinstance(epochs, (tuple, list)) and len(epochs) == 2 and epochs[0] <= epochs[1]):
        raise ValueError(
            f'robust_prune.snapshot_epochs={epochs!r} is no first and last epoch; give two numbers '
            'such as (35, 70), or None for all.'
        )
