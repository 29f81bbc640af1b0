"""What the loss would gain, to second order."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, find_layer
from mmrobustprune.dependency.kinds import weight_of

from .base import Loss, Score, filter_rows, producing, unseen

PER = ('weight', 'unit')


class Hessian(Score):
    """s_i = 1/2 sum over the weights k of unit i's filters of h_kk w_k^2 (OBD, LeCun et al. 1990).

    With `per='unit'` s_i = 1/2 w_i' H_ii w_i with the whole block of the unit's filters. Both are
    the mean of 1/2 (z w)' H (z w), restricted to the unit, over random signs z of each weight or
    of each unit (Hutchinson's estimate), of which every batch draws one.

    Args:
        per: 'weight' or 'unit'.
        images: of the training set.
        seed: of the signs.

    Raises:
        ValueError: another `per`.
    """

    def __init__(self, per: str = 'weight', images: int = 1000, seed: int = 0):
        if per not in PER:
            raise ValueError(f'Hessian takes signs per {" or ".join(map(repr, PER))}, not {per!r}.')
        self.per = per
        self.images = images
        self.seed = seed
        self.sums: dict[str, Tensor] = {}
        self.batches = 0

    def look(self, model: nn.Module, groups: Iterable[Group], losses: Iterable[Loss]) -> None:
        groups = tuple(groups)
        generator = torch.Generator().manual_seed(self.seed)
        for loss in losses:
            signs = self._signs(model, groups, generator)
            self._add(model, groups, self._curvatures(model, signs, loss()))
            self.batches += 1

    def _signs(
        self, model: nn.Module, groups: tuple[Group, ...], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Of each layer that makes channels of a group, +1 and -1 in the shape of its filters."""
        signs: dict[str, Tensor] = {}
        for group in groups:
            drawn = _coins((group.units, 1, 1), generator)
            for part in producing(model, group):
                rows = filter_rows(find_layer(model, part.layer))
                if not weight_of(find_layer(model, part.layer)).requires_grad:
                    continue
                known = signs.setdefault(part.layer, torch.zeros(rows.shape, device=rows.device))
                shape = (*part.index.shape, rows.shape[1])
                each = drawn if self.per == 'unit' else _coins(shape, generator)
                known[part.index.to(rows.device)] = each.expand(shape).to(rows.device)
        return signs

    def _curvatures(
        self, model: nn.Module, signs: dict[str, Tensor], loss: Tensor
    ) -> dict[str, Tensor]:
        """1/2 (z w) (H z w) summed over each filter (out,) of each layer."""
        weights = [weight_of(find_layer(model, name)) for name in signs]
        rows = [filter_rows(find_layer(model, name)) for name in signs]
        # zeros for what the loss does not use, or only linearly
        zeros = dict(allow_unused=True, materialize_grads=True)
        gradients = torch.autograd.grad(loss, weights, create_graph=True, **zeros)
        moved = [row.detach() * sign for row, sign in zip(rows, signs.values(), strict=True)]
        layers = [find_layer(model, name) for name in signs]
        along = sum(
            (filter_rows(layer, of=gradient) * move).sum()
            for layer, gradient, move in zip(layers, gradients, moved, strict=True)
        )
        products = torch.autograd.grad(along, weights, **zeros)
        return {
            name: (filter_rows(layer, of=product) * move).sum(1) / 2
            for name, layer, product, move in zip(signs, layers, products, moved, strict=True)
        }

    @torch.no_grad()
    def _add(
        self, model: nn.Module, groups: tuple[Group, ...], curvatures: dict[str, Tensor]
    ) -> None:
        for group in groups:
            for part in producing(model, group):
                if part.layer in curvatures:
                    found = curvatures[part.layer]
                    seen = found[part.index.to(found.device)].sum(1)
                    self.sums[group.name] = self.sums.get(group.name, 0) + seen

    @property
    def ready(self) -> bool:
        """Whether batches were seen."""
        return self.batches > 0

    def can_score(self, model: nn.Module, group: Group) -> bool:
        """Whether a filter of the group learns."""
        return group.name in self.sums

    def reset(self) -> None:
        """Forget the batches."""
        self.sums = {}
        self.batches = 0

    def state_dict(self) -> dict:
        """The type of the score with its signs, its sums and the number of batches."""
        kind = f'{type(self).__name__} per {self.per}'
        return dict(type=kind, sums=dict(self.sums), batches=self.batches)

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.sums = dict(state['sums'])
        self.batches = state['batches']

    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        return {group.name: self._mean(group) for group in groups}

    def _mean(self, group: Group) -> Tensor:
        if group.name not in self.sums:
            raise unseen(self, group)
        return self.sums[group.name] / self.batches


def _coins(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """+1 or -1 by chance, in a shape."""
    return torch.randint(2, shape, generator=generator) * 2.0 - 1
