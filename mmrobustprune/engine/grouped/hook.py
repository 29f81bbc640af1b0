"""The hook that prunes the kernels of a trained network once, before training goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmrobustprune.copies import copied
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import example_of, unwrap
from mmrobustprune.engine.bridge.training_loss import FixedBatch
from mmrobustprune.engine.pruning.frozen import frozen_layers, frozen_line
from mmrobustprune.engine.pruning.hook import PruningHook, warn_of_random_weights
from mmrobustprune.grouped_kernels import Decision, set_form
from mmrobustprune.records.files import write_file
from mmrobustprune.registry import HOOKS
from mmrobustprune.structure.record import Structure

from .prune import by_kind, prune_by_recipe


@HOOKS.register_module()
class GroupedKernelHook(PruningHook):
    """One-shot grouped-kernel pruning of the loaded network; all of the schedule is fine-tuning.

    What the search decided layer by layer is in `<work_dir>/decisions.json`, loss and metric on
    both sides of the removal in `rounds.json`.

    Args:
        recipe: name of a recipe; the other fields are the recipe's, see
            `mmrobustprune.recipes.grouped`.

    Raises:
        ValueError: an unknown recipe or field, layers that cannot be pruned so, a network that is
            pruned already.
    """

    kind = 'grouped'

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self.phase = self.plan.at(runner.iter).name
        self.use_rule(runner, self.phase_of(self.phase).rule)
        if self.structure is None:
            self._batch = FixedBatch(runner)
            self._prune(runner)
        set_form(unwrap(runner.model), self.recipe.form)
        self._resumed = None

    def _prune(self, runner: Runner) -> None:
        warn_of_random_weights(runner)
        with self.measured(runner, self.recipe.measure) as sides:
            self.remove(runner, Structure.from_dict(on_main(lambda: self._search(runner))))
        sides |= self.recalibrate(runner)
        achieved = self.structure.achieved
        self.write_rounds(runner, [dict(round=1, iteration=runner.iter, **sides, removed=achieved)])
        runner.logger.info(
            f'removed: {self.structure.summary()}; loss {sides["loss_before"]:.4f} -> '
            f'{sides["loss_after"]:.4f}'
        )

    def _search(self, runner: Runner) -> dict:
        """The structure, found on a copy: the removal carries optimizer and wrapper along."""
        model = copied(unwrap(runner.model))
        decisions: list[dict[str, Any]] = []

        def tell(decision: Decision) -> None:
            decisions.append(decision.to_dict())
            runner.logger.info(
                f'{decision.number}/{decision.total} {decision.layer}: {decision.seconds:.1f} s'
            )

        example = example_of(model, runner.train_dataloader)
        frozen = self._frozen(runner)
        structure = prune_by_recipe(model, example, self.recipe, tell, frozen)
        if is_main_process():
            write_file(Path(runner.work_dir) / 'decisions.json', json.dumps(decisions).encode())
        return structure.to_dict()

    def _frozen(self, runner: Runner) -> list[str]:
        """Layers that do not learn, where layers are chosen by kind; names choose them still."""
        if self.recipe.prune_frozen or not by_kind(self.recipe.layers):
            return []
        frozen = frozen_layers(unwrap(runner.model), runner.optim_wrapper.optimizer)
        if frozen:
            runner.logger.info(frozen_line(frozen))
        return frozen
