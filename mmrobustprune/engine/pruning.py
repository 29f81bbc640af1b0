"""Gradual structured pruning of one network: what is scored, what is masked, how far it has come."""
from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.masks import CostModel, MaskSet
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import Structure, Trace, certify
from mmrobustprune.surgery.groups import halves, spread
from mmrobustprune.surgery.recording import Forward

from .phases import Phases
from .recipes import Recipe


class GradualPruning:
    """Scores, masks and budget of a running pruning; plain state, saved in every checkpoint.

    Args:
        model: the dense network.
        trace: its groups of channels.
        recipe: what is asked.
        phases: when.
        optimizer: its state is zeroed where the weights are.
        example, work_dir: an input of the network, and where what is measured of it is kept.

    Raises:
        ValueError: the target cannot be met; the nearest feasible one is named.
    """

    def __init__(self, model: nn.Module, trace: Trace, recipe: Recipe, phases: Phases, optimizer: torch.optim.Optimizer,
                 example: Any = None, work_dir: str = ''):
        self.model, self.recipe, self.phases, self.optimizer = model, recipe, phases, optimizer
        self.groups, self.trace = trace.groups, trace
        self.masks = MaskSet(model, trace.groups)
        self.score = build_score(recipe.score)
        self.cost = CostModel(model, trace.groups, trace.shapes)
        self.selection = recipe.selection(self.cost, model=model, trace=trace, example=example, work_dir=work_dir)
        self.selection.admit(recipe.target)
        self.masks.attach()
        self._watch = self.score.watch(model, optimizer, trace.groups) if self.score.needs_gradient else None

    @property
    def ready(self) -> bool:
        """Whether the score has what it needs: gradients seen, for those that need them."""
        return not self.score.needs_gradient or self.score.batches > 0

    def neuron_scores(self) -> dict[str, Tensor]:
        """Scores by weight name, (out,) each, for the perturbation radius."""
        scores = self.score.filters(self.model, self.groups)
        widths = {layer: len(score) for layer, score in scores.items()}
        scores = scores | spread(self.score(self.model, self.groups), self.groups, widths)
        return {f'{layer}.weight': value for layer, value in scores.items()}

    def living_neurons(self) -> dict[str, Tensor]:
        """Which neurons live by weight name, (out,) each."""
        return {f'{layer}.weight': value for layer, value in self.masks.filters().items()}

    def rehearse(self, example: Any, forward: Forward) -> float:
        """Remove half of every group from a copy, so that a removal that would be refused at the end is refused now.

        Args:
            example, forward: an input of the network and how it takes it.
        Returns:
            Largest relative difference between masked and removed outputs.
        Raises:
            ValueError: the removal changes outputs; the groups at fault are named.
        """
        trial = MaskSet(copy.deepcopy(self.model), self.groups)
        trial.remove(halves(self.groups))
        return certify(trial, example, forward=forward)

    def targets(self, number: int) -> dict[str, Tensor]:
        """Units alive after round `number`, by group."""
        scores = self.score(self.model, self.groups)
        return self.selection.step(scores, self.recipe.target, self.masks.alive, number, self.phases.rounds)

    def mask(self, alive: dict[str, Tensor]) -> None:
        """Take the dead units out of the weights and the optimizer's state."""
        self.masks.remove(alive, self.optimizer)
        self.forget()

    def forget(self) -> None:
        """Begin the window of a score of gradients anew."""
        if self.score.needs_gradient:
            self.score.reset()

    def progress(self) -> dict[str, float]:
        """Fractions removed so far: channels, parameters, MACs, and what else the budget is of."""
        return self.cost.removed(self.masks.alive) | self.selection.removed(self.masks.alive)

    def structure(self) -> Structure:
        """The record that removes exactly what is masked."""
        return self.masks.structure(type(self.recipe).__name__, **{k: v for k, v in self.progress().items() if k != 'channels'})

    def release(self) -> None:
        """Take every hook off the network and the optimizer."""
        self.masks.detach()
        if self._watch is not None:
            self._watch.remove()

    def state_dict(self) -> dict[str, Any]:
        return dict(masks=self.masks.state_dict(), score=self.score.state_dict() if self.score.needs_gradient else None)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.masks.load_state_dict(state['masks'])
        if self.score.needs_gradient:
            self.score.load_state_dict(state['score'])
