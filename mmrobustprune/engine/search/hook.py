"""The hook that walks a training through dense training, a search of masks by learned scores, and fine-tuning."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook, Hook
from torch import nn

from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.optim.optim_wrapper import set_rule
from mmrobustprune.engine.pruning.cut import start_scores_afresh
from mmrobustprune.engine.pruning.hook import warn_of_random_weights
from mmrobustprune.engine.pruning.schedule import batches_per_epoch
from mmrobustprune.engine.pruning.validation import numbers_of, validate
from mmrobustprune.mask_search import ScoredNetwork, kept_masks
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.records.files import write_file
from mmrobustprune.registry import HOOKS

from .choice import CHOICES
from .files import write_plain, write_result
from .stages import Stages, begin_stage

KEY = 'robust_prune'


@HOOKS.register_module()
class MaskSearchHook(Hook):
    """Adversarial pruning by importance scores, with or without S2AP's perturbation of them.

    Every checkpoint's state_dict holds plain weights, the mask applied, which any tool loads; what a resumed run needs lies
    beside it. At the end `pruned.pth`, `pruned.py`, `masks.npz` and `stages.json` are in the work dir, and in `mask/` the network
    as the search left it, before fine-tuning.

    Args:
        recipe: name of a recipe; the other fields are the recipe's (`mmrobustprune.recipes.search`).

    Attributes:
        search: the network's scores, or None outside the search.
        stage: 'pretrain' | 'search' | 'finetune'.
    Raises:
        ValueError: an unknown recipe or field, stages that do not fit, a moving average of the weights, a checkpoint to resume
            that another training wrote within or after the search.
    """

    priority = 'ABOVE_NORMAL'

    def __init__(self, **recipe: Any) -> None:
        self.recipe = build_recipe(recipe)
        self.search: ScoredNetwork | None = None
        self.stage = 'pretrain'
        self.choice = CHOICES[self.recipe.select](self.recipe.metric)
        self.records: list[dict] = []
        self._plan: Stages | None = None
        self._resumed: dict | None = None
        self._perturbed: bool | None = None
        self._handle: Any = None

    # --- start ---------------------------------------------------------------------------------------------------------

    def plan(self, runner) -> Stages:
        """Where the stages of this run begin."""
        if self._plan is None:
            loop = runner.train_loop
            self._plan = Stages.plan(
                self.recipe, loop.max_iters, batches_per_epoch(loop.dataloader)
            )
        return self._plan

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Give the network the form that a resumed checkpoint has, before its weights are loaded."""
        saved = checkpoint.get(KEY)
        if not (runner._resume and saved):
            return
        self._resumed = saved
        if saved['stage'] != 'pretrain':
            plain = {
                name.replace('parametrizations.weight.original', 'weight'): value
                for name, value in saved['raw'].items()
            }
            unwrap(runner.model).load_state_dict(
                plain, strict=False
            )  # a fresh head may be all zero, which no host takes
            self._attach(runner)
            if saved['stage'] == 'finetune':
                self._bake(runner)
        self._begin(runner, saved['stage'])
        if saved['raw'] is not None:
            checkpoint['state_dict'] = saved['raw']

    def before_train(self, runner) -> None:
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ValueError(
                'a search of masks does not go together with EMAHook, whose average would mix masks; take it out of '
                'custom_hooks.'
            )
        plan = self.plan(runner)
        if self._resumed is None:
            if runner.iter > plan.search:
                raise ValueError(
                    f'the checkpoint to resume is at iteration {runner.iter}, where this search would have begun at '
                    f'{plan.search}, and holds no search; start from its weights with load_from instead of --resume.'
                )
            self._warn_of_test_pictures(runner)
            if plan.search:
                self._begin(runner, 'pretrain')
            runner.logger.info(
                f'search from iteration {plan.search}, perturbed after {plan.warmup} more, fine-tuning from '
                f'{plan.finetune} of {plan.total}'
            )
            return
        self.records = self._resumed['records']
        self.choice.load_state_dict(self._resumed['choice'])
        if self.search is not None:
            self.search.load_state_dict(self._resumed['search'])
        self._set_rule(runner, self._resumed['perturbed'])
        rule = getattr(runner.optim_wrapper, 'rule', None)
        if rule is not None and self._resumed['rule']:
            rule.load_state_dict(self._resumed['rule'])
        self._resumed = None

    # --- every iteration -----------------------------------------------------------------------------------------------

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        plan, iteration = self.plan(runner), runner.iter
        stage = plan.stage(iteration)
        epoch, first = plan.epoch(iteration)
        if self.search is not None and first and iteration > plan.search:
            self.search.end_epoch()
        if stage != self.stage:
            self._enter(runner, stage)
        if self.search is None:
            return
        if first:
            self.search.begin_epoch(epoch)
        if plan.perturbed(iteration) != self._perturbed:
            self._set_rule(runner, plan.perturbed(iteration))
        self.choice.before_iter(unwrap(runner.model), self.search.meets_target)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        losses = {
            'loss': (outputs or {}).get('loss'),
            'loss of the second pass': getattr(runner.optim_wrapper, 'perturbed_loss', None),
        }
        for name, loss in losses.items():
            if loss is not None and not math.isfinite(float(loss.detach())):
                raise ValueError(
                    f"the {name} of stage '{self.stage}' is {float(loss)} at iteration {runner.iter}; nothing is saved over the "
                    'last checkpoint: lower the learning rate or robust_prune.gamma and resume.'
                )
        if self.search is not None:
            self.choice.after_iter(outputs['loss'], runner.iter)

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        metrics = metrics or {}
        if self._plan is None:  # no training
            return
        if self.search is not None:
            self.choice.after_val(
                unwrap(runner.model), metrics, self.search.meets_target, runner.iter
            )
        elif self.stage == 'pretrain':
            self.choice.check(metrics)  # rather than after all the dense epochs
        else:
            self.records[-1]['metric_last'] = numbers_of(metrics)
            self._write_records(runner)

    def after_train(self, runner) -> None:
        if self.search is not None:  # a search that nothing follows
            self.search.end_epoch()
            self._enter(runner, 'finetune')
        if self.stage == 'finetune':
            on_main(lambda: write_result(runner, self.recipe))
        else:
            runner.logger.warning(
                f'nothing was pruned: the training ended at iteration {runner.iter} and the search was due from '
                f'{self.plan(runner).search}; let early stopping wait longer, or shorten robust_prune.pretrain, and resume.'
            )

    # --- stages --------------------------------------------------------------------------------------------------------

    def _enter(self, runner, stage: str) -> None:
        model, record = unwrap(runner.model), dict(stage=stage, iteration=runner.iter)
        start_scores_afresh(runner, before=self.stage)
        if self.stage == 'pretrain':
            if self.plan(runner).search == 0 and self.recipe.build_host().needs_weights:
                warn_of_random_weights(runner)
            if self.recipe.measure:
                record['metric_before'] = validate(runner)
                self.choice.check(record['metric_before'])
            self._attach(runner)
        if stage == 'finetune':
            self.choice.restore(model)
            at = runner.iter if self.choice.iteration is None else self.choice.iteration
            record.update(
                chosen=self.choice.value,
                chosen_at=at,
                removed=self.search.ratio(),
                kept=self.search.kept(),
                meets_target=self.search.meets_target(),
            )
            if not record['meets_target']:
                runner.logger.warning(
                    f'the mask taken does not meet the target of {self.recipe.target:g}: it removes {record["removed"]:.4f} of the '
                    "weights; search for more epochs, raise the penalty (host=dict(type='HARP', growth=...)), or take "
                    "robust_prune.select='best'."
                )
            if (
                self.recipe.perturb != 'none'
                and at <= self.plan(runner).search + self.plan(runner).warmup
            ):
                runner.logger.warning(
                    f'the mask taken is that of iteration {at}, of the warm-up, in which nothing was perturbed.'
                )
            self._bake(runner)
            on_main(lambda: write_plain(runner, Path(runner.work_dir) / 'mask'))
        self._begin(runner, stage)
        if self.recipe.measure:
            record['metric_after'] = validate(runner)
        self.records.append(record)
        self._write_records(runner)
        runner.logger.info(
            f'stage {stage} from iteration {runner.iter}: '
            + ', '.join(
                f'{key} {value}'
                for key, value in record.items()
                if key.startswith(('metric', 'removed'))
            )
        )

    def _write_records(self, runner) -> None:
        on_main(
            lambda: write_file(
                Path(runner.work_dir) / 'stages.json', json.dumps(self.records, indent=1).encode()
            )
        )

    def _warn_of_test_pictures(self, runner) -> None:
        data = [
            (runner.cfg.get(f'{kind}_dataloader') or {}).get('dataset') for kind in ('val', 'test')
        ]
        if self.recipe.select == 'best' and data[0] and data[0] == data[1]:
            runner.logger.warning(
                "robust_prune.select='best' chooses the mask by the pictures that also test; give val_dataloader "
                'pictures held out of the training set.'
            )

    def _attach(self, runner) -> None:
        model = unwrap(runner.model)
        self.search = self.recipe.build_host().attach(model)
        self._handle = model.register_forward_hook(self._add_penalty, with_kwargs=True)

    def _bake(self, runner) -> None:
        self.search.bake(zero=self.recipe.zero_pruned)
        self._handle.remove()
        self.search = None

    def _begin(self, runner, stage: str) -> None:
        begin, end = self.plan(runner).span(stage)
        self.stage, self._perturbed = stage, None
        if stage == 'search':
            groups = [dict(params=list(self.search.trained_parameters()))]
            if (
                self.recipe.perturb == 'weights'
            ):  # they need gradients to climb by, and never a step
                groups.append(self.search.climbable_weights())
            begin_stage(runner, end - begin, groups, self.recipe.search_optimizer)
        elif stage == 'finetune':
            if end > begin:
                begin_stage(
                    runner, end - begin, unwrap(runner.model), self.recipe.finetune_optimizer
                )
            self._set_rule(runner, False)
        else:
            begin_stage(runner, end - begin)

    def _set_rule(self, runner, perturbed: bool | None) -> None:
        self._perturbed = perturbed
        if self.stage == 'finetune':
            rule = self.recipe.awp_rule()
            if rule is not None:
                rule.set_masks(kept_masks(unwrap(runner.model)))
        else:
            rule = self.recipe.search_rule() if perturbed else None
        set_rule(runner.optim_wrapper, rule)

    def _add_penalty(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        penalty = self.search.penalty() if kwargs.get('mode') == 'loss' else None
        return output if penalty is None else dict(output, loss_rate=penalty)

    # --- checkpoints ---------------------------------------------------------------------------------------------------

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        model, raw = unwrap(runner.model), None
        if self.search is not None:
            self.search.check()
        if self.stage != 'pretrain':
            raw = checkpoint['state_dict']
            checkpoint['state_dict'] = {
                k: v.cpu() for k, v in ScoredNetwork.plain_state(model).items()
            }
        rule = getattr(runner.optim_wrapper, 'rule', None)
        checkpoint[KEY] = dict(
            stage=self.stage,
            raw=raw,
            records=self.records,
            choice=self.choice.state_dict(),
            perturbed=self._perturbed,
            search=None if self.search is None else self.search.state_dict(),
            rule=None if rule is None else rule.state_dict(),
        )
