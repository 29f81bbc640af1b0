"""Stages of a mask search: dense training, search, fine-tuning, each with an optimizer and a schedule of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS
from torch import nn

from mmrobustprune.engine.bridge.config import type_name
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.pruning.schedule import iterations

STAGES = ('pretrain', 'search', 'finetune')


@dataclass(frozen=True)
class Stages:
    """The plan of one run; every question is answered from the iteration alone, so a resumed run agrees.

    Args:
        search, finetune: first iteration of the stage.
        total: iterations of the whole schedule.
        per_epoch: iterations of an epoch.
        warmup: iterations of the search before the perturbation begins.
    """

    search: int
    finetune: int
    total: int
    per_epoch: int
    warmup: int

    @classmethod
    def plan(cls, recipe: Any, total: int, per_epoch: int) -> Stages:
        """Fit `recipe` (a `MaskSearch`) into a schedule of `total` iterations.

        Raises:
            ValueError: the stages are longer than the schedule, or the search has no length.
        """
        begin = iterations(recipe.pretrain, 'pretrain', total, per_epoch)
        length = (
            total - begin
            if recipe.search is None
            else iterations(recipe.search, 'search', total, per_epoch)
        )
        if length < 1 or begin + length > total:
            raise ValueError(
                f'robust_prune.pretrain takes {begin} iterations and robust_prune.search {length} of a schedule of {total}; the '
                'search needs at least one and both must fit: shorten them, or lengthen the schedule.'
            )
        return cls(
            begin,
            begin + length,
            total,
            per_epoch,
            iterations(recipe.warmup, 'warmup', length, per_epoch),
        )

    def stage(self, iteration: int) -> str:
        """'pretrain' | 'search' | 'finetune', the stage of one iteration (counted from 0)."""
        return STAGES[(iteration >= self.search) + (iteration >= self.finetune)]

    def span(self, stage: str) -> tuple[int, int]:
        """First iteration of a stage, and the one after its last."""
        bounds = (0, self.search, self.finetune, self.total)
        place = STAGES.index(stage)
        return bounds[place], bounds[place + 1]

    def epoch(self, iteration: int) -> tuple[int, bool]:
        """Epoch of the stage in which an iteration falls, and whether it is the epoch's first."""
        done = iteration - self.span(self.stage(iteration))[0]
        return done // self.per_epoch, done % self.per_epoch == 0

    def perturbed(self, iteration: int) -> bool:
        """Whether the search's perturbation is on."""
        return self.search + self.warmup <= iteration < self.finetune


def begin_stage(
    runner, length: int, params: Iterable | nn.Module | None = None, changes: dict | None = None
) -> None:
    """A cosine schedule over `length` iterations and, for given parameters, a fresh optimizer of the base's kind.

    Without parameters the base's schedule goes on as far as its warm-up: linear or constant from the first iteration.

    Args:
        params: parameters, parameter groups, or a module, whose groups the base's `paramwise_cfg` makes; None keeps the optimizer.
        changes: fields of the base's optimizer that differ.
    Raises:
        ValueError: a warm-up as long as the stage.
    """
    wrapper = runner.optim_wrapper
    if params is None:
        for (
            group
        ) in wrapper.optimizer.param_groups:  # undo what the base's schedule did to the first step
            group['lr'] = group.get('initial_lr', group['lr'])
    else:
        base = {
            key: value
            for key, value in runner.cfg.optim_wrapper.optimizer.items()
            if key != '_scope_'
        } | (changes or {})
        wrapper.optimizer = (
            build_optim_wrapper(params, dict(runner.cfg.optim_wrapper, optimizer=base)).optimizer
            if isinstance(params, nn.Module)
            else OPTIMIZERS.build(dict(base, params=list(params)))
        )
        runner.param_schedulers = []  # those of the stage before would keep it from scaling
        runner.scale_lr(wrapper, runner.auto_scale_lr)
    warmup = _warmup(runner) if params is None else []
    begin = max((one.end for one in warmup), default=0)
    if begin >= length:
        raise ValueError(
            f"the base's warm-up takes {begin} iterations and the dense stage only {length}; shorten param_scheduler's "
            'warm-up or lengthen robust_prune.pretrain.'
        )
    runner.param_schedulers = [
        *warmup,
        PARAM_SCHEDULERS.build(
            dict(
                type='CosineAnnealingLR',
                optimizer=wrapper,
                T_max=length - begin,
                begin=begin,
                end=length,
                by_epoch=False,
            )
        ),
    ]
    if is_model_wrapper(runner.model):  # its reducer knows the parameters of before
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), unwrap(runner.model))


def _warmup(runner) -> list:
    """The base's linear or constant schedules of the first iterations, counted in iterations."""
    base, found = runner.cfg.get('param_scheduler') or [], []
    for one in [base] if isinstance(base, dict) else base:
        if (
            type_name(one['type']) in ('LinearLR', 'ConstantLR')
            and not one.get('begin')
            and one.get('end')
        ):
            one = dict(one)
            if one.get('by_epoch', True):
                one['convert_to_iter_based'] = True
            found += runner.build_param_scheduler(one)
    return found
