"""Gradual structured pruning of one network: what is scored, what is masked, how far it has come."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Trace, halves, spread
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.masks import MaskSet
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.scores import build_score
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery import certify

from .budget import budget_of
from .phases import Phases


class GradualPruning:
    """Scores, masks and budget of a running pruning; plain state, saved in every checkpoint.

    Args:
        model: the dense network.
        trace: its groups of channels.
        recipe: what is asked.
        phases: when.
        optimizer: its state is zeroed where the weights are.
        example, work_dir: an input of the network, and where what is measured of it is kept.
        stepper: whose steps a score of gradients watches, an OptimWrapper that clips; by default the optimizer.

    Raises:
        ValueError: the target cannot be met; the nearest feasible one is named.
    """

    def __init__(
        self,
        model: nn.Module,
        trace: Trace,
        recipe: Recipe,
        phases: Phases,
        optimizer: torch.optim.Optimizer,
        example: Any = None,
        work_dir: str = '',
        stepper: Any = None,
    ):
        self.model, self.recipe, self.phases, self.optimizer = model, recipe, phases, optimizer
        self.groups, self.trace = trace.groups, trace
        self.masks = MaskSet(model, trace.groups)
        self.score = build_score(recipe.score)
        self.cost = CostModel(model, trace.groups, trace.shapes)
        self.budget = budget_of(recipe)
        self.selection = self.budget.selection(model, trace, example, work_dir)
        self.selection.admit(recipe.target)
        self.masks.attach()
        self._watching = self.score.watch(model, stepper or optimizer, trace.groups)

    @property
    def ready(self) -> bool:
        """Whether the score has seen what it needs."""
        return self.score.ready

    def neuron_scores(self) -> dict[str, Tensor]:
        """Scores by weight name, (out,) each, for the perturbation radius."""
        scores = self.score.filters(self.model, self.groups)
        widths = {layer: len(score) for layer, score in scores.items()}
        scores = scores | spread(self.score(self.model, self.groups), self.groups, widths)
        return self._by_weight(scores)

    def living_neurons(self) -> dict[str, Tensor]:
        """Which neurons live by weight name, (out,) each."""
        return self._by_weight(self.masks.filters())

    def _by_weight(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        known = dict(self.model.named_parameters())  # of two layers that share a weight the first
        return {
            name: value for layer, value in values.items() if (name := f'{layer}.weight') in known
        }

    def rehearse(self, example: Any, forward: Forward) -> nn.Module:
        """Remove half of every group from a copy, so that a removal that would be refused at the end is refused now.

        Args:
            example, forward: an input of the network and how it takes it.
        Returns:
            The copy, smaller.
        Raises:
            ValueError: the removal changes outputs, and the groups at fault are named; or the network cannot be copied.
        """
        try:
            small = copy.deepcopy(self.model)
        except RuntimeError as problem:
            raise ValueError(
                f'{type(self.model).__name__} cannot be copied, as it keeps tensors of its last forward pass '
                f'({str(problem).splitlines()[0][:100]}); let it forget them.'
            ) from problem
        trial = MaskSet(small, self.groups)
        trial.remove(halves(self.groups))
        certify(trial, example, forward=forward)
        return rebuild(small, trial.structure('half'))

    def targets(self, number: int) -> dict[str, Tensor]:
        """Units alive after round `number`, by group."""
        scores = self.score(self.model, self.groups)
        return self.selection.step(
            scores, self.recipe.target, self.masks.alive, number, self.phases.rounds
        )

    def mask(self, alive: dict[str, Tensor]) -> None:
        """Take the dead units out of the weights and the optimizer's state."""
        self.masks.remove(alive, self.optimizer)
        self.forget()

    def forget(self) -> None:
        """Begin the window anew of a score that collects what it sees."""
        self.score.reset()

    def progress(self) -> dict[str, float]:
        """Fractions removed so far: channels, parameters, MACs, and what else the budget is of."""
        return self.cost.removed(self.masks.alive) | self.selection.removed(self.masks.alive)

    def structure(self) -> Structure:
        """The record that removes exactly what is masked."""
        return self.masks.structure(
            self.recipe.method,
            **{k: v for k, v in self.progress().items() if k != 'channels'},
        )

    def release(self) -> None:
        """Take every hook off the network and the optimizer."""
        self.masks.detach()
        self._watching.remove()

    def state_dict(self) -> dict[str, Any]:
        return dict(
            masks=self.masks.state_dict(),
            score=self.score.state_dict() or None,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.masks.load_state_dict(state['masks'])
        self.score.load_state_dict(state['score'] or {})
