"""The hook that walks a training through warm-up, rounds of masks, the removal, and fine-tuning."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from mmengine.hooks import EMAHook
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.bridge.dist import from_main
from mmrobustprune.engine.bridge.model import example_of, tensor_forward, unwrap
from mmrobustprune.engine.bridge.training_loss import FixedBatch
from mmrobustprune.engine.optim.optim_wrapper import set_rule
from mmrobustprune.engine.pruning.cut import cut
from mmrobustprune.engine.pruning.hook import StructureHook, warn_of_random_weights, write_rounds
from mmrobustprune.engine.pruning.schedule import batches_per_epoch
from mmrobustprune.engine.pruning.validation import validate
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.registry import HOOKS
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import certify

from .phases import Phases
from .state import GradualPruning

ORDER = ('warmup', 'prune', 'finetune')


@HOOKS.register_module()
class PrunePhaseHook(StructureHook):
    """Gradual structured pruning inside a training loop.

    Args:
        recipe: name of a recipe; the other fields are the recipe's (`mmrobustprune.recipes.gradual`).

    Raises:
        ValueError: an unknown recipe or field, a target that cannot be met, a plan longer than the schedule.
    """

    priority = 'ABOVE_NORMAL'  # masks before the moving average sees the weights

    def __init__(self, **recipe: Any):
        super().__init__()
        self.recipe = build_recipe(recipe)
        self.pruning: GradualPruning | None = None
        self.rounds: list[dict] = []
        self.phase, self._late = None, None
        self._resumed: dict | None = None
        self._batch: FixedBatch | None = None

    # --- start ---------------------------------------------------------------------------------------------------------

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            self._resumed = checkpoint.get('robust_prune')

    def before_train(self, runner) -> None:
        loop = runner.train_loop
        self.phases = Phases.plan(self.recipe, loop.max_iters, batches_per_epoch(loop.dataloader))
        self.structure = getattr(runner, 'structure', None)
        if self.structure is not None and runner.iter < self.phases.cut:
            raise ValueError(
                f'the network loaded from {runner._load_from} is pruned already ({self.structure.summary()}) and this training '
                'would prune it again; fine-tune it with its own pruned.py, or start from the dense checkpoint.'
            )
        if self._resumed is None and self.structure is None and runner.iter > self.phases.warmup:
            raise ValueError(
                f'the checkpoint to resume is at iteration {runner.iter}, where pruning would have begun at {self.phases.warmup}, and '
                'was written without this recipe; start from its weights with load_from instead of --resume.'
            )
        if self._resumed is not None:
            self.rounds = self._resumed['rounds']
        if self.structure is None:
            self._batch = FixedBatch(runner)
            self._begin(runner)
        self._enter(
            runner, self._resumed['phase'] if self._resumed else self.phases.phase(runner.iter)
        )
        if self._resumed and self._resumed['rule'] is not None:
            runner.optim_wrapper.rule.load_state_dict(self._resumed['rule'])
        self._resumed = None

    def _begin(self, runner) -> None:
        p, batches = self.phases, getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if build_score(self.recipe.score).needs_gradient and p.interval < batches:
            raise ValueError(
                f'gradients are accumulated over {batches} batches and rounds come every {p.interval} iterations, so '
                'that a score of gradients would see none; raise robust_prune.interval (or prune).'
            )
        warn_of_random_weights(runner)
        model = unwrap(runner.model)
        self._example = example_of(model, runner.train_dataloader)
        found = trace(model, self._example, forward=tensor_forward, ignore=self.recipe.ignore)
        self.pruning = GradualPruning(
            model,
            found,
            self.recipe,
            self.phases,
            runner.optim_wrapper.optimizer,
            self._example,
            runner.work_dir,
            runner.optim_wrapper
            if hasattr(runner.optim_wrapper, 'register_step_pre_hook')
            else None,
        )
        if self._resumed is None:
            self._rehearse_loss(runner, self.pruning.rehearse(self._example, tensor_forward))
        else:
            self.pruning.load_state_dict(self._resumed['pruning'])
        runner.logger.info(
            f'{len(found.groups)} groups of channels can shrink; warm-up to iteration {p.warmup}, then {p.rounds} rounds every '
            f'{p.interval} iterations, removal at {p.cut} of {p.total}.'
        )
        for layer, reason in found.unprunable.items():
            runner.logger.info(f'unprunable: {layer}: {reason}')

    def _rehearse_loss(self, runner, small: nn.Module) -> None:
        """The training loss may run layers that the traced forward does not, and they read what shrinks."""
        self._fixed_loss(runner)  # what fails in the dense network, too, is said as it is
        try:
            self._batch.loss(small)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError) as problem:
            silent = [
                name for name, why in self.pruning.trace.unprunable.items() if 'did not run' in why
            ]
            raise ValueError(
                f'the training loss fails once channels are removed ({str(problem).splitlines()[0][:200]}): layers that run in the '
                f'loss alone ({", ".join(silent) or "none known"}) are not seen by the trace; name the layers whose outputs they '
                'read in robust_prune.ignore.'
            ) from problem

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
        if (
            self.pruning is not None
            and (iteration - self.phases.warmup) % self.phases.interval == 0
        ):
            self._refresh_radii(runner)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        progress = (
            self.rounds[-1]['removed']
            if self.rounds
            else dict.fromkeys(('channels', 'params', 'macs'), 0.0)
        )
        runner.message_hub.update_scalar('train/phase', ORDER.index(self.phase))
        for key, value in progress.items():
            runner.message_hub.update_scalar(f'train/removed_{key}', value)

    def _refresh_radii(self, runner) -> None:
        if self.pruning.ready:
            self._set_radii(runner, self.pruning.neuron_scores())
            self.pruning.forget()  # scores are of the last interval alone, in the warm-up, too

    def _set_radii(self, runner, scores: dict) -> None:
        rule = getattr(runner.optim_wrapper, 'rule', None)
        if hasattr(rule, 'set_scores'):
            rule.set_scores(scores, self.pruning.living_neurons())

    def _round(self, runner, number: int) -> None:
        pruning = self.pruning
        measure = self.recipe.measure and (not self.rounds or number == self.phases.rounds)
        record = dict(round=number, iteration=runner.iter, loss_before=self._fixed_loss(runner))
        if measure:
            record['metric_before'] = validate(runner)
        alive = from_main(
            pruning.targets(number)
        )  # replicas stay equal whatever their devices round
        scores = pruning.neuron_scores()
        pruning.mask(alive)  # what a score collected is forgotten now
        self._set_radii(runner, scores)
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                pruning.masks.mask_model(hook.ema_model.module)
        record['loss_after'] = self._fixed_loss(runner)
        if measure:
            record['metric_after'] = validate(runner)
        record['removed'] = pruning.progress()
        record.update(pruning.selection.report())
        self.rounds.append(record)
        share = ', '.join(f'{key} {value:.3f}' for key, value in record['removed'].items())
        gap = f"; solver's gap {record['gap']:.2g}" if 'gap' in record else ''
        metric = (
            f'; metric {record["metric_before"]} -> {record["metric_after"]}' if measure else ''
        )
        runner.logger.info(
            f'round {number}/{self.phases.rounds}: removed {share}; loss {record["loss_before"]:.4f} -> '
            f'{record["loss_after"]:.4f}{gap}{metric}'
        )
        write_rounds(runner, self.rounds)

    def _fixed_loss(self, runner) -> float:
        return self._batch.loss(unwrap(runner.model))

    def _remove(self, runner) -> None:
        pruning = self.pruning
        structure = pruning.structure()
        error = certify(pruning.masks, self._example, forward=tensor_forward)
        before = self._fixed_loss(runner)
        pruning.release()
        dense = (
            copy.deepcopy(unwrap(runner.model)) if pruning.budget.times_dense else None
        )  # zeros take as long as other numbers
        cut(runner, structure)
        after = self._fixed_loss(runner)
        if not math.isclose(before, after, rel_tol=1e-3, abs_tol=1e-4):
            runner.logger.warning(
                f'the loss of the fixed batch was {before} masked and is {after} removed, although the outputs agree to '
                f'{error:.1e}: the loss draws random numbers that depend on widths.'
            )
        measured = pruning.budget.measured(
            pruning.selection, pruning.masks.alive, dense, unwrap(runner.model), self._example
        )
        self.rounds[-1].update(loss_removed=after, surgery_error=error, **measured)
        write_rounds(runner, self.rounds)
        self.structure, self.pruning = structure, None
        runner.structure = structure
        runner.logger.info(
            f'removed: {structure.summary()}; masked against removed differ by {error:.1e}'
        )
        self.write_config(runner)

    def after_train(self, runner) -> None:
        if self.structure is None:
            runner.logger.warning(
                f'nothing was pruned: the training ended at iteration {runner.iter} and the removal was due at {self.phases.cut}; '
                'let early stopping wait longer, or shorten robust_prune.warmup, rounds or interval, and resume.'
            )
        super().after_train(runner)

    # --- checkpoints ---------------------------------------------------------------------------------------------------

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        rule = getattr(runner.optim_wrapper, 'rule', None)
        checkpoint['robust_prune'] = dict(
            phase=self.phase,
            rounds=self.rounds,
            rule=rule.state_dict() if rule is not None else None,
            pruning=self.pruning.state_dict() if self.pruning is not None else None,
        )
        super().before_save_checkpoint(runner, checkpoint)
