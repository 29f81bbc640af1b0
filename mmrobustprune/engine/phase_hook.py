"""The hook that walks a training through warm-up, rounds of masks, the removal, and fine-tuning."""
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook

from mmrobustprune.registry import HOOKS
from mmrobustprune.sharpness import build_rule
from mmrobustprune.sharpness.guards import preserved_rng
from mmrobustprune.surgery import certify, trace

from . import artifacts
from .base import META
from .cut import cut
from .measure import FixedBatch, validate
from .optim_wrapper import SharpnessMixin
from .phases import Phases
from .probe import example_of, tensor_forward, unwrap
from .pruning import GradualPruning
from .recipes import build_recipe
from .saving import write_whole

ORDER = ('warmup', 'prune', 'finetune')


@HOOKS.register_module()
class PrunePhaseHook(Hook):
    """Gradual structured pruning inside a training loop.

    Args:
        recipe: name of a recipe; the other fields are the recipe's (`mmrobustprune.engine.recipes`).

    Raises:
        ValueError: an unknown recipe or field, a target that cannot be met, a plan longer than the schedule.
    """

    priority = 'ABOVE_NORMAL'  # masks before the moving average sees the weights

    def __init__(self, **recipe: Any):
        self.recipe = build_recipe(recipe)
        self.pruning: GradualPruning | None = None
        self.structure = None
        self.rounds: list[dict] = []
        self.phase, self._late = None, None
        self._resumed: dict | None = None
        self._text: str | None = None
        self._batch: FixedBatch | None = None

    # --- start ---------------------------------------------------------------------------------------------------------

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            self._resumed = checkpoint.get('robust_prune')

    def before_train(self, runner) -> None:
        loop = runner.train_loop
        self.phases = Phases.plan(self.recipe, loop.max_iters, len(loop.dataloader))
        self.structure = getattr(runner, 'structure', None)
        if self.structure is not None and runner.iter < self.phases.cut:
            raise ValueError(
                f'the network loaded from {runner._load_from} is pruned already ({self.structure.summary()}) and this training '
                'would prune it again; fine-tune it with its own pruned.py, or start from the dense checkpoint.')
        if self._resumed is not None:
            self.rounds = self._resumed['rounds']
        if self.structure is None:
            self._begin(runner)
        self._enter(runner, self._resumed['phase'] if self._resumed else self.phases.phase(runner.iter))
        if self._resumed and self._resumed['rule'] is not None:
            runner.optim_wrapper.rule.load_state_dict(self._resumed['rule'])
        self._resumed = None

    def _begin(self, runner) -> None:
        if runner._load_from is None and not runner._resume and not _has_pretrained(runner.cfg.model):
            runner.logger.warning(
                'Neither load_from nor a Pretrained init_cfg is set: the scores rank random weights until training shapes them.')
        loader, model = runner.train_dataloader, unwrap(runner.model)
        with preserved_rng():
            self._example = example_of(model, loader.dataset, loader.collate_fn)
        found = trace(model, self._example, forward=tensor_forward, ignore=self.recipe.ignore)
        self.pruning = GradualPruning(model, found, self.recipe, self.phases, runner.optim_wrapper.optimizer)
        if self._resumed is not None:
            self.pruning.load_state_dict(self._resumed['pruning'])
        p = self.phases
        runner.logger.info(
            f'{len(found.groups)} groups of channels can shrink; warm-up to iteration {p.warmup}, then {p.rounds} rounds every '
            f'{p.interval} iterations, removal at {p.cut} of {p.total}.')
        for layer, reason in found.whole.items():
            runner.logger.info(f'left whole: {layer}: {reason}')

    def _enter(self, runner, phase: str) -> None:
        late = phase == 'finetune'
        rule = self.recipe.finetune_rule if late else self.recipe.rule
        runner.logger.info(f'phase {phase} from iteration {runner.iter}, sharpness rule {rule}')
        if late != self._late:
            set_rule(runner.optim_wrapper, rule)
        self.phase, self._late = phase, late

    # --- every iteration -----------------------------------------------------------------------------------------------

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        iteration = runner.iter
        if self.pruning is not None:
            due = self.phases.rounds_due(iteration)
            if due > (self.rounds[-1]['round'] if self.rounds else 0):
                self._round(runner, due)
            if due == self.phases.rounds:
                self._remove(runner)
        phase = self.phases.phase(iteration)
        if phase != self.phase:
            self._enter(runner, phase)
        if self.pruning is not None and (iteration - self.phases.warmup) % self.phases.interval == 0:
            self._refresh_radii(runner)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        progress = self.rounds[-1]['removed'] if self.rounds else dict.fromkeys(('channels', 'params', 'macs'), 0.0)
        runner.message_hub.update_scalar('train/phase', ORDER.index(self.phase))
        for key, value in progress.items():
            runner.message_hub.update_scalar(f'train/removed_{key}', value)

    def _refresh_radii(self, runner) -> None:
        rule = getattr(runner.optim_wrapper, 'rule', None)
        if hasattr(rule, 'set_scores') and self.pruning.ready:
            rule.set_scores(*self.pruning.neuron_scores())

    def _round(self, runner, number: int) -> None:
        pruning = self.pruning
        measure = self.recipe.measure and (not self.rounds or number == self.phases.rounds)
        record = dict(round=number, iteration=runner.iter, loss_before=self._fixed_loss(runner))
        if measure:
            record['metric_before'] = validate(runner)
        pruning.mask(pruning.targets(number))
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                pruning.masks.mask_model(hook.ema_model.module)
        record['loss_after'] = self._fixed_loss(runner)
        if measure:
            record['metric_after'] = validate(runner)
        record['removed'] = pruning.progress()
        self.rounds.append(record)
        share = ', '.join(f'{key} {value:.3f}' for key, value in record['removed'].items())
        metric = f'; metric {record["metric_before"]} -> {record["metric_after"]}' if measure else ''
        runner.logger.info(
            f'round {number}/{self.phases.rounds}: removed {share}; loss {record["loss_before"]:.4f} -> '
            f'{record["loss_after"]:.4f}{metric}')
        if is_main_process():
            write_whole(Path(runner.work_dir) / 'rounds.json', json.dumps(self.rounds, indent=1).encode())

    def _fixed_loss(self, runner) -> float:
        if self._batch is None:
            self._batch = FixedBatch(runner)
        return self._batch.loss(runner)

    def _remove(self, runner) -> None:
        pruning = self.pruning
        structure = pruning.structure()
        error = certify(pruning.masks, self._example, forward=tensor_forward)
        before = self._fixed_loss(runner)
        pruning.release()
        cut(runner, structure)
        after = self._fixed_loss(runner)
        if not math.isclose(before, after, rel_tol=1e-3, abs_tol=1e-4):
            runner.logger.warning(
                f'the loss of the fixed batch was {before} masked and is {after} removed, although the outputs agree to '
                f'{error:.1e}: the loss draws random numbers that depend on widths.')
        self.rounds[-1].update(loss_removed=after, surgery_error=error)
        self.structure, self.pruning = structure, None
        runner.structure = structure
        runner.logger.info(f'removed: {structure.summary()}; masked against removed differ by {error:.1e}')
        if is_main_process():
            artifacts.write_config(self._stock_text(runner), structure, runner.work_dir)

    # --- checkpoints ---------------------------------------------------------------------------------------------------

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        rule = getattr(runner.optim_wrapper, 'rule', None)
        checkpoint['robust_prune'] = dict(
            phase=self.phase, rounds=self.rounds, rule=rule.state_dict() if rule is not None else None,
            pruning=self.pruning.state_dict() if self.pruning is not None else None)
        if self.structure is not None:
            checkpoint['meta'][META] = dict(structure=self.structure.to_dict())
            text = self._stock_text(runner)
            checkpoint['meta']['cfg'] = text
            checkpoint['message_hub']['runtime_info']['cfg'] = text

    def after_train(self, runner) -> None:
        if self.structure is None or not is_main_process():
            return
        meta = dict(dataset_meta=getattr(runner.train_dataloader.dataset, 'metainfo', {}), seed=runner.seed,
                    epoch=runner.epoch, iter=runner.iter, recipe=dict(runner.cfg.get('robust_prune') or {}))
        artifacts.write_config(self._stock_text(runner), self.structure, runner.work_dir)
        artifacts.write_weights(artifacts.deployed_state(runner), meta, self.structure, self._stock_text(runner),
                                Path(runner.work_dir) / 'pruned.pth')
        runner.logger.info(f'{runner.work_dir}/pruned.py and pruned.pth hold the pruned network.')

    def _stock_text(self, runner) -> str:
        if self._text is None:  # formatting takes seconds
            self._text = artifacts.stock_config(getattr(runner, 'user_cfg', runner.cfg), self.structure)
        return self._text


def set_rule(wrapper, rule: dict | None) -> None:
    """Give the OptimWrapper a sharpness rule, or plain training.

    Raises:
        ValueError: a rule for a wrapper that makes one pass only.
    """
    if isinstance(wrapper, SharpnessMixin):
        wrapper.rule = None if rule is None else build_rule(rule)
    elif rule is not None:
        raise ValueError(
            f"the rule {rule} needs an optim_wrapper of type 'mmrobustprune.SAMOptimWrapper' (or its Amp form), not "
            f"{type(wrapper).__name__}; runner_type='mmrobustprune.PruneRunner' sets it for you.")


def _has_pretrained(model: Any) -> bool:
    if isinstance(model, dict):
        return any(_has_pretrained(value) for value in model.values()) or 'Pretrained' in str(model.get('type'))
    if isinstance(model, (list, tuple)):
        return any(map(_has_pretrained, model))
    return False

