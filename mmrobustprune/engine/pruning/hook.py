"""What the hooks of all recipes share: one life of a pruning inside a training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmrobustprune.engine.bridge.checkpoint import own_state, structure_of, write_structure
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.bridge.runner import built_structure, given_config
from mmrobustprune.engine.bridge.training_loss import FixedBatch
from mmrobustprune.engine.optim.optim_wrapper import SharpnessMixin, set_rule
from mmrobustprune.recipes import Phase, build_recipe
from mmrobustprune.records.files import write_file
from mmrobustprune.sharpness import Rule
from mmrobustprune.structure.record import Structure

from . import artifacts
from .forward import whole_forward
from .recalibrate import recalibrate_training
from .removal import remove_channels, reset_best_metrics
from .schedule import Plan, asked, batches_per_epoch
from .validation import LOSS, validate

KEY = 'robust_prune'  # of a checkpoint


class PruningHook(Hook):
    """A pruning inside a training: its plan, its structure, its rule, what a checkpoint holds.

    A subclass names its `kind`, says in `state_dict` what a resumed run needs, and acts in the
    hooks of mmengine; those of this class come first, or last in `before_train_iter`. From the
    removal on the structure is in every checkpoint, and at the end pruned.py and pruned.pth are
    there for stock loaders. A stock Runner may have it in custom_hooks.

    Args:
        recipe: name of a recipe; the other fields are the recipe's (`mmrobustprune.recipes`).

    Attributes:
        structure: record of the network as it is now, or None while it is dense; the Runner knows
            only what its network was built to.
        phase: name of the phase that the training is in, or None before it begins.
        plan: the phases in iterations; set when the training begins.
        per_epoch: iterations of an epoch, set then.

    Raises:
        ValueError: an unknown recipe or field, a recipe of another hook, a checkpoint of another
            recipe, a network that is pruned already.
    """

    priority = 'ABOVE_NORMAL'  # masks before the moving average sees the weights
    kind: ClassVar[str]  # what a checkpoint says of the hook that wrote it
    removes: ClassVar[bool] = True  # whether channels or kernels go, which no network stands twice

    def __init__(self, **recipe: Any) -> None:
        self.recipe = build_recipe(recipe)
        self.recipe_name: str = recipe['recipe']
        expected = self.recipe.hook.rpartition('.')[2]
        if expected not in [kind.__name__ for kind in type(self).__mro__]:
            raise ValueError(
                f"recipe '{self.recipe_name}' is not one of {type(self).__name__}; give the hook "
                f"as type='{self.recipe.hook}', or take runner_type='mmrobustprune.PruneRunner', "
                'which chooses it.'
            )
        whole_forward(self.recipe.forward)  # what cannot be loaded is said before anything is built
        self.structure: Structure | None = None
        self.phase: str | None = None
        self.plan: Plan | None = None
        self.per_epoch = 0
        self._resumed: dict[str, Any] | None = None
        self._own_rule: dict[str, Any] = {}  # of what is resumed, this process's own
        self._batch: FixedBatch | None = None
        self._text: str | None = None
        self._penalty: RemovableHandle | None = None

    # --- start ------------------------------------------------------------------------------------

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take what a resumed run needs; a network that a stock Runner built dense shrinks now."""
        if not runner._resume:
            return
        self._resumed = self._of_this_recipe(checkpoint.get(KEY))
        self._own_rule = own_state(checkpoint).get('rule', {})
        structure = structure_of(checkpoint.get('meta', {}))
        if structure is not None and built_structure(runner) is None:
            remove_channels(runner, structure)
            self.structure = structure

    def _of_this_recipe(self, saved: dict[str, Any] | None) -> dict[str, Any] | None:
        if saved is None:
            return None
        if 'kind' not in saved:
            raise ValueError(
                'the checkpoint to resume was written by another version, which kept no plan; '
                'start from its weights with load_from instead of --resume.'
            )
        name = saved.get('recipe')
        if (saved.get('kind'), name) != (self.kind, self.recipe_name):
            raise ValueError(
                f"the checkpoint to resume was written under robust_prune.recipe='{name}' and this "
                f"training follows '{self.recipe_name}'; resume it with recipe='{name}', or start "
                'from its weights with load_from instead of --resume.'
            )
        return saved

    def before_train(self, runner: Runner) -> None:
        """Know the structure and the plan; refuse a network that would be pruned twice."""
        if self.structure is None:
            self.structure = built_structure(runner)
        if self.removes and self.structure is not None and self._resumed is None:
            source = runner._load_from or "the config's model"
            raise ValueError(
                f'the network loaded from {source} is pruned already '
                f'({self.structure.summary()}) and this training would prune it again; fine-tune '
                'it with its own pruned.py, or start from the dense checkpoint.'
            )
        self.set_plan(runner)
        if self._resumed is None and runner.iter > self.begins():
            raise ValueError(
                f'the checkpoint to resume is at iteration {runner.iter}, where pruning would have '
                f'begun at {self.begins()}, and was written without this recipe; start from its '
                'weights with load_from instead of --resume.'
            )

    def set_plan(self, runner: Runner) -> None:
        """The plan of a resumed run is that of its checkpoint while the recipe asks the same."""
        total = runner.train_loop.max_iters
        self.per_epoch = batches_per_epoch(runner.train_loop.dataloader)
        phases = self.recipe.phases()
        saved = (self._resumed or {}).get('plan')
        if saved is not None and saved['asked'] == asked(phases):
            self.plan = Plan.resumed(saved['spans'], total, phases)
        else:
            batches = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
            self.plan = Plan.of(phases, total, self.per_epoch, batches)
        self.check_plan()

    def check_plan(self) -> None:
        """Raise ValueError where the plan does not fit into the schedule."""

    def begins(self) -> int:
        """The last iteration at which a training of another kind may be taken over."""
        return 0

    def phase_of(self, name: str) -> Phase:
        """What the recipe says of a phase."""
        return next(phase for phase in self.recipe.phases() if phase.name == name)

    # --- the sharpness rule -----------------------------------------------------------------------

    @staticmethod
    def rule(runner: Runner) -> Rule | None:
        """The sharpness rule that steps are taken by now; None is plain training."""
        wrapper = runner.optim_wrapper
        return wrapper.rule if isinstance(wrapper, SharpnessMixin) else None

    def use_rule(self, runner: Runner, rule: Any) -> None:
        """Take steps by a rule, or its config, from now on; in a resumed run with its state."""
        set_rule(runner.optim_wrapper, rule, self.recipe.ascent)
        saved = (self._resumed or {}).get('rule')
        if saved and self.rule(runner) is not None:
            self.rule(runner).load_state_dict(saved | self._own_rule)

    # --- every iteration --------------------------------------------------------------------------

    def penalties(self, runner: Runner) -> dict[str, Tensor]:
        """What is added to the loss of a training step, by name; nothing by default."""
        return {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Add penalties to the loss of this step, wherever the network computes it."""

        # a function, not a method: copies of the network must not copy this hook along
        def add(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
            found = self.penalties(runner) if kwargs.get('mode') == 'loss' else {}
            return dict(output, **found) if found else output

        self._penalty = unwrap(runner.model).register_forward_hook(add, with_kwargs=True)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Leave the loss of whatever follows the step alone."""
        self._penalty.remove()

    # --- the removal ------------------------------------------------------------------------------

    def fixed_loss(self, runner: Runner) -> float:
        """The training loss of the same samples whenever it is asked, without penalties."""
        if self._batch is None:
            self._batch = FixedBatch(runner)
        return self._batch.loss(unwrap(runner.model))

    @contextmanager
    def measured(self, runner: Runner, metrics: bool | str) -> Iterator[dict[str, Any]]:
        """A record of the fixed loss on both sides of what is done inside.

        Args:
            runner: the training.
            metrics: whether the metrics of the validation are recorded, too; 'loss' adds its loss.
        """
        record: dict[str, Any] = {}
        for side in ('before', 'after'):
            record[f'loss_{side}'] = self.fixed_loss(runner)
            if metrics:
                record[f'metric_{side}'] = validate(runner, metrics == LOSS)
            if side == 'before':
                yield record

    def remove(self, runner: Runner, structure: Structure) -> None:
        """Remove what `structure` leaves out; pruned.py is written."""
        remove_channels(runner, structure)
        reset_best_metrics(runner)
        self.structure = structure
        self._text = None
        if is_main_process():
            artifacts.write_config(self._stock_text(runner), structure, runner.work_dir)

    def recalibrate(self, runner: Runner) -> dict[str, Any]:
        """Compute BatchNorm statistics anew as the recipe says; what the record says of it."""
        return recalibrate_training(runner, self.recipe.recalibrate, self.recipe.measure)

    def write_rounds(self, runner: Runner, rounds: list[dict]) -> None:
        """rounds.json: loss, metric and what is removed on both sides of every round."""
        if is_main_process():
            write_file(Path(runner.work_dir) / 'rounds.json', json.dumps(rounds, indent=1).encode())

    # --- what is left -----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside plan and rule, in plain types and tensors."""
        return {}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the state of the pruning, and the structure where something was removed."""
        rule = self.rule(runner)
        checkpoint[KEY] = dict(
            kind=self.kind,
            recipe=self.recipe_name,
            plan=dict(asked=asked(self.recipe.phases()), spans=self.plan.to_list()),
            rule=None if rule is None else rule.state_dict(),
            **self.state_dict(),
        )
        write_structure(checkpoint['meta'], self.structure)
        if self.removes and self.structure is not None:
            text = self._stock_text(runner)
            checkpoint['meta']['cfg'] = text
            checkpoint['message_hub']['runtime_info']['cfg'] = text

    def after_train(self, runner: Runner) -> None:
        """The files for stock loaders, where something was removed."""
        if self.structure is None or not is_main_process():
            return
        text = self._stock_text(runner)
        artifacts.write_config(text, self.structure, runner.work_dir)
        artifacts.write_weights(
            artifacts.deployed_state(runner),
            artifacts.run_meta(runner),
            self.structure,
            text,
            Path(runner.work_dir) / 'pruned.pth',
        )
        runner.logger.info(f'{runner.work_dir}/pruned.py and pruned.pth hold the pruned network.')

    def _stock_text(self, runner: Runner) -> str:
        if self._text is None:  # formatting takes seconds
            self._text = artifacts.stock_config(given_config(runner), self.structure)
        return self._text


def warn_of_random_weights(runner: Runner) -> None:
    """One warning where nothing trained is about to be pruned."""
    if not runner._has_loaded and not _has_pretrained(runner.cfg.get('model')):
        runner.logger.warning(
            'Neither load_from nor a Pretrained init_cfg is set: the scores rank random weights '
            'until training shapes them.'
        )


def _has_pretrained(model: Any) -> bool:
    if isinstance(model, dict):
        if 'Pretrained' in str(model.get('type')):
            return True
        return any(_has_pretrained(value) for value in model.values())
    if isinstance(model, (list, tuple)):
        return any(map(_has_pretrained, model))
    return False
