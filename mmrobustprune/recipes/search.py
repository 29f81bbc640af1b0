"""Recipes of a search of masks by learned scores: S2AP around HYDRA, HARP and RLTH."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mmrobustprune.mask_search import Host, build_host
from mmrobustprune.sharpness import Rule, build_ascent, build_rule

from .facts import Facts
from .fields import check_choice, check_forward
from .phases import Phase


def _of_scores(gamma: float, fields: Mapping[str, Any]) -> Rule:
    return build_rule(dict(type='S2AP', gamma=gamma) | dict(fields))


def _of_weights(gamma: float, fields: Mapping[str, Any]) -> Rule:
    return build_rule(dict(type='AWP', gamma=gamma, params=['*.weight.original']) | dict(fields))


def _none(gamma: float, fields: Mapping[str, Any]) -> None:
    return None


# perturb -> the rule of the search, from gamma and the fields in `rule`
PERTURB: dict[str, Callable[[float, Mapping[str, Any]], Rule | None]] = dict(
    scores=_of_scores, weights=_of_weights, none=_none
)
SELECT = ('last', 'best', 'loss')
UPDATE = ('optimizer', 'normalised')


@dataclass(frozen=True)
class MaskSearch:
    """S2AP (score-space sharpness minimisation) around an adversarial pruning method.

    Phases: `pretrain` (dense), `search` (scores learn, weights stand still), `finetune`: the kept
    weights learn to the end of the base schedule. Each starts with a fresh optimizer, the base's
    with other fields, and its learning rate falls as a cosine, in the dense phase after the base's
    own warm-up.

    Args:
        target: fraction of the weights removed, in (0, 1), with form='channel' of the host of the
            channels or, with its budget='flops', of the FLOPs; S2AP's k is 1 - target.
        host: the method, dict(type='HYDRA' | 'HARP' | 'RLTH', ...); form='channel' scores input
            channels, keep_filters=True lets no filter lose all its weights.
        ignore: module names or patterns without scores.
        prune_frozen: whether layers that do not learn (no gradient, or a learning rate of 0) get
            scores as well; they cannot recover what they lose.
        forward: 'package.module:function', called as `function(model, example)` instead of the
            model's own tensor forward, where channels that nothing reads any more are taken out.
        pretrain: length of the dense phase: a fraction of the schedule in [0, 1), '3 epochs' or
            '300 iters'; 0 starts from `load_from`.
        search: length of the search, written as `pretrain` is; None takes all that is left.
        warmup: length, as above but as a fraction of the search, in which the host searches alone.
        gamma: radius of the perturbation relative to each layer's norm; 0 is the host itself, bit
            for bit.
        perturb: 'scores' (S2AP), 'weights' (adversarial weight perturbation) or 'none' (the host,
            one pass, fine-tuning too; `gamma` and `rule` are not read, so that a config becomes its
            host's by this field alone).
        rule: other fields of the sharpness rule.
        finetune_gamma: radius while fine-tuning, of adversarial perturbations of the kept weights;
            None is gamma, and 0 where perturb is 'none'.
        finetune_rule: other fields of `MaskedAWP`.
        ascent: what both rules make their offsets of: 'fresh' (a pass of its own), 'previous'
            or 'momentum' (one pass in all), 'look', 'sampled', 'part', or a dict(type=...) with the
            fields of one in `mmrobustprune.sharpness.ascents`.
        search_optimizer: fields of the base's optimizer that differ in the search.
        update: the scores take the 'optimizer's steps, or those of g / ||g||, 'normalised' over all
            scores (Algorithm 1 as printed, with momentum=0 and weight_decay=0 above).
        finetune_optimizer: those fields that differ in the fine-tuning.
        select: the mask taken is the 'last', that with the 'best' `metric` among validations which
            meet the target, or that with the least 'loss' of a batch (Algorithm 1 as printed).
        metric: of the validation, higher is better.
        zero_pruned: the pruned weights become zero; False leaves them hidden under the mask until
            the end.
        measure: validate with the dense weights, the mask alone and, as always, while fine-tuning.

    Raises:
        ValueError: a field out of its range.
    """

    hook: ClassVar[str] = 'mmrobustprune.MaskSearchHook'
    facts: ClassVar[Facts] = Facts(
        paper='S2AP, submitted to ICLR 2026',
        unit='weight',
        procedure='a search of scores, then once',
        result='masked',
        final='that of the end of the search',
        data='training batches under attack',
        cost='a second gradient in every step of the search',
    )

    target: float
    host: dict = field(default_factory=lambda: dict(type='HYDRA'))
    ignore: tuple[str, ...] = ()
    prune_frozen: bool = False
    forward: str = ''
    pretrain: float | str = 0
    search: float | str | None = 1 / 6
    warmup: float | str = 0.25
    gamma: float = 1e-3
    perturb: str = 'scores'
    rule: dict = field(default_factory=dict)
    finetune_gamma: float | None = None
    finetune_rule: dict = field(default_factory=dict)
    ascent: str | dict = 'fresh'
    search_optimizer: dict = field(default_factory=lambda: dict(lr=0.1))
    update: str = 'optimizer'
    finetune_optimizer: dict = field(default_factory=lambda: dict(lr=0.01))
    select: str = 'last'
    metric: str = 'attacked/pgd'
    zero_pruned: bool = True
    measure: bool = True

    def __post_init__(self):
        check_choice('perturb', self.perturb, PERTURB)
        check_choice('select', self.select, SELECT)
        check_choice('update', self.update, UPDATE)
        check_forward(self.forward)
        self.build_host()
        self.search_rule()
        self.awp_rule()
        build_ascent(self.ascent)

    def phases(self) -> tuple[Phase, ...]:
        """The parts of the training, in order; `search_rule` and `awp_rule` are their rules."""
        return (
            Phase('pretrain', self.pretrain),
            Phase('search', self.search),
            Phase('finetune'),
        )

    @property
    def of_channels(self) -> bool:
        """Whether masks are of whole input channels, so that the network can really shrink."""
        return self.host.get('form') == 'channel'

    def build_host(self, frozen: Sequence[str] = ()) -> Host:
        """The method, with the target and what it leaves out: `ignore`, and these layers."""
        return build_host(dict(self.host, target=self.target, ignore=(*self.ignore, *frozen)))

    def search_rule(self) -> Rule | None:
        """Where scores move before the second gradient is taken."""
        return PERTURB[self.perturb](self.gamma, self.rule)

    def awp_rule(self) -> Rule | None:
        """Where kept weights move while fine-tuning; None for radius 0."""
        gamma = self.finetune_gamma
        if gamma is None:
            gamma = 0 if self.perturb == 'none' else self.gamma
        if not gamma:
            return None
        return build_rule(dict(type='MaskedAWP', gamma=gamma, **self.finetune_rule))


@dataclass(frozen=True)
class S2APHydra(MaskSearch):
    """S2AP on HYDRA (Sehwag et al., NeurIPS 2020): the same rate in every layer."""


@dataclass(frozen=True)
class S2APHarp(MaskSearch):
    """S2AP on HARP (Zhao and Wressnegger, ICLR 2023): rates per layer, under a growing penalty."""

    host: dict = field(default_factory=lambda: dict(type='HARP'))
    select: str = 'best'


@dataclass(frozen=True)
class S2APRlth(MaskSearch):
    """S2AP on robust lottery tickets (Fu et al., NeurIPS 2021): the random weights never learn."""

    host: dict = field(default_factory=lambda: dict(type='RLTH'))
    search: float | str | None = None
    select: str = 'best'


SEARCHES: dict[str, type] = dict(s2ap_hydra=S2APHydra, s2ap_harp=S2APHarp, s2ap_rlth=S2APRlth)
