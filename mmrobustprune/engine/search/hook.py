"""The hook that walks a training through dense training, a search of masks, and fine-tuning."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from torch import Tensor

from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.optim.optim_wrapper import SharpnessMixin
from mmrobustprune.engine.pruning.frozen import frozen_layers, frozen_line
from mmrobustprune.engine.pruning.hook import KEY, PruningHook, warn_of_random_weights
from mmrobustprune.engine.pruning.removal import reset_best_metrics
from mmrobustprune.engine.pruning.validation import numbers_of, validate
from mmrobustprune.mask_search import ScoredNetwork, kept_masks
from mmrobustprune.records.files import write_file
from mmrobustprune.registry import HOOKS

from .choice import CHOICES
from .files import write_plain, write_result, write_scores
from .phases import SearchTimes, begin_phase, change_length
from .update import UPDATES
from .watch import SearchWatch


@HOOKS.register_module()
class MaskSearchHook(PruningHook):
    """Adversarial pruning by importance scores, with or without S2AP's perturbation of them.

    Every checkpoint's state_dict holds plain weights, the mask applied, which any tool loads; what
    a resumed run needs lies beside it. At the end `pruned.pth`, `pruned.py`, `masks.npz` and
    `stages.json` are in the work dir, and in `mask/` the network as the search left it, before
    fine-tuning, and with its scores (`scores.pth`, for `tools/analyze.py sharpness`).

    Args:
        recipe: name of a recipe; the other fields are the recipe's, see
            `mmrobustprune.recipes.search`.

    Attributes:
        search: the network's scores, or None outside the search.
        phase: 'pretrain' | 'search' | 'finetune'; a checkpoint and stages.json call it `stage`.

    Raises:
        ValueError: an unknown recipe or field, phases that do not fit, a moving average of the
            weights, a checkpoint to resume that another training wrote within or after the search.
    """

    kind = 'search'
    removes = False

    def __init__(self, **recipe: Any) -> None:
        super().__init__(**recipe)
        self.search: ScoredNetwork | None = None
        self.phase = 'pretrain'
        self.choice = CHOICES[self.recipe.select](self.recipe.metric)
        self.records: list[dict] = []
        self.times: SearchTimes | None = None
        self.watch: SearchWatch | None = None
        self._perturbed: bool | None = None

    # --- start ------------------------------------------------------------------------------------

    def check_plan(self) -> None:
        self.times = SearchTimes.of(self.recipe, self.plan, self.per_epoch)

    def begins(self) -> int:
        return self.times.search

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give the network the form of a resumed checkpoint, before its weights are loaded."""
        super().after_load_checkpoint(runner, checkpoint)
        saved = self._resumed
        if saved is None:
            return
        self.set_plan(runner)
        if saved['stage'] != 'pretrain':
            plain = {
                name.replace('parametrizations.weight.original', 'weight'): value
                for name, value in saved['raw'].items()
            }
            # a fresh head may be all zero, which no host takes
            unwrap(runner.model).load_state_dict(plain, strict=False)
            self._attach(runner)
            if saved['stage'] == 'finetune':
                self._bake()
        self._begin(runner, saved['stage'])
        if saved['raw'] is not None:
            checkpoint['state_dict'] = saved['raw']

    def before_train(self, runner: Runner) -> None:
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ValueError(
                'a search of masks does not go together with EMAHook, whose average would mix '
                'masks; take it out of custom_hooks.'
            )
        super().before_train(runner)
        if self._resumed is not None:
            self._go_on(runner)
            return
        self._warn_of_test_images(runner)
        if self.times.search:
            self._begin(runner, 'pretrain')
        frozen = self._frozen(runner)
        if frozen:
            runner.logger.info(frozen_line(frozen))
        runner.logger.info(
            f'search from iteration {self.times.search}, perturbed after {self.times.warmup} more, '
            f'fine-tuning from {self.times.finetune} of {self.plan.total}'
        )

    def _go_on(self, runner: Runner) -> None:
        """Take up the state of a resumed run."""
        saved = self._resumed
        self.records = saved['records']
        self.choice.load_state_dict(saved['choice'])
        if self.search is not None:
            self.search.load_state_dict(saved['search'])
            self.watch.load_state_dict(saved['watch'])
        span = self.plan.span(self.phase)
        if span.end > span.begin:
            change_length(runner, span.end - span.begin, runner.iter - span.begin)
        self._set_rule(runner, saved['perturbed'])
        self._resumed = None

    def _frozen(self, runner: Runner) -> list[str]:
        if self.recipe.prune_frozen:
            return []
        return frozen_layers(unwrap(runner.model), runner.optim_wrapper.optimizer)

    # --- every iteration --------------------------------------------------------------------------

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        iteration = runner.iter
        phase = self.plan.at(iteration).name
        epoch, first = self.times.epoch(iteration)
        if self.search is not None and first and iteration > self.times.search:
            self._end_epoch(runner)
        if phase != self.phase:
            self._enter(runner, phase)
        if self.search is not None:
            if first:
                self.search.begin_epoch(epoch)
            if self.times.perturbed(iteration) != self._perturbed:
                self._set_rule(runner, self.times.perturbed(iteration))
            self._tell_rate(runner)
            self.choice.before_iter(unwrap(runner.model), self.search.meets_target)
        super().before_train_iter(runner, batch_idx, data_batch)

    def penalties(self, runner: Runner) -> dict[str, Tensor]:
        penalty = None if self.search is None else self.search.penalty()
        return {} if penalty is None else dict(loss_rate=penalty)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        wrapper = runner.optim_wrapper
        losses = {'loss': (outputs or {}).get('loss')}
        if isinstance(wrapper, SharpnessMixin):
            losses['loss of the second pass'] = wrapper.perturbed_loss
        for name, loss in losses.items():
            if loss is not None and not math.isfinite(float(loss.detach())):
                raise ValueError(
                    f"the {name} of phase '{self.phase}' is {float(loss)} at iteration "
                    f'{runner.iter}; nothing is saved over the last checkpoint: lower the learning '
                    'rate or robust_prune.gamma and resume.'
                )
        if self.search is not None:
            self.choice.after_iter(outputs['loss'], runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        metrics = metrics or {}
        if self.plan is None:  # no training
            return
        if self.search is not None:
            self.choice.after_val(
                unwrap(runner.model), metrics, self.search.meets_target, runner.iter
            )
        elif self.phase == 'pretrain':
            self.choice.check(metrics)  # rather than after all the dense epochs
        else:
            self.records[-1]['metric_last'] = numbers_of(metrics)
            self._write_records(runner)

    def after_train(self, runner: Runner) -> None:
        if self.search is not None:  # a search that nothing follows
            self._end_epoch(runner)
            self._enter(runner, 'finetune')
        if self.phase == 'finetune':
            on_main(lambda: write_result(runner, self.recipe, self.structure))
        else:
            runner.logger.warning(
                f'nothing was pruned: the training ended at iteration {runner.iter} and the search '
                f'was due from {self.times.search}; let early stopping wait longer, or shorten '
                'robust_prune.pretrain, and resume.'
            )

    # --- phases -----------------------------------------------------------------------------------

    def _enter(self, runner: Runner, phase: str) -> None:
        record = dict(stage=phase, iteration=runner.iter)
        reset_best_metrics(runner, before=self.phase)
        if self.phase == 'pretrain':
            if self.times.search == 0 and self.recipe.build_host().needs_weights:
                warn_of_random_weights(runner)
            if self.recipe.measure:
                record['metric_before'] = validate(runner)
                self.choice.check(record['metric_before'])
            self._attach(runner)
        if phase == 'finetune':
            self._take_mask(runner, record)
        self._begin(runner, phase)
        if self.recipe.measure:
            record['metric_after'] = validate(runner)
        self.records.append(record)
        self._write_records(runner)
        told = [key for key in record if key.startswith(('metric', 'removed'))]
        runner.logger.info(
            f'phase {phase} from iteration {runner.iter}: '
            + ', '.join(f'{key} {record[key]}' for key in told)
        )

    def _take_mask(self, runner: Runner, record: dict) -> None:
        """Leave the network with the chosen mask, and say what it is."""
        self.choice.restore(unwrap(runner.model))
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
                f'the mask taken does not meet the target of {self.recipe.target:g}: it removes '
                f'{record["removed"]:.4f} of the weights; search for more epochs, raise the '
                "penalty (host=dict(type='HARP', growth=...)), or take robust_prune.select='best'."
            )
        if self.recipe.perturb != 'none' and at <= self.times.perturbing:
            runner.logger.warning(
                f'the mask taken is that of iteration {at}, of the warm-up, in which nothing was '
                'perturbed.'
            )
        on_main(lambda: write_scores(runner, self.search, self.structure))
        self._bake()
        on_main(lambda: write_plain(runner, self.structure, Path(runner.work_dir) / 'mask'))

    def _write_records(self, runner: Runner) -> None:
        text = json.dumps(self.records, indent=1).encode()
        on_main(lambda: write_file(Path(runner.work_dir) / 'stages.json', text))

    def _warn_of_test_images(self, runner: Runner) -> None:
        kinds = ('val', 'test')
        loaders = [runner.cfg.get(f'{kind}_dataloader') or {} for kind in kinds]
        data = [loader.get('dataset') for loader in loaders]
        if self.recipe.select == 'best' and data[0] and data[0] == data[1]:
            runner.logger.warning(
                "robust_prune.select='best' chooses the mask by the images that also test; give "
                'val_dataloader images held out of the training set.'
            )

    def _attach(self, runner: Runner) -> None:
        host = self.recipe.build_host(self._frozen(runner))
        self.search = host.attach(unwrap(runner.model))
        self.watch = SearchWatch(self.search)

    def _end_epoch(self, runner: Runner) -> None:
        self.search.end_epoch()
        for line in self.watch.look(self.search):
            runner.logger.warning(line)

    def _bake(self) -> None:
        self.search.bake(zero=self.recipe.zero_pruned)
        self.search = None

    def _begin(self, runner: Runner, phase: str) -> None:
        span = self.plan.span(phase)
        length = span.end - span.begin
        self.phase = phase
        self._perturbed = None
        if phase == 'search':
            groups = [dict(params=list(self.search.trained_parameters()))]
            if self.recipe.perturb == 'weights':
                # they need gradients to climb by, and never a step
                groups.append(self.search.climbable_weights())
            begin_phase(runner, length, groups, self.recipe.search_optimizer)
            step = UPDATES[self.recipe.update]
            step(runner.optim_wrapper.optimizer, self.search.score_parameters())
        elif phase == 'finetune':
            if length:
                begin_phase(runner, length, unwrap(runner.model), self.recipe.finetune_optimizer)
            self._set_rule(runner, False)
        else:
            begin_phase(runner, length)

    def _set_rule(self, runner: Runner, perturbed: bool | None) -> None:
        self._perturbed = perturbed
        if self.phase == 'finetune':
            rule = self.recipe.awp_rule()
            if rule is not None:
                rule.set_masks(kept_masks(unwrap(runner.model)))
        else:
            rule = self.recipe.search_rule() if perturbed else None
        self.use_rule(runner, rule)

    def _tell_rate(self, runner: Runner) -> None:
        """Let the rule know the learning rate of the scores, which come first."""
        rule = self.rule(runner)
        if rule is not None:
            rule.follow(runner.optim_wrapper.optimizer.param_groups[0]['lr'])

    # --- checkpoints ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Phase, scores, records, and the choice so far."""
        return dict(
            stage=self.phase,
            raw=None,
            records=self.records,
            choice=self.choice.state_dict(),
            perturbed=self._perturbed,
            search=None if self.search is None else self.search.state_dict(),
            watch=None if self.search is None else self.watch.state_dict(),
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.search is not None:
            self.search.check()
        super().before_save_checkpoint(runner, checkpoint)
        if self.phase != 'pretrain':
            plain = ScoredNetwork.plain_state(unwrap(runner.model))
            checkpoint[KEY]['raw'] = checkpoint['state_dict']
            checkpoint['state_dict'] = {name: value.cpu() for name, value in plain.items()}
