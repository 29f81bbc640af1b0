"""Gradual structured pruning of one network: what is scored and masked, how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmrobustprune.copies import copied
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import (
    Group,
    Trace,
    find_layer,
    halves,
    part_of,
    spread,
)
from mmrobustprune.dependency.kinds import weight_name
from mmrobustprune.engine.pruning.rehearsal import check_copy
from mmrobustprune.masks import MaskSet, loss_weights
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.scores import Magnitude, build_score
from mmrobustprune.scores.base import Loss, Watching
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery import certify

from .budget import budget_of
from .setting import Setting


class GradualPruning:
    """Scores, masks and budget of a running pruning; plain state, saved in every checkpoint.

    A group that its score cannot see (its filters are frozen) is scored by the magnitude of its
    weights: by rank, on the scale of the scores of the other groups.

    Args:
        model: the dense network.
        trace: its groups of channels.
        recipe: what is asked.
        rounds: of masks; the last one meets the target.
        optimizer: its state is zeroed where the weights are.
        setting: an input, how the network takes it, where measurements are kept.

    Raises:
        ValueError: the target cannot be met; the nearest feasible one is named.
    """

    def __init__(
        self,
        model: nn.Module,
        trace: Trace,
        recipe: Recipe,
        rounds: int,
        optimizer: torch.optim.Optimizer,
        setting: Setting | None = None,
    ):
        self.model = model
        self.recipe = recipe
        self.rounds = rounds
        self.optimizer = optimizer
        self.setting = setting or Setting()
        self.trace = trace
        self.groups = trace.groups
        self.masks = recipe.masks(model, trace.groups)
        self.going: dict[str, Tensor] | None = None  # the units that live, once they are chosen
        self.score = build_score(recipe.score)
        self.cost = CostModel(model, trace.groups, trace.shapes)
        self.budget = budget_of(recipe)
        self.selection = self.budget.selection(model, trace, self.setting)
        self.selection.admit(recipe.target)
        self.masks.attach(optimizer)
        self.weights: dict[str, float] | None = None
        self.rates: dict[str, float] | None = None
        self._watching: Watching | None = None

    def watch(self) -> None:
        """Let the score see what it collects, from here on."""
        stepper = Revived(self.setting.stepper or self.optimizer, self.masks)
        self._watching = self.score.watch(self.model, stepper, self.groups)

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Inside, the score sees nothing: no pass is one of the training."""
        watching = self._watching
        if watching is None:
            yield
            return
        watching.remove()
        try:
            yield
        finally:
            self.watch()

    @property
    def ready(self) -> bool:
        """Whether the score has seen what it needs."""
        return self.score.ready

    def unit_scores(self) -> dict[str, Tensor]:
        """Scores (units,) by group."""
        seen = self._scored()
        names = {group.name for group in seen}
        blind = [group for group in self.groups if group.name not in names]
        with self.masks.revived():
            scores = self.score(self.model, seen)
            sizes = Magnitude()(self.model, blind)
        if scores:
            sizes = {name: ranked_as(size, list(scores.values())) for name, size in sizes.items()}
        return scores | sizes

    def _scored(self) -> list[Group]:
        return [group for group in self.groups if self.score.can_score(self.model, group)]

    def neuron_scores(self) -> dict[str, Tensor]:
        """Scores by weight name, (out,) each, for the perturbation radius."""
        seen = self._scored()
        scores = self.score.filters(self.model, seen) if seen else {}
        widths = {layer: len(score) for layer, score in scores.items()}
        return self._by_weight(scores | spread(self.unit_scores(), self.groups, widths))

    def living_neurons(self) -> dict[str, Tensor]:
        """Which neurons live by weight name, (out,) each."""
        return self._by_weight(self.masks.filters())

    def _by_weight(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        known = dict(self.model.named_parameters())  # of two layers that share a weight the first
        named = {
            f'{layer}.{weight_name(find_layer(self.model, layer))}': value
            for layer, value in values.items()
        }
        return {name: value for name, value in named.items() if name in known}

    def rehearse(self) -> Structure:
        """Certify on copies the removal of half of every group: what would be refused at the end.

        Returns:
            The structure that removes those halves.

        Raises:
            ValueError: a group has not what its score is of, or the removal changes outputs; the
                groups at fault are named.
        """
        if self.ready:
            self.unit_scores()
        example = self.setting.example
        forward = self.setting.forward
        twin = copied(self.model)
        check_copy(self.model, twin, lambda network: forward(network, example))
        trial = MaskSet(twin, self.groups)
        trial.remove(halves(self.groups))
        certify(trial, example, forward=forward)
        return trial.structure('half')

    def weigh(self, loss: Callable[[nn.Module], float]) -> dict[str, float]:
        """What each group is worth to a loss, measured on a copy of the network."""
        scores = self.unit_scores()
        with self.unwatched():
            return loss_weights(copied(self.model), self.groups, scores, loss)

    def weighed(self, weights: Mapping[str, float]) -> None:
        """Select by these weights of the groups from now on."""
        self.weights = dict(weights)
        self.selection = self.selection.weighed(weights)

    def targets(self, number: int) -> dict[str, Tensor]:
        """Units alive after round `number`, by group."""
        if self.going is not None:
            count = -(-len(self.groups) * number // self.rounds)
            return {group.name: self.going[group.name] for group in self.groups[:count]}
        this = number if self.recipe.gradual else self.rounds
        masks = self.masks
        return self.selection.step(
            self.unit_scores(),
            self.recipe.target,
            masks.alive,
            this,
            self.rounds,
            masks.candidates(),
        )

    def choose(self) -> dict[str, Tensor]:
        """Units alive at the end as the scores are now, by group."""
        return self.selection.plan(self.unit_scores(), self.recipe.target, self.masks.alive)

    def chosen(self, alive: dict[str, Tensor]) -> None:
        """From now on these units are those that live at the end."""
        self.going = alive
        self.score.reset()

    def penalised(self) -> tuple[Group, ...]:
        """The groups that a penalty is given: of the units that go, once they are chosen."""
        if self.going is None:
            return self.groups
        parts = (part_of(group, ~self.going[group.name]) for group in self.groups)
        return tuple(part for part in parts if part.units)

    def look(self, losses: Iterable[Loss]) -> None:
        """Show the score what it asks for, loss by loss; see `Score.look`."""
        self.score.look(self.model, self.groups, losses)

    def search(self, judge: Callable[[dict[str, Tensor]], float]) -> dict:
        """Let the selection look for rates by a judge; see `Selection.search`."""
        return self.selection.search(self.unit_scores(), self.recipe.target, judge)

    def rated(self, rates: Mapping[str, float]) -> None:
        """Groups lose units at these rates from now on."""
        self.rates = dict(rates)
        self.selection = self.selection.rated(rates)

    def mask(self, alive: dict[str, Tensor], last: bool = False) -> None:
        """Take the dead units out of the weights and, where they stay dead, what belongs to them.

        Args:
            alive: of each group.
            last: whether these are the masks that are removed.
        """
        self.masks.remove(alive, self.optimizer)
        if last:
            self.masks.settle(self.optimizer)
        self.score.reset()

    def begin_window(self) -> None:
        """Begin anew what a score collects."""
        self.score.reset()

    def progress(self) -> dict[str, float]:
        """Fractions removed so far: channels, parameters, MACs, what else the budget is of."""
        return self.cost.removed(self.masks.alive) | self.selection.removed(self.masks.alive)

    def certify(self) -> float:
        """The difference that the removal of what is masked makes; see `surgery.certify`."""
        with self.unwatched():
            return certify(self.masks, self.setting.example, forward=self.setting.forward)

    def measured(self, dense: nn.Module | None, model: nn.Module) -> dict[str, float]:
        """Figures of the budget once the removal is done."""
        return self.budget.measured(self.selection, self.masks.alive, dense, model, self.setting)

    def structure(self) -> Structure:
        """The record that removes exactly what is masked."""
        achieved = self.progress()
        achieved.pop('channels', None)  # the record counts them itself
        return self.masks.structure(self.recipe.method, **achieved)

    def detach(self) -> None:
        """Take every hook off the network and the optimizer."""
        self.masks.detach()
        if self._watching is not None:
            self._watching.remove()
            self._watching = None

    def state_dict(self) -> dict[str, Any]:
        """Groups, masks, and what a score has seen."""
        return dict(
            groups=[group.name for group in self.groups],
            masks=self.masks.state_dict(),
            score=self.score.state_dict() or None,
            weights=self.weights,
            rates=self.rates,
            going=self.going,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.masks.load_state_dict(state['masks'])
        self.score.load_state_dict(state['score'] or {})
        self.going = state.get('going')
        if state.get('weights') is not None:
            self.weighed(state['weights'])
        if state.get('rates') is not None:
            self.rated(state['rates'])


class Revived:
    """The steps of a training for a score, which sees units that may come back as they would be.

    Args:
        stepper: an optimizer, or an optimizer wrapper with `register_step_pre_hook`.
        masks: of the network.
    """

    def __init__(self, stepper: Any, masks: MaskSet):
        self.stepper = stepper
        self.masks = masks

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """As the stepper's."""

        def seen(*args: Any) -> None:
            with self.masks.revived():
                hook(*args)

        return self.stepper.register_step_pre_hook(seen)


def ranked_as(sizes: Tensor, scores: list[Tensor]) -> Tensor:
    """Sizes (units,) laid by rank onto the values that scores (units,) of other groups take.

    The q-th quantile of the sizes becomes the q-th quantile of all scores, each group's divided by
    its mean, times the mean of these means.
    """
    means = torch.stack([score.mean() for score in scores]).to(sizes)
    relative = [score.to(sizes) / max(float(score.mean()), 1e-30) for score in scores]
    places = (sizes.argsort().argsort() + 0.5) / len(sizes)
    return torch.cat(relative).quantile(places.to(sizes)) * means.mean()


def only(trace: Trace, groups: Iterable[Group]) -> Trace:
    """A trace with these of its groups."""
    return Trace(tuple(groups), trace.unprunable, trace.shapes)
