"""Gradual structured pruning of one network: what is scored, what is masked, how far it has come."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.masks import CostModel, MaskSet, exponential, plan
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import Structure, Trace

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

    Raises:
        ValueError: the target cannot be met; the nearest feasible one is named.
    """

    def __init__(self, model: nn.Module, trace: Trace, recipe: Recipe, phases: Phases, optimizer: torch.optim.Optimizer):
        self.model, self.recipe, self.phases, self.optimizer = model, recipe, phases, optimizer
        self.groups, self.trace = trace.groups, trace
        self.masks = MaskSet(model, trace.groups)
        self.score = build_score(recipe.score)
        self.cost = CostModel(model, trace)
        self._plan({group.name: torch.arange(1.0, group.units + 1) for group in self.groups})  # feasible at all?
        self.masks.attach()
        self._watch = None
        if self.score.needs_gradient:
            self._watch = optimizer.register_step_pre_hook(lambda *_: self.score.observe(model, self.groups))

    def _plan(self, scores: dict[str, Tensor], keep: int | None = None) -> dict[str, Tensor]:
        r = self.recipe
        return plan(scores, self.cost, target=r.target, budget=r.budget, alive=self.masks.alive, scope=r.scope,
                    min_keep=r.min_keep, round_to=r.round_to, keep=keep)

    @property
    def ready(self) -> bool:
        """Whether the score has what it needs (gradients seen, for those that need them)."""
        return self.score.ready

    def neuron_scores(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Scores and living neurons by weight name, (out,) each, for the perturbation radius."""
        units = self.score(self.model, self.groups)
        scores = {f'{layer}.weight': value for layer, value in self.score.filters(self.model).items()}
        alive: dict[str, Tensor] = {}
        modules = dict(self.model.named_modules())
        for group in self.groups:
            for piece in group.slices:
                name, module = f'{piece.layer}.weight', modules.get(piece.layer)
                if piece.side != 'out' or name not in scores or module is None:
                    continue
                index = piece.index.to(scores[name].device)
                scores[name] = scores[name].clone()
                scores[name][index] = units[group.name].to(scores[name])[:, None].expand_as(index)
                living = alive.setdefault(name, torch.ones_like(scores[name], dtype=torch.bool))
                living[index] = self.masks.alive[group.name].to(index.device)[:, None].expand_as(index)
        return scores, alive

    def targets(self, number: int) -> dict[str, Tensor]:
        """Units alive after round `number`, by group."""
        scores = self.score(self.model, self.groups)
        final = self._plan(scores)
        if number == self.phases.rounds:
            return final
        units = sum(group.units for group in self.groups)
        kept = sum(int(alive.sum()) for alive in final.values())
        counts = exponential(units, 1 - kept / units, self.phases.rounds)
        return self._plan(scores, keep=counts[number - 1])

    def mask(self, alive: dict[str, Tensor]) -> None:
        """Take the dead units out of the weights and the optimizer's state."""
        self.masks.remove(alive, self.optimizer)
        self.score.reset()

    def progress(self) -> dict[str, float]:
        """Fractions removed so far: channels, parameters, MACs."""
        return self.cost.removed(self.masks.alive)

    def structure(self) -> Structure:
        """The record that removes exactly what is masked."""
        return self.masks.structure(type(self.recipe).__name__, **{k: v for k, v in self.progress().items() if k != 'channels'})

    def release(self) -> None:
        """Take every hook off the network and the optimizer."""
        self.masks.detach()
        if self._watch is not None:
            self._watch.remove()

    def state_dict(self) -> dict[str, Any]:
        return dict(masks=self.masks.state_dict(), score=self.score.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.masks.load_state_dict(state['masks'])
        self.score.load_state_dict(state['score'])
