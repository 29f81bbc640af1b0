"""A classifier of pixels with its normalisation inside, and the spaces an attack may move in."""

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
        network: what sees normalised images.
        normalise: pixels -> what the network sees, the same affine map at every position; the
            identity by default.
    """

    def __init__(self, network: nn.Module, normalise: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.normalise = nn.Identity() if normalise is None else normalise

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(self.normalise(pixels))


class Normalise(nn.Module):
    """(x - mean) / std per channel, mean and std in units of pixels in [0, 1].

    Args:
        mean, std: one number for each channel, or a single one for all.
    Raises:
        ValueError: images of another number of channels (on the call).
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean)[:, None, None])
        self.register_buffer('std', torch.tensor(std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        if len(self.mean) not in (1, pixels.shape[1]):  # or the images would be repeated
            raise ValueError(
                f'the images have {pixels.shape[1]} channels and the normalisation '
                f'{len(self.mean)}; give mean and std for each channel.'
            )
        return (pixels - self.mean) / self.std


@dataclass(frozen=True)
class Space:
    """The variable z that an attack moves.

    Attributes:
        enter: pixels -> z.
        logits: z -> logits.
        low, high: (C, 1, 1), what pixels 0 and 1 become, the lower one first; None for no bound.
        gain: (C,), change of z per change of a pixel: a radius r of z is r / gain in pixel units.
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
        zero = model.normalise(like.new_zeros(1, *like.shape[1:]))
        one = model.normalise(like.new_ones(1, *like.shape[1:]))
    low = zero[0, :, :1, :1]
    high = one[0, :, :1, :1]
    flat = (zero == low).all() and (one == high).all()
    if zero.shape[1:] != like.shape[1:] or not flat:
        raise ValueError(
            "this model's normalisation pads, changes the number of channels or differs from place "
            "to place; attack it with space='pixel'."
        )
    gain = (high - low).flatten().abs()
    lowest = torch.minimum(low, high)
    return Space(model.normalise, model.network, lowest, torch.maximum(low, high), gain)


def _one_range(space: Space) -> Space:
    low = space.low.min().expand_as(space.low)
    return replace(space, low=low, high=space.high.max().expand_as(space.high))


SPACES: dict[str, Callable[[Classifier, Tensor], Space]] = dict(
    pixel=_pixel, normalised=_normalised
)
# image: what an image can hold; range: from the lowest to the highest of all channels, as SR-GKP
# does on CIFAR; none: no bound
CLIPS: dict[str, Function] = dict(
    image=lambda space: space,
    range=_one_range,
    none=lambda space: replace(space, low=None, high=None),
)


def full_range(x: Tensor) -> AbstractContextManager:
    """No autocast to float16, else nothing.

    In float16 gradients of confident images vanish, and such images would not move.
    """
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16:
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def refuse_mismatch(who: str, logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless logits (N, classes) and labels (N,) are of the same classes.

    One output alone (a sigmoid) has no other class to move to, and its argmax is 0 whatever it
    says.
    """
    classes = logits.shape[1]
    if classes < 2:
        raise ValueError(
            f'{who} needs one logit for each of at least two classes and the model gives '
            f'{classes}; give a head of two outputs in place of one sigmoid.'
        )
    lowest = int(labels.min())
    highest = int(labels.max())
    if lowest < 0 or highest >= classes:
        wrong = highest if highest >= classes else lowest
        raise ValueError(
            f'{who} got label {wrong} and the model has {classes} classes, 0 to {classes - 1}; '
            'give the data set or the head that belongs to the other.'
        )


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients of parameters inside; every flag as before afterwards."""
    with flags_restored(model):
        model.eval()
        model.requires_grad_(False)
        yield
