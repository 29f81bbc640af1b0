"""Recipes of gradual pruning: one dataclass each, its fields with their defaults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency import Group
from mmrobustprune.dependency.attention import UNITS
from mmrobustprune.latency.selection import SOLVERS
from mmrobustprune.masks import MaskSet, RankedSelection, Selection
from mmrobustprune.masks.limits import limits_of, read_ratios
from mmrobustprune.masks.ranked import PER
from mmrobustprune.masks.ranking import SCOPES, WEIGH
from mmrobustprune.masks.select import NORMALISE, check_macs
from mmrobustprune.scores import build_score
from mmrobustprune.sharpness import build_ascent

from .facts import Facts
from .fields import (
    amount,
    check_above_zero,
    check_choice,
    check_forward,
    check_rules,
    check_target,
)
from .phases import Phase

BUDGETS = ('params', 'macs', 'channels')
PACE = 30  # rounds, and iterations between two, unless they are set
MEASURE = (True, False, 'loss')
ROOM = 1 / 3  # of the schedule, for rounds that are not set


def _magnitude() -> dict:
    return dict(type='Magnitude', p=2)


@dataclass(frozen=True)
class Recipe:
    """Gradual structured pruning: score, mask in rounds, remove once, fine-tune.

    Phases: `warmup` (nothing masked), then `prune`: `rounds` rounds of masks `interval` iterations
    apart, the removal with the last one, then `finetune` to the end of the base schedule. The
    number of units falls as k_r = m (1 - p)^(r / rounds); AdaSAP calls a unit a neuron.

    Args:
        target: fraction removed, in (0, 1), of `budget`.
        budget: 'params' | 'macs' | 'channels'.
        score: what a unit is worth; feeds the removal, and the radius of AdaSAP's rule.
        scope: units are ranked over the whole 'network', in each 'layer' by itself, or among the
            'isomorphic' groups, which are made of alike layers.
        normalise: how the scores of a group are scaled before groups compete: 'rise', 'share',
            'mean', 'max', 'l2' or 'none'.
        per: units compete by their score per 'unit', or per 'cost', the share of the budget that
            goes with them.
        weigh: what a group is worth as a whole: what the 'loss' of two training batches says when
            part of it is gone, measured before the first round; the sum of its squared 'scores';
            the square of the number of layers that read it ('reads'); 'none'.
        macs: the largest fraction of the MACs that may go along with another budget, in (0, 1);
            None is no limit.
        min_keep: fraction of each group of channels that always stays, in [0, 1).
        round_to: channel counts kept are multiples of this.
        ignore: module names (prefixes or patterns) that stay as they are.
        ratios: {pattern of layer names: the largest fraction of a group of channels that goes}, or
            the path of a JSON file that holds it, as `tools/analyze.py sensitivity` writes it.
        attention: what a unit of an attention is: 'dims' (one dimension of every head, of queries
            and keys or of values) or 'heads'.
        prune_frozen: whether layers that do not learn (no gradient, or a learning rate of 0) are
            pruned as well; they cannot recover what they lose.
        forward: 'package.module:function', called as `function(model, example)` instead of the
            model's own tensor forward, for a model that cannot be traced by that.
        warmup: length of the first phase: a fraction of the schedule in [0, 1), '3 epochs' or
            '300 iters'.
        rounds: rounds of masks; None is 30.
        interval: iterations between rounds; None is 30, or what `prune` says. Where neither is set
            and 30 rounds of 30 iterations take more than a third of the schedule, that third has
            as many rounds as there are iterations between two.
        prune: length of the pruning phase instead of `interval`, written as `warmup` is.
        rule: sharpness rule while units are scored and removed; None is plain training.
        finetune_rule: sharpness rule after the removal; None is plain training.
        ascent: what a rule makes its offset of: 'fresh' (a pass of its own), 'previous'
            or 'momentum' (one pass in all), 'look', 'sampled', 'part', or a dict(type=...) with the
            fields of one in `mmrobustprune.sharpness.ascents`.
        recalibrate: BatchNorm statistics are computed anew right after the removal over so many
            training images: '2000 images', '200 iters' or '0.5 epochs', at most one epoch; ''
            leaves them to the training that follows.
        measure: evaluate the validation set on both sides of the first and of the last mask, and
            after the statistics were computed anew; 'loss' adds the loss over its images, in
            evaluation mode (classifiers).

    Raises:
        ValueError: a field out of its range.
    """

    hook: ClassVar[str] = 'mmrobustprune.PrunePhaseHook'
    method: ClassVar[str] = 'Recipe'  # what the structure record says
    facts: ClassVar[Facts]
    budgets: ClassVar[tuple[str, ...]] = BUDGETS
    masks: ClassVar[type[MaskSet]] = MaskSet
    gradual: ClassVar[bool] = True  # whether rounds approach the target; else each meets it

    target: float
    budget: str = 'params'
    score: dict = field(default_factory=_magnitude)
    scope: str = 'network'
    normalise: str = 'rise'
    per: str = 'cost'
    weigh: str = 'loss'
    macs: float | None = None
    min_keep: float = 0.1
    round_to: int | None = None
    ignore: tuple[str, ...] = ()
    ratios: dict | str = field(default_factory=dict)
    attention: str = 'dims'
    prune_frozen: bool = False
    forward: str = ''
    warmup: float | str = 1 / 9
    rounds: int | None = None
    interval: int | None = None
    prune: float | str | None = None
    rule: dict | None = None
    finetune_rule: dict | None = None
    ascent: str | dict = 'fresh'
    recalibrate: str = '2000 images'
    measure: bool | str = True

    def phases(self) -> tuple[Phase, ...]:
        """The parts of the training, in order."""
        rounds = self.rounds or PACE
        length = self.prune
        if length is None:
            length = f'{rounds * (self.interval or PACE)} iters'
        room = ROOM if self.rounds is self.interval is self.prune is None else None
        return (
            Phase('warmup', self.warmup, rule=self.rule),
            Phase('prune', length, rounds, self.rule, room=room),
            Phase('finetune', rule=self.finetune_rule),
        )

    def chosen(self, model: nn.Module, groups: Iterable[Group]) -> tuple[Group, ...]:
        """The groups of channels that shrink, of those that can; by default all."""
        return tuple(groups)

    def selection(self, model: nn.Module, cost: CostModel) -> Selection:
        """What decides which units stay, where the budget is counted.

        Args:
            model: the dense network.
            cost: what is left of it when units go.
        """
        return RankedSelection(
            cost,
            budget=self.budget,
            scope=self.scope,
            min_keep=self.min_keep,
            round_to=self.round_to,
            limits=limits_of(model, cost.groups, self.ratios),
            normalise=self.normalise,
            per=self.per,
            weigh=self.weigh,
            macs=self.macs,
        )

    def check_amount(self) -> None:
        """Refuse (ValueError) a target that says nothing of how much goes."""
        check_target(self.target)

    def __post_init__(self):
        self.check_amount()
        check_forward(self.forward)
        amount(self.recalibrate)
        read_ratios(self.ratios)
        check_choice('budget', self.budget, self.budgets)
        check_choice('scope', self.scope, SCOPES)
        check_choice('attention', self.attention, UNITS)
        check_choice('normalise', self.normalise, NORMALISE)
        check_choice('per', self.per, PER)
        check_choice('weigh', self.weigh, WEIGH)
        if self.measure not in MEASURE:
            raise ValueError(
                f'robust_prune.measure={self.measure!r} is not allowed; choose True, False or '
                "'loss'."
            )
        check_macs(self.macs, self.budget, self.scope)
        if self.rounds is not None and self.rounds < 1:
            raise ValueError(
                f'robust_prune.rounds={self.rounds} is below 1; one round removes everything at '
                'once.'
            )
        if self.prune is not None and self.interval is not None:
            raise ValueError(
                f'robust_prune says prune={self.prune!r}, the length of all rounds, and '
                f'interval={self.interval!r}, the iterations between two; set one of them to None.'
            )
        if self.interval is not None and self.interval < 1:
            raise ValueError(
                f'robust_prune.interval={self.interval} is below 1; give iterations between '
                'rounds, or the length `prune`.'
            )
        if not 0 <= self.min_keep < 1:
            raise ValueError(
                f'robust_prune.min_keep={self.min_keep} is not in [0, 1); 0.1 keeps a tenth of '
                'each group.'
            )
        build_score(self.score)
        check_rules(self.rule, self.finetune_rule)
        build_ascent(self.ascent)


def _adasap() -> dict:
    return dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True)


def _uniform() -> dict:
    return dict(type='ASAM', rho=2.0, params='weight')


@dataclass(frozen=True)
class AdaSAPRecipe(Recipe):
    """AdaSAP (arXiv 2306.14306): a radius per neuron until the removal, then one for all."""

    method: ClassVar[str] = 'AdaSAP'
    facts: ClassVar[Facts] = Facts(
        paper='Bair et al., ICLR 2024',
        procedure='in rounds',
        final='that of the last round',
        data='training batches',
        cost='a second gradient in every step',
    )

    rule: dict | None = field(default_factory=_adasap)
    finetune_rule: dict | None = field(default_factory=_uniform)


@dataclass(frozen=True)
class AdaSAPLatencyRecipe(AdaSAPRecipe):
    """AdaSAP under a latency budget: the units of most score within T_r stay after round r.

    T_r = T (1 - target)^(r / rounds), and T is the dense network's measured time; the time of any
    widths comes from a table of measured blocks.

    Args:
        target: fraction of the dense network's time removed, in (0, 1); 0.5 is twice as fast.
        budget: 'latency'.
        round_to: channel counts kept are multiples of this, and so are the widths in the table.
        table: JSON file of measured blocks; '' is `<work_dir>/latency_table.json`. What it lacks
            is measured at the start.
        may_measure: False refuses a table that lacks something.
        batch: images per forward pass.
        shape: height and width in pixels; None is that of the first training image.
        seconds: at most, for measuring; other processes wait for it, so it must be shorter than
            the group's timeout.
        solver: 'exact' (the time of all widths together) or 'linearised' (HALP's step).
        normalise: how a group's scores are scaled before groups compete. HALP's scores are in
            units of the loss everywhere and need none; norms of filters need one.

    Raises:
        ValueError: a field out of its range; a table of another device, batch, precision or number
            of threads.
    """

    method: ClassVar[str] = 'AdaSAPLatency'
    facts: ClassVar[Facts] = replace(
        AdaSAPRecipe.facts,
        data='gradients of the training, a latency table',
        cost='a second gradient in every step, minutes of timing',
    )
    budgets: ClassVar[tuple[str, ...]] = ('latency',)

    budget: str = 'latency'
    score: dict = field(default_factory=lambda: dict(type='HALPTaylor'))
    round_to: int | None = 8
    table: str = ''
    may_measure: bool = True
    batch: int = 1
    shape: tuple[int, int] | None = None
    seconds: float = 300.0
    solver: str = 'exact'
    normalise: str = 'none'
    per: str = 'unit'
    weigh: str = 'none'

    def __post_init__(self):
        super().__post_init__()
        if self.scope != 'network':
            raise ValueError(
                f"robust_prune.scope='{self.scope}' goes with other budgets; a latency is that of "
                "the whole 'network'."
            )
        check_choice('solver', self.solver, SOLVERS)
        if (self.per, self.weigh, self.macs) != ('unit', 'none', None):
            raise ValueError(
                f"robust_prune.per='{self.per}', weigh='{self.weigh}' and macs={self.macs} go with "
                'other budgets; the solver of a latency knows the exact costs: leave them away.'
            )
        check_above_zero(batch=self.batch, seconds=self.seconds)


@dataclass(frozen=True)
class MagnitudeRecipe(Recipe):
    """Group L2 magnitude under plain training."""

    method: ClassVar[str] = 'Magnitude'
    facts: ClassVar[Facts] = Facts(
        paper='Fang et al., CVPR 2023',
        procedure='in rounds',
        final='that of the last round',
        data='two training batches',
    )


@dataclass(frozen=True)
class TaylorRecipe(Recipe):
    """First-order Taylor scores of the weights under plain training."""

    method: ClassVar[str] = 'Taylor'
    facts: ClassVar[Facts] = Facts(
        paper='Molchanov et al., CVPR 2019',
        procedure='in rounds',
        final='that of the last round',
        data='gradients of the training',
    )

    score: dict = field(default_factory=lambda: dict(type='Taylor'))
