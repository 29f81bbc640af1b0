"""A classifier of pixels with its normalisation inside, and the spaces in which an attack may move its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mmrobustprune.flags import flags_restored

Function = Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """logits = network(normalise(x)) of pixels x (N, C, H, W) in [0, 1]; logits (N, classes).

    Args:
        network: what sees normalised pictures.
        normalise: pixels -> what the network sees, the same affine map at every position; the identity by default.
    """

    def __init__(self, network: nn.Module, normalise: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.normalise = nn.Identity() if normalise is None else normalise

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(self.normalise(pixels))


class Normalise(nn.Module):
    """(x - mean) / std per channel, mean and std in units of pixels in [0, 1]."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean)[:, None, None])
        self.register_buffer('std', torch.tensor(std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean) / self.std


@dataclass(frozen=True)
class Space:
    """The variable z that an attack moves.

    Attributes:
        enter: pixels -> z.
        logits: z -> logits.
        low, high: (C, 1, 1), what pixels 0 and 1 become; None for no bound.
        gain: (C,), change of z per change of a pixel, so that a radius r of z is r / gain in pixel units.
    """

    enter: Function
    logits: Function
    low: Tensor | None
    high: Tensor | None
    gain: Tensor

    def clamp(self, z: Tensor) -> Tensor:
        """z within the bounds."""
        return z if self.low is None else torch.minimum(torch.maximum(z, self.low), self.high)


def _pixel(model: Classifier, like: Tensor) -> Space:
    low = like.new_zeros(like.shape[1], 1, 1)
    return Space(lambda x: x, model, low, low + 1, low.flatten() + 1)


def _normalised(model: Classifier, like: Tensor) -> Space:
    with torch.no_grad():
        zero, one = (
            model.normalise(like.new_full((1, *like.shape[1:]), value)) for value in (0.0, 1.0)
        )
    low, high = (value[0, :, :1, :1] for value in (zero, one))
    if zero.shape[1:] != like.shape[1:] or any(
        (value != value[:, :, :1, :1]).any() for value in (zero, one)
    ):
        raise ValueError(
            "this model's normalisation pads or differs from place to place; attack it with space='pixel'."
        )
    gain = (high - low).flatten().abs()
    return Space(
        model.normalise, model.network, torch.minimum(low, high), torch.maximum(low, high), gain
    )


def _one_range(space: Space) -> Space:
    return replace(
        space, low=space.low.min().expand_as(space.low), high=space.high.max().expand_as(space.high)
    )


SPACES: dict[str, Callable[[Classifier, Tensor], Space]] = dict(
    pixel=_pixel, normalised=_normalised
)
# image: what a picture can hold; range: from the lowest to the highest of all channels, as SR-GKP does on CIFAR; none: no bound
CLIPS: dict[str, Function] = dict(
    image=lambda space: space,
    range=_one_range,
    none=lambda space: replace(space, low=None, high=None),
)


def full_range(x: Tensor) -> AbstractContextManager:
    """No autocast to float16, where gradients of confident pictures vanish and such pictures would not move; else nothing."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16:
        return torch.autocast(kind, enabled=False)
    return nullcontext()


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients of parameters inside; every flag as before afterwards."""
    with flags_restored(model):
        model.eval()
        model.requires_grad_(False)
        yield
