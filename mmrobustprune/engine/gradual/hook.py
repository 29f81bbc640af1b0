"""The hook that walks a training through the phases of gradual pruning."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.runner import Runner
from torch import Tensor

from mmrobustprune.copies import copied
from mmrobustprune.dependency.groups import Group, Trace
from mmrobustprune.engine.bridge.dist import from_main
from mmrobustprune.engine.bridge.model import example_of, unwrap
from mmrobustprune.engine.bridge.training_loss import FixedBatch
from mmrobustprune.engine.pruning.forward import structure_forward, whole_forward
from mmrobustprune.engine.pruning.frozen import frozen_groups, frozen_line
from mmrobustprune.engine.pruning.hook import PruningHook, warn_of_random_weights
from mmrobustprune.engine.pruning.rehearsal import rehearse_training, removed
from mmrobustprune.engine.pruning.removal import averages
from mmrobustprune.engine.pruning.validation import LOSS, check_labels
from mmrobustprune.registry import HOOKS
from mmrobustprune.scores import build_score
from mmrobustprune.sharpness import AdaSAP
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery.followed import trace

from .phases import Rounds
from .samples import choose, look, search, weigh
from .setting import Setting, stepper_of
from .state import GradualPruning, only

NOTHING = ('channels', 'params', 'macs')  # what is logged before the first round


@HOOKS.register_module()
class PrunePhaseHook(PruningHook):
    """Gradual structured pruning inside a training loop.

    The phases are those of the recipe: one of them has rounds of masks and ends with the removal,
    each has a sharpness rule, and each may add a penalty to the loss.

    Args:
        recipe: name of a recipe; the other fields are the recipe's, see
            `mmrobustprune.recipes.gradual`.

    Attributes:
        pruning: scores and masks, or None once the network is smaller.
        rounds: what was done, one record a round.

    Raises:
        ValueError: an unknown recipe or field, a target that cannot be met, a plan longer than the
            schedule.
    """

    kind = 'gradual'

    def __init__(self, **recipe: Any):
        super().__init__(**recipe)
        self.pruning: GradualPruning | None = None
        self.rounds: list[dict] = []
        self.schedule: Rounds | None = None
        self._logged: dict[str, float] = {}

    # --- start ------------------------------------------------------------------------------------

    def check_plan(self) -> None:
        to_the_end = any(one.rounds and one.length is None for one in self.recipe.phases())
        self.schedule = Rounds.of(self.plan, to_the_end)

    def begins(self) -> int:
        phases = self.recipe.phases()
        own = {one.name for one in phases if one.rounds or one.chooses or one.penalty is not None}
        return min(span.begin for span in self.plan.spans if span.name in own)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if self._resumed is not None:
            self.rounds = self._resumed['rounds']
        if self.structure is None:
            self._batch = FixedBatch(runner)
            self._begin(runner)
        saved = (self._resumed or {}).get('phase')  # its removal may be due before this iteration
        self._enter(runner, saved or self.plan.at(runner.iter).name)
        self._resumed = None

    def _begin(self, runner: Runner) -> None:
        self._check_windows(runner)
        warn_of_random_weights(runner)
        if self.recipe.measure == LOSS:
            check_labels(runner)
        model = unwrap(runner.model)
        wrapper = runner.optim_wrapper
        path = self.recipe.forward
        setting = Setting(
            example_of(model, runner.train_dataloader),
            structure_forward(path, model),
            whole_forward(path),
            runner.work_dir,
            stepper_of(wrapper, build_score(self.recipe.score)),
        )
        found = trace(
            model, setting.example, setting.forward, self.recipe.ignore, self.recipe.attention
        )
        found = only(found, self._groups(runner, found))
        self.pruning = GradualPruning(
            model, found, self.recipe, self.schedule.number, wrapper.optimizer, setting
        )
        if self._resumed is None:
            self._rehearse(runner)
        else:
            self.pruning.load_state_dict(self._resumed['pruning'])
            for average in averages(runner):
                self.pruning.masks.resume_model(average.module)
        self.pruning.watch()
        runner.logger.info(
            f'{len(found.groups)} groups of channels can shrink; phases {self.plan.lengths()}, '
            f'{self._pace()}, removal at {self.schedule.removal} of {self.plan.total}.'
        )
        for layer, reason in found.unprunable.items():
            runner.logger.info(f'unprunable: {layer}: {reason}')

    def _pace(self) -> str:
        return self.schedule.pace(self.phase_of(self.schedule.span.name), self.plan.total)

    def _check_windows(self, runner: Runner) -> None:
        batches = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        # without an interval all rounds come at once, after what goes before them
        seen = self.schedule.interval or self.schedule.span.begin
        if build_score(self.recipe.score).needs_gradient and seen < batches:
            raise ValueError(
                f'gradients are accumulated over {batches} batches and a score of gradients would '
                f'see {seen} of them before a round; raise robust_prune.interval (or prune), or '
                'warmup where all rounds come at once.'
            )

    def _groups(self, runner: Runner, found: Trace) -> tuple[Group, ...]:
        """The groups that shrink: in a resumed run those of its checkpoint."""
        if self._resumed is not None:
            known = self._resumed['pruning']['groups']
            return tuple(group for group in found.groups if group.name in known)
        model = unwrap(runner.model)
        chosen = self.recipe.chosen(model, found.groups)
        if self.recipe.prune_frozen:
            return chosen
        frozen = frozen_groups(model, chosen, runner.optim_wrapper.optimizer)
        if frozen:
            runner.logger.info(frozen_line(group.name for group in frozen))
        return tuple(group for group in chosen if group not in frozen)

    def _rehearse(self, runner: Runner) -> None:
        """Everything that the removal will need, tried with half of every group."""
        half = self.pruning.rehearse()
        self._rehearse_loss(runner, half)
        rehearse_training(runner, half)

    def _rehearse_loss(self, runner: Runner, half: Structure) -> None:
        """The training loss may run layers that the traced forward does not."""
        self.fixed_loss(runner)  # what fails in the dense network, too, is said as it is
        try:
            with removed(unwrap(runner.model), half) as small:
                self._batch.loss(small)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError) as problem:
            unprunable = self.pruning.trace.unprunable
            silent = [name for name, why in unprunable.items() if 'did not run' in why]
            raise ValueError(
                'the training loss fails once channels are removed '
                f'({str(problem).splitlines()[0][:200]}): layers that run in the loss alone '
                f'({", ".join(silent) or "none known"}) are not seen by the trace; name the layers '
                'whose outputs they read in robust_prune.ignore.'
            ) from problem

    def fixed_loss(self, runner: Runner) -> float:
        watched = nullcontext() if self.pruning is None else self.pruning.unwatched()
        with watched:
            return super().fixed_loss(runner)

    def _enter(self, runner: Runner, name: str) -> None:
        """Begin a phase; an equal rule goes on."""
        rule = self.phase_of(name).rule
        runner.logger.info(f'phase {name} from iteration {runner.iter}, sharpness rule {rule}')
        before = None if self.phase is None else self.phase_of(self.phase)
        if before is None or before.rule != rule:
            self.use_rule(runner, rule)
        self.phase = name
        if self.phase_of(name).chooses and self.pruning is not None:
            choose(runner, self.pruning)

    # --- every iteration --------------------------------------------------------------------------

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.pruning is not None:
            self._prune(runner, runner.iter)
        name = self.plan.at(runner.iter).name
        if name != self.phase:
            self._enter(runner, name)
        if self.pruning is not None and self.schedule.window_ends(runner.iter):
            self._refresh_radii(runner)
        super().before_train_iter(runner, batch_idx, data_batch)

    def _prune(self, runner: Runner, iteration: int) -> None:
        """Do what is due before an iteration."""
        due = self.schedule.due(iteration)
        done = self.rounds[-1]['round'] if self.rounds else 0
        score = self.pruning.score
        if score.needs_gradient or score.images:  # it has to see something between two rounds
            done = max(done, due - 1)
        if score.needs_gradient and not score.ready and iteration < self.plan.total:
            return  # mixed precision left out every step since the last round
        for number in range(done + 1, due + 1):
            self._round(runner, number, iteration)
        if due == self.schedule.number:
            self._remove(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        after_step = self.phase_of(self.phase).after_step
        if self.pruning is not None and after_step is not None:
            after_step(unwrap(runner.model), self.pruning.penalised())
        if self.pruning is not None and self._ends(runner):
            self._prune(runner, runner.iter + 1)  # before the last checkpoint and validation
        progress = self.rounds[-1]['removed'] if self.rounds else dict.fromkeys(NOTHING, 0.0)
        names = [span.name for span in self.plan.spans]
        self._log(runner, dict(phase=names.index(self.phase)))
        self._log(runner, {f'removed_{key}': value for key, value in progress.items()})

    def _log(self, runner: Runner, scalars: dict[str, float]) -> None:
        """Log what changed: the last value stands, and the log copies all of them with each."""
        for name, value in scalars.items():
            if self._logged.get(name) != value:
                runner.message_hub.update_scalar(f'train/{name}', value)
        self._logged.update(scalars)

    def _ends(self, runner: Runner) -> bool:
        """Whether this was the last step of a training that ends with the removal."""
        return runner.iter + 1 == self.schedule.removal == self.plan.total

    def penalties(self, runner: Runner) -> dict[str, Tensor]:
        found = {}
        penalty = self.phase_of(self.phase).penalty
        if penalty is not None:
            groups = () if self.pruning is None else self.pruning.penalised()
            done = self.plan.at(runner.iter).done(runner.iter)
            found[f'loss_{self.phase}'] = penalty(unwrap(runner.model), groups, done)
        pull = None if self.pruning is None else self.pruning.masks.penalty()
        if pull is not None:
            found['loss_masks'] = pull
        return found

    def _refresh_radii(self, runner: Runner) -> None:
        if self.pruning.ready:
            self._set_radii(runner, self.pruning.neuron_scores())
            self.pruning.begin_window()  # scores are of the last interval alone, always

    def _set_radii(self, runner: Runner, scores: dict[str, Tensor]) -> None:
        rule = self.rule(runner)
        if isinstance(rule, AdaSAP):
            rule.set_scores(scores, self.pruning.living_neurons())

    def _round(self, runner: Runner, number: int, iteration: int) -> None:
        pruning = self.pruning
        last = number == self.schedule.number
        record = dict(round=number, iteration=iteration)
        look(runner, pruning)
        if pruning.selection.needs_search:
            record['search'] = search(runner, pruning)
        if pruning.selection.needs_loss:
            record['weights'] = weigh(runner, pruning)
        with self.measured(runner, (last or not self.rounds) and self.recipe.measure) as sides:
            # one process decides, so that replicas stay equal whatever their devices round
            alive = from_main(pruning.targets(number))
            scores = pruning.neuron_scores()
            pruning.mask(alive, last)  # what a score has seen is of other units now
            self._set_radii(runner, scores)
            for average in averages(runner):
                pruning.masks.mask_model(average.module)
        record.update(sides, removed=pruning.progress())
        record.update(pruning.selection.report())
        self.rounds.append(record)
        runner.logger.info(self._line(record))
        self.write_rounds(runner, self.rounds)

    def _line(self, record: dict) -> str:
        share = ', '.join(f'{key} {value:.3f}' for key, value in record['removed'].items())
        line = (
            f'round {record["round"]}/{self.schedule.number}: removed {share}; loss '
            f'{record["loss_before"]:.4f} -> {record["loss_after"]:.4f}'
        )
        if 'gap' in record:
            line += f"; solver's gap {record['gap']:.2g}"
        if 'metric_before' in record:
            line += f'; metric {record["metric_before"]} -> {record["metric_after"]}'
        return line

    def _remove(self, runner: Runner) -> None:
        pruning = self.pruning
        structure = pruning.structure()
        error = pruning.certify()
        before = self.fixed_loss(runner)
        pruning.detach()
        dense = None
        if pruning.budget.needs_dense_network:  # zeros take as long as other numbers
            dense = copied(unwrap(runner.model))
        self.remove(runner, structure)
        self.use_rule(runner, self.phase_of(self.phase).rule)  # the old one knows removed units
        after = self.fixed_loss(runner)
        if not math.isclose(before, after, rel_tol=1e-3, abs_tol=1e-4):
            runner.logger.warning(
                f'the loss of the fixed batch was {before} masked and is {after} removed, although '
                f'the outputs agree to {error:.1e}: the loss draws random numbers that depend on '
                'widths.'
            )
        self.rounds[-1].update(
            loss_removed=after,
            surgery_error=error,
            **pruning.measured(dense, unwrap(runner.model)),
        )
        self.rounds[-1].update(self.recalibrate(runner))
        self.pruning = None
        self.write_rounds(runner, self.rounds)
        runner.logger.info(
            f'removed: {structure.summary()}; masked against removed differ by {error:.1e}'
        )

    # --- what is left -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Phase, rounds and masks."""
        return dict(
            phase=self.phase,
            rounds=self.rounds,
            pruning=None if self.pruning is None else self.pruning.state_dict(),
        )

    def after_train(self, runner: Runner) -> None:
        if self.structure is None:
            runner.logger.warning(
                f'nothing was pruned: the training ended at iteration {runner.iter} and the '
                f'removal was due at {self.schedule.removal}; let early stopping wait longer, or '
                'shorten robust_prune.warmup, rounds or interval, and resume.'
            )
        super().after_train(runner)
