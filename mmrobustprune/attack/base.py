"""What every attack is: a budget with everything that a number depends on, and one call."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .classifier import CLIPS, SPACES, Classifier, Space, refuse_mismatch
from .numbers import check_number, refuse_grey_levels
from .training import attacking

LABELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    true=lambda logits, y: y,
    predicted=lambda logits, y: logits.argmax(1),
)


@dataclass(frozen=True)
class Outcome:
    """What a batch of N images went through.

    Attributes:
        robust: step -> (N,) bool, classified right after this step and all before it; the last one
            counts.
        notes: warnings.
    """

    robust: dict[str, Tensor]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """An L-infinity attack, max |z - z0| <= eps.

    Attributes:
        eps: radius, in units of the space.
        space: the variable z: 'pixel' ([0, 1]) or 'normalised' (what the network sees).
        label: move away from the 'true' label or from the 'predicted' one, which may push a wrong
            image back to right.
        clip: bounds of z: 'image', 'range' or 'none' (see `classifier.CLIPS`).
        seed: of every random number.
    Raises:
        ValueError: a field has a value that is not allowed.
    """

    eps: float
    space: str = 'pixel'
    label: str = 'true'
    clip: str = 'image'
    seed: int = 0
    name: ClassVar[str]

    def __post_init__(self) -> None:
        self._among('space', SPACES)
        self._among('label', LABELS)
        self._among('clip', CLIPS)
        self._length('eps', self.eps)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        """Attack a batch; the model's modes, gradients and buffers are afterwards what they were.

        Args:
            model: pixels -> logits.
            x: (N, C, H, W) in [0, 1].
            y: (N,) true labels.
            index: (N,) places in the data set, which fix the random numbers of each image.
        Raises:
            ValueError: x is not in [0, 1], or the model is not one that this attack can handle.
        """
        if not (x.is_floating_point() and 0 <= x.min() and x.max() <= 1):
            raise ValueError(
                f'{self.name} got {x.dtype} images from {x.min():g} to {x.max():g}; give floats in '
                '[0, 1].'
            )
        with attacking(model, x):
            return self._attack(model, x, y, index)

    @abstractmethod
    def _attack(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        """As `__call__`, the model already frozen."""

    @property
    def reach(self) -> float:
        """How far from the image the attack can come, in units of the space."""
        return self.eps

    def in_space(self, model: Classifier, like: Tensor) -> Space:
        """The space of this attack, with its bounds, for images like (N, C, H, W)."""
        return CLIPS[self.clip](SPACES[self.space](model, like))

    def settings(self) -> dict[str, Any]:
        """Name and fields, plain."""
        return dict(attack=self.name, **asdict(self))

    def stamp(self, model: Classifier, like: Tensor) -> dict[str, Any]:
        """The settings, and radius and reach in pixel units, per channel in the network's order."""
        gain = self.in_space(model, like).gain.double().cpu()
        return dict(
            self.settings(),
            reach=self.reach,
            eps_pixel=(self.eps / gain).tolist(),
            reach_pixel=(self.reach / gain).tolist(),
        )

    @property
    def key(self) -> str:
        """A file name that no other settings have."""
        text = json.dumps(self.settings(), sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        return f'{self.name}-{self.space}-{self.eps:.4g}-{digest}'

    def _among(self, field: str, allowed: Any) -> None:
        value = getattr(self, field)
        if value not in allowed:
            raise ValueError(
                f'{self.name} got {field}={value!r}; choose {" or ".join(map(repr, allowed))}.'
            )

    def _length(self, field: str, value: float) -> None:
        """A number in units of the space."""
        check_number(self.name, field, value)
        if self.space == 'pixel':
            refuse_grey_levels(self.name, field, value)


@dataclass(frozen=True, kw_only=True)
class Clean(Attack):
    """No attack: plain accuracy, in the same form as the others."""

    eps: float = 0.0
    name: ClassVar[str] = 'clean'

    @torch.no_grad()
    def _attack(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        logits = model(x)
        refuse_mismatch('clean accuracy', logits, y)
        return Outcome({self.name: logits.argmax(1) == y})
