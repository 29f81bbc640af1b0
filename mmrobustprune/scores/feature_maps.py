"""Scores of the feature maps that a network makes of training images."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, Slice, find_layer
from mmrobustprune.dependency.kinds import is_convolution

from .base import Loss, Score, Watching, unseen

CELLS = 2**24  # entries of maps that are valued at a time, which bounds the memory for it


class FeatureMaps(Score):
    """s_i = mean over images, and over the layers that read channel i, of a value of its map.

    Maps are taken as the convolutions that read them receive them, behind the activation. Where
    only others read a group (a linear layer behind a pooling), they are taken where its last layer
    leaves them; a group without maps is not scored.

    Args:
        images: of the training set, whose maps are seen.
    """

    def __init__(self, images: int = 500):
        self.images = images
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def values(self, maps: Tensor) -> Tensor:
        """A value (C,) of each map (C, H, W) of one image."""
        raise NotImplementedError

    @torch.no_grad()
    def look(self, model: nn.Module, groups: Iterable[Group], losses: Iterable[Loss]) -> None:
        watching = self._watching(model, groups)
        try:
            for loss in losses:
                loss()
        finally:
            watching.remove()

    def _watching(self, model: nn.Module, groups: Iterable[Group]) -> Watching:
        handles = []
        for group in groups:
            readers = [part for part in group.slices if _reads(model, part)]
            for part in readers:
                hook = _before(self._note(group.name, part))
                handles.append(find_layer(model, part.layer).register_forward_pre_hook(hook))
            if not readers:
                part = _last(model, group)
                hook = _behind(self._note(group.name, part))
                handles.append(find_layer(model, part.layer).register_forward_hook(hook))
        return Watching(*handles)

    def _note(self, name: str, part: Slice) -> Callable[[Tensor], None]:
        def see(maps: Tensor) -> None:
            if maps.dim() == 4:
                value = sum(self._of_image(one) for one in maps)
                seen = value[part.index.to(value.device)].mean(1)
                self.sums[name] = self.sums.get(name, 0) + seen
                self.counts[name] = self.counts.get(name, 0) + len(maps)

        return see

    def _of_image(self, maps: Tensor) -> Tensor:
        """The values (C,), a part of the channels at a time where maps (C, H, W) are large."""
        part = max(1, CELLS // maps[0].numel())
        return torch.cat([self.values(some).double() for some in maps.split(part)])

    @property
    def ready(self) -> bool:
        """Whether images were seen."""
        return bool(self.sums)

    def can_score(self, model: nn.Module, group: Group) -> bool:
        """Whether maps of the group were seen."""
        return group.name in self.sums

    def reset(self) -> None:
        """Forget the images."""
        self.sums = {}
        self.counts = {}

    def state_dict(self) -> dict:
        """The type of the score, its sums and the numbers of images."""
        return dict(type=type(self).__name__, sums=dict(self.sums), counts=dict(self.counts))

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.sums = dict(state['sums'])
        self.counts = dict(state['counts'])

    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        return {group.name: self._mean(group) for group in groups}

    def _mean(self, group: Group) -> Tensor:
        if group.name not in self.sums:
            raise unseen(self, group)
        return self.sums[group.name] / self.counts[group.name]


def _before(see: Callable[[Tensor], None]) -> Callable:
    return lambda layer, args: see(args[0])


def _behind(see: Callable[[Tensor], None]) -> Callable:
    return lambda layer, args, output: see(output)


def _reads(model: nn.Module, part: Slice) -> bool:
    return part.side == 'in' and is_convolution(find_layer(model, part.layer))


def _last(model: nn.Module, group: Group) -> Slice:
    """The last layer in the network that shapes the channels of a group."""
    order = {name: place for place, (name, _) in enumerate(model.named_modules())}
    shaping = [part for part in group.slices if part.side == 'out' and part.layer in order]
    return max(shaping, key=lambda part: order[part.layer])
