"""What a loss of adversarial training is, and the attack that most of them are made for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from .classifier import Classifier, Function, full_range
from .numbers import check_number, number, refuse_grey_levels
from .training import Objective, attacking, climb


@dataclass(kw_only=True)
class RobustLoss(ABC):
    """A loss of clean and attacked images, and the attack.

    Attributes:
        attacks: whether there is one.
    Raises:
        ValueError: a field has a value that is not allowed.
    """

    attacks: ClassVar[bool] = True

    @abstractmethod
    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> Tensor | None:
        """Attacked images, or None for a loss without attack.

        Modes, gradients and buffers of the model stay as they are; random numbers come from torch's
        own generator.

        Args:
            model: pixels -> logits (N, classes).
            x: (N, C, H, W) in [0, 1].
            y: (N,) labels.
        Returns:
            (N, C, H, W) in [0, 1].
        """

    @abstractmethod
    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor | None, y: Tensor
    ) -> dict[str, Tensor]:
        """The parts of the loss, whose sum is to be minimised.

        Args:
            logits: images -> (N, classes), in training mode, with its graph.
            x, attacked: (N, C, H, W) as `logits` takes them.
            y: (N,) labels.
        """

    def state(self) -> dict[str, Any]:
        """What the next attack depends on beside the model and the random numbers, plain."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        return None

    def _check(self, field: str, least: float = 0, whole: bool = False) -> None:
        check_number(type(self).__name__, field, getattr(self, field), least, whole)

    def _pixels(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, str):
            value = number(value)
            setattr(self, name, value)
        self._check(name)
        refuse_grey_levels(type(self).__name__, name, value)


@dataclass(kw_only=True)
class Climbing(RobustLoss):
    """A loss whose attack climbs in steps by the sign of the gradient.

    Attributes:
        eps: radius of the ball |x' - x| <= eps, in units of pixels in [0, 1]; '8/255' may be
            written as text.
        dtype: of the attack's passes, 'bfloat16' (by autocast, half the time where the processor
            computes in it) or None, the training's own, yet never float16.
    """

    eps: float = 8 / 255
    dtype: str | None = None

    def __post_init__(self) -> None:
        self._pixels('eps')
        if self.dtype not in (None, 'bfloat16'):
            raise ValueError(
                f"{type(self).__name__} got dtype={self.dtype!r}; give 'bfloat16' or None."
            )

    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> Tensor:
        half = torch.autocast(x.device.type, torch.bfloat16) if self.dtype else full_range(x)
        with attacking(model, x), half:
            objective = self.objective(model, x, y)
            return climb(model, x, self.start(x), objective, self.eps, *self.moves())

    @abstractmethod
    def moves(self) -> tuple[float, int]:
        """Length of a step, in units of pixels, and number of steps."""

    def start(self, x: Tensor) -> Tensor:
        """Where the attack begins: a uniform point of the ball."""
        return x + self.eps * (2 * torch.rand_like(x) - 1)

    def objective(self, model: Classifier, x: Tensor, y: Tensor) -> Objective:
        """What the attack raises: the cross-entropy of the label."""
        return lambda logits: F.cross_entropy(logits, y, reduction='sum')


@dataclass(kw_only=True)
class Stepping(Climbing):
    """`Climbing` in small steps.

    Attributes:
        step: length of a step, as eps.
        steps: their number.
    """

    step: float = 2 / 255
    steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._pixels('step')
        self._check('steps', 1, whole=True)

    def moves(self) -> tuple[float, int]:
        return self.step, int(self.steps)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy of logits (N, classes) in float32."""
    return F.cross_entropy(logits.float(), y)
