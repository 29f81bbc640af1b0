"""Phases of a mask search, each with an optimizer and a schedule of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS
from mmengine.runner import Runner
from torch import nn
from torch.optim import Optimizer

from mmrobustprune.engine.bridge.config import type_name
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.pruning.schedule import Plan, iterations
from mmrobustprune.recipes.search import MaskSearch


@dataclass(frozen=True)
class SearchTimes:
    """When a search begins, perturbs and ends; each question is answered from the iteration alone.

    Attributes:
        plan: the phases 'pretrain', 'search' and 'finetune'.
        per_epoch: iterations of an epoch.
        warmup: iterations of the search before the perturbation begins.
    """

    plan: Plan
    per_epoch: int
    warmup: int

    @classmethod
    def of(cls, recipe: MaskSearch, plan: Plan, per_epoch: int) -> SearchTimes:
        """Those of a plan.

        Raises:
            ValueError: the phases are longer than the schedule, or the search has no length.
        """
        dense = plan.span('pretrain').end
        search = plan.span('search')
        length = search.end - search.begin
        if length < 1 or search.end > plan.total:
            raise ValueError(
                f'robust_prune.pretrain takes {dense} iterations and robust_prune.search {length} '
                f'of a schedule of {plan.total}; the search needs at least one and both must fit: '
                'shorten them, or lengthen the schedule.'
            )
        return cls(plan, per_epoch, iterations(recipe.warmup, 'warmup', length, per_epoch))

    @property
    def search(self) -> int:
        """First iteration of the search."""
        return self.plan.span('search').begin

    @property
    def finetune(self) -> int:
        """The iteration after the last one of the search."""
        return self.plan.span('search').end

    @property
    def perturbing(self) -> int:
        """First iteration of the search at which something is perturbed."""
        return self.search + self.warmup

    def epoch(self, iteration: int) -> tuple[int, bool]:
        """Epoch of the phase in which an iteration falls, and whether it is the epoch's first."""
        done = iteration - self.plan.at(iteration).begin
        return done // self.per_epoch, done % self.per_epoch == 0

    def perturbed(self, iteration: int) -> bool:
        """Whether the search's perturbation is on."""
        return self.perturbing <= iteration < self.finetune


def begin_phase(
    runner: Runner,
    length: int,
    params: Iterable | nn.Module | None = None,
    changes: dict | None = None,
) -> None:
    """A cosine schedule and, for given parameters, a fresh optimizer of the base's kind.

    Without parameters the base's schedule goes on as far as its warm-up: linear or constant from
    the first iteration.

    Args:
        runner: the training.
        length: iterations of the phase.
        params: parameters, parameter groups, or a module, whose groups the base's `paramwise_cfg`
            makes; None keeps the optimizer.
        changes: fields of the base's optimizer that differ.

    Raises:
        ValueError: a warm-up as long as the phase.
    """
    wrapper = runner.optim_wrapper
    warmup = []
    if params is None:
        # undo what the base's schedule did to the first step
        for group in wrapper.optimizer.param_groups:
            group['lr'] = group.get('initial_lr', group['lr'])
        warmup = _warmup(runner)
    else:
        wrapper.optimizer = _optimizer(runner, params, changes or {})
        runner.param_schedulers = []  # those of the phase before would keep it from scaling
        runner.scale_lr(wrapper, runner.auto_scale_lr)
    begin = max((one.end for one in warmup), default=0)
    if begin >= length:
        raise ValueError(
            f"the base's warm-up takes {begin} iterations and the dense phase only {length}; "
            "shorten param_scheduler's warm-up or lengthen robust_prune.pretrain."
        )
    cosine = dict(
        type='CosineAnnealingLR',
        optimizer=wrapper,
        T_max=length - begin,
        begin=begin,
        end=length,
        by_epoch=False,
    )
    runner.param_schedulers = [*warmup, PARAM_SCHEDULERS.build(cosine)]
    if is_model_wrapper(runner.model):  # its reducer knows the parameters of before
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), unwrap(runner.model))


def change_length(runner: Runner, length: int, done: int) -> None:
    """Let the cosine of a resumed phase end with a schedule of another length.

    Args:
        runner: the training, resumed in a phase that `begin_phase` began.
        length: iterations of the phase.
        done: iterations of it that are done.
    """
    cosine = runner.param_schedulers[-1]
    if cosine.end == length:
        return
    cosine.end = length
    cosine.T_max = length - cosine.begin
    if done < cosine.begin:  # still in the warm-up
        return
    cosine.last_step = done - cosine.begin  # it stood still at its old end
    share = (1 + math.cos(math.pi * cosine.last_step / cosine.T_max)) / 2
    for group in runner.optim_wrapper.optimizer.param_groups:
        group['lr'] = share * group['initial_lr']


def _optimizer(runner: Runner, params: Any, changes: dict) -> Optimizer:
    given = runner.cfg.optim_wrapper.optimizer.items()
    base = {key: value for key, value in given if key != '_scope_'} | changes
    if isinstance(params, nn.Module):
        config = dict(runner.cfg.optim_wrapper, optimizer=base)
        return build_optim_wrapper(params, config).optimizer
    return OPTIMIZERS.build(dict(base, params=list(params)))


def _warmup(runner: Runner) -> list:
    """The base's linear or constant schedules of the first iterations, counted in iterations."""
    base = runner.cfg.get('param_scheduler') or []
    found = []
    for one in [base] if isinstance(base, dict) else base:
        gradual = type_name(one['type']) in ('LinearLR', 'ConstantLR')
        if gradual and not one.get('begin') and one.get('end'):
            one = dict(one)
            if one.get('by_epoch', True):
                one['convert_to_iter_based'] = True
            found += runner.build_param_scheduler(one)
    return found
