"""What a score is: one number per unit, and one per filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmrobustprune.dependency.groups import Group, Slice, find_layer
from mmrobustprune.dependency.kinds import by_channel, makes, weight_of

Loss = Callable[[], Tensor]  # the loss of one batch, with the weights as they then are


class Watching:
    """The hooks that a score has set; `remove` takes them off.

    Args:
        handles: what torch returned for each of them.
    """

    def __init__(self, *handles: RemovableHandle):
        self._handles = handles

    def remove(self) -> None:
        """Take every hook off."""
        for handle in self._handles:
            handle.remove()
        self._handles = ()


class Score:
    """How much a channel matters; higher is kept.

    Called with a model and its groups it gives each group's units a score (units,), the same
    numbers `filters` gives the output channels of a layer, so that what is removed and what the
    perturbation radius follows are the same.

    A score of the weights needs no more. One of gradients or activations collects them: it sets
    its hooks in `watch`, is `ready` once it has seen something, begins anew after `reset`, and
    keeps what it saw in `state_dict`.

    Attributes:
        needs_gradient: whether it reads the gradients that optimizer steps see.
        images: how many training images it asks to be shown, by `look`, while it is not `ready`.
    """

    needs_gradient = False
    images = 0

    def look(self, model: nn.Module, groups: Iterable[Group], losses: Iterable[Loss]) -> None:
        """See `images` training images before the first round, and again after each `reset`.

        Args:
            model: in evaluation mode.
            groups: that will be scored.
            losses: each gives the training loss of one batch when it is called.
        """

    def watch(
        self, model: nn.Module, stepper: torch.optim.Optimizer, groups: Iterable[Group] = ()
    ) -> Watching:
        """Collect what the score needs while the model is trained, until the result is removed.

        Args:
            model: the network; forward hooks on its layers see the passes of evaluations, too,
                where `layer.training` is false.
            stepper: the optimizer, or an optimizer wrapper with `register_step_pre_hook`: its
                hooks run where the gradients of all accumulated batches are there.
            groups: the groups that will be scored.
        """
        return Watching()

    @property
    def ready(self) -> bool:
        """Whether the score has seen what it needs."""
        return True

    def can_score(self, model: nn.Module, group: Group) -> bool:
        """Whether what it reads of a group will be there; a frozen layer has no gradient."""
        return True

    def reset(self) -> None:
        """Forget what was seen (after units were removed, for instance)."""

    def state_dict(self) -> dict:
        """What was seen, for a checkpoint, with the type of the score; {} for the weights alone."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Take back what `state_dict` gave.

        Raises:
            ValueError: another score saw it.
        """
        refuse_other(self, state)

    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        """Scores (units,) per group name, detached and on the weights' device."""
        raise NotImplementedError

    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        """Scores (out,) of convolution and linear layers, by layer name.

        None by default: a perturbation radius then follows the norms of the filters.
        """
        return {}


def refuse_other(score: Score, state: dict) -> None:
    """Refuse (ValueError) what another score saw; one of the weights alone saw nothing."""
    alone = 'a score of the weights alone'
    own = score.state_dict().get('type', alone)
    saved = state.get('type', alone)
    if saved != own:
        asked = own if own != alone else type(score).__name__
        raise ValueError(
            f"the checkpoint's scores are of {saved} and {asked} is asked for; resume with the "
            'robust_prune.score of the checkpoint, or start anew.'
        )


def unseen(score: Score, group: Group) -> ValueError:
    """What to say where a score that looks at images saw nothing of a group."""
    return ValueError(
        f"{type(score).__name__} saw no image that reaches group '{group.name}'; call look(model, "
        'groups, losses) first, take it in a recipe of a training, which has images, or choose a '
        'score of the weights.'
    )


class FilterScore(Score):
    """A score of single filters; a unit's score combines the filters it takes along."""

    def rows(self, weight: Tensor) -> Tensor:
        """Score (out,) of the rows of a weight (out, fan)."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        scores = {}
        for group in groups:
            parts = producing(model, group)
            scores[group.name] = sum(self.rows(unit_rows(model, part)) for part in parts)
        return scores

    @torch.no_grad()
    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        return {name: self.rows(filter_rows(layer, 'out')) for name, layer in makers(model)}


def producing(model: nn.Module, group: Group) -> list[Slice]:
    """The slices of a group that hold the filters which make its channels."""
    return [
        part for part in group.slices if part.side == 'out' and makes(find_layer(model, part.layer))
    ]


def makers(model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """Every layer that has filters with its name."""
    return ((name, layer) for name, layer in model.named_modules() if makes(layer))


def outputs(layer: nn.Module) -> int:
    """Number of filters of a layer that has some."""
    return len(filter_rows(layer))


def filter_rows(layer: nn.Module, side: str = 'out', of: Tensor | None = None) -> Tensor:
    """The weight, or a tensor of its shape, as (channels of that side, all the rest)."""
    return by_channel(layer, side, weight_of(layer) if of is None else of)


def unit_rows(model: nn.Module, part: Slice) -> Tensor:
    """The weights (units, n) that each unit holds on one side of a layer."""
    rows = filter_rows(find_layer(model, part.layer), part.side)
    return rows[part.index.to(rows.device)].flatten(1)
