"""The hook that cuts the filter groups of a trained network once, before training goes on: SR-GKP and TMI-GKP."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process

from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import example_of, unwrap
from mmrobustprune.engine.bridge.training_loss import FixedBatch
from mmrobustprune.engine.optim.optim_wrapper import set_rule
from mmrobustprune.engine.pruning.cut import cut
from mmrobustprune.engine.pruning.hook import StructureHook, warn_of_random_weights, write_rounds
from mmrobustprune.engine.pruning.validation import validate
from mmrobustprune.grouped_kernels import Decision, set_form
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.records.files import write_file
from mmrobustprune.registry import HOOKS
from mmrobustprune.structure.record import Structure

from .prune import prune_by_recipe


@HOOKS.register_module()
class GroupedKernelHook(StructureHook):
    """One-shot grouped-kernel pruning of the loaded network; all of the schedule is fine-tuning.

    What the search decided layer by layer is in `<work_dir>/decisions.json`, loss and metric on both sides of the surgery
    in `rounds.json`.

    Args:
        recipe: name of a recipe; the other fields are the recipe's (`mmrobustprune.recipes.grouped`).
    Raises:
        ValueError: an unknown recipe or field, layers that cannot be cut so, a network that is pruned already.
    """

    def __init__(self, **recipe: Any) -> None:
        super().__init__()
        self.recipe = build_recipe(recipe)

    def before_train(self, runner) -> None:
        self.structure = getattr(runner, 'structure', None)
        if self.structure is not None and not runner._resume:
            raise ValueError(
                f'the network loaded from {runner._load_from} is pruned already ({self.structure.summary()}) and this training '
                'would prune it again; fine-tune it with its own pruned.py, or start from the dense checkpoint.'
            )
        if self.structure is None and runner.iter:
            raise ValueError(
                f'the checkpoint that is resumed (iteration {runner.iter}) is dense and this recipe prunes before '
                'the first iteration; give the dense weights as load_from and do not resume.'
            )
        set_rule(runner.optim_wrapper, self.recipe.finetune_rule)
        if self.structure is None:
            self._prune(runner)
        set_form(unwrap(runner.model), self.recipe.form)

    def _prune(self, runner) -> None:
        warn_of_random_weights(runner)
        recipe, batch = self.recipe, FixedBatch(runner)
        record = dict(round=1, iteration=runner.iter, loss_before=batch.loss(unwrap(runner.model)))
        if recipe.measure:
            record['metric_before'] = validate(runner)
        self.structure = runner.structure = Structure.from_dict(
            on_main(lambda: self._search(runner))
        )
        cut(runner, self.structure)
        record['loss_after'] = batch.loss(unwrap(runner.model))
        if recipe.measure:
            record['metric_after'] = validate(runner)
        record['removed'] = self.structure.achieved
        write_rounds(runner, [record])
        self.write_config(runner)
        runner.logger.info(
            f'removed: {self.structure.summary()}; loss {record["loss_before"]:.4f} -> {record["loss_after"]:.4f}'
        )

    def _search(self, runner) -> dict:
        """The structure, found on a copy: `cut` then carries optimizer, moving average and wrapper along."""
        model, decisions = copy.deepcopy(unwrap(runner.model)), []

        def tell(decision: Decision) -> None:
            decisions.append(decision.to_dict())
            runner.logger.info(
                f'{decision.number}/{decision.total} {decision.layer}: {decision.seconds:.1f} s'
            )

        structure = prune_by_recipe(
            model, example_of(model, runner.train_dataloader), self.recipe, tell
        )
        if is_main_process():
            write_file(Path(runner.work_dir) / 'decisions.json', json.dumps(decisions).encode())
        return structure.to_dict()
