"""Losses of adversarial training, each with the attack that it is made for."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from mmrobustprune.naming import build

from .base import refuse_grey_levels
from .classifier import Classifier, Function, full_range
from .presets import number
from .training import Objective, attacking, climb


@dataclass(kw_only=True)
class RobustLoss(ABC):
    """A loss of clean and attacked pictures, and the attack.

    Attributes:
        attacks: whether there is one.
    Raises:
        ValueError: a field has a value that is not allowed.
    """

    attacks: ClassVar[bool] = True

    @abstractmethod
    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> Tensor | None:
        """Attacked pictures, or None for a loss without attack.

        Modes, gradients and buffers of the model stay as they are; random numbers come from torch's own generator.

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
            logits: pictures -> (N, classes), in training mode, with its graph.
            x, attacked: (N, C, H, W) as `logits` takes them.
            y: (N,) labels.
        """

    def state(self) -> dict[str, Any]:
        """What the next attack depends on beside the model and the random numbers, plain."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        return None

    def _number(self, name: str, least: float = 0, whole: bool = False) -> None:
        value = getattr(self, name)
        fine = (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and math.isfinite(value)
            and value >= least
        )
        if not fine or (whole and value != int(value)):
            kind = 'whole number' if whole else 'number'
            raise ValueError(
                f'{type(self).__name__} got {name}={value!r}; give a {kind} of at least {least:g}.'
            )

    def _pixels(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, str):
            value = number(value)
            setattr(self, name, value)
        self._number(name)
        refuse_grey_levels(type(self).__name__, name, value)


@dataclass(kw_only=True)
class CrossEntropy(RobustLoss):
    """L = CE(f(x), y): training without attack."""

    attacks: ClassVar[bool] = False

    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> None:
        return None

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor | None, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_clean=_cross_entropy(logits(x), y))


@dataclass(kw_only=True)
class Climbing(RobustLoss):
    """A loss whose attack climbs in steps by the sign of the gradient.

    Attributes:
        eps: radius of the ball |x' - x| <= eps, in units of pixels in [0, 1]; '8/255' may be written as text.
        dtype: of the attack's passes, 'bfloat16' (by autocast, half the time where the processor computes in it) or None, the
            training's own, yet never float16.
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
            return climb(
                model, x, self.start(x), self.objective(model, x, y), self.eps, *self.moves()
            )

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
        self._number('steps', 1, whole=True)

    def moves(self) -> tuple[float, int]:
        return self.step, int(self.steps)


@dataclass(kw_only=True)
class PGDAT(Stepping):
    """L = CE(f(x'), y), x' by PGD from a uniform start (arXiv 1706.06083)."""

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_robust=_cross_entropy(logits(attacked), y))


@dataclass(kw_only=True)
class FastAT(Climbing):
    """L = CE(f(x'), y), x' by one long step from a uniform start (arXiv 2001.03994).

    Attributes:
        stride: length of the step in units of eps.
    """

    stride: float = 1.25

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number('stride')

    def moves(self) -> tuple[float, int]:
        return self.stride * self.eps, 1

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_robust=_cross_entropy(logits(attacked), y))


@dataclass(kw_only=True)
class Regularised(Stepping):
    """Two terms, of clean and of attacked pictures.

    There are two forward passes, x' first and x second, so that BatchNorm normalises each by its own statistics, and its
    running ones see one batch of each, the clean one last.

    Attributes:
        beta: weight of the second term.
        noise: standard deviation of the Gaussian start; at x itself KL has no slope.
    """

    beta: float
    noise: float = 0.001

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number('beta')
        self._number('noise')

    def start(self, x: Tensor) -> Tensor:
        return x + self.noise * torch.randn_like(x)

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        moved = F.log_softmax(logits(attacked).float(), 1)
        clean = F.log_softmax(logits(x).float(), 1)
        return self.terms(clean, moved, y)

    @abstractmethod
    def terms(self, clean: Tensor, moved: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The loss of log-probabilities (N, classes) of clean and attacked pictures."""


@dataclass(kw_only=True)
class TRADES(Regularised):
    """L = CE(f(x), y) + beta * 1/N sum_n KL(p(x_n) || p(x'_n)), p = softmax(f), x' raising KL (arXiv 1901.08573).

    The gradient passes through p(x) and p(x').
    """

    beta: float = 6.0

    def objective(self, model: Classifier, x: Tensor, y: Tensor) -> Objective:
        with torch.no_grad():
            clean = F.log_softmax(model(x).float(), 1)
        return lambda logits: divergence(clean, F.log_softmax(logits, 1)).sum()

    def terms(self, clean: Tensor, moved: Tensor, y: Tensor) -> dict[str, Tensor]:
        return dict(
            loss_clean=F.nll_loss(clean, y), loss_robust=self.beta * divergence(clean, moved).mean()
        )


@dataclass(kw_only=True)
class MART(Regularised):
    """L = BCE + beta * 1/N sum_n (1 - p_y(x_n)) KL(p(x_n) || p(x'_n)) (Wang et al., ICLR 2020), x' raising cross-entropy.

    BCE = 1/N sum_n -log p_y(x'_n) - log(1 - max_{j != y} p_j(x'_n)).
    """

    beta: float = 5.0

    def terms(self, clean: Tensor, moved: Tensor, y: Tensor) -> dict[str, Tensor]:
        label = y[:, None]
        rival = moved.detach().scatter(1, label, -torch.inf).argmax(1, keepdim=True)
        others = moved.scatter(1, rival, -torch.inf).logsumexp(
            1
        )  # log(1 - p_rival), exact where p_rival is close to 1
        doubt = 1 - clean.exp().gather(1, label)[:, 0]
        return dict(
            loss_boosted=F.nll_loss(moved, y) - others.mean(),
            loss_robust=self.beta * (doubt * divergence(clean, moved)).mean(),
        )


@dataclass(kw_only=True)
class FreeAT(RobustLoss):
    """L = CE(f(x + d), y) on batches that come several times in a row; one backward moves weights and d (arXiv 1904.12843).

    d <- clamp(d + eps * sign(dL/dd), -eps, eps), one d per place in the batch, carried from batch to batch and zero at the
    beginning of the training (HYDRA and HARP zero it in every epoch). There is no attack of its own: the model stays in training
    mode. The repeats are the data loader's (`mmrobustprune.ReplayedBatchSampler`); a step in two passes moves d by the first.

    Attributes:
        eps: radius and step, in units of pixels in [0, 1]; '4/255' may be written as text.
    """

    eps: float = 8 / 255
    _noise: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._pixels('eps')

    def craft(self, model: Classifier, x: Tensor, y: Tensor) -> Tensor:
        moved = x + self._places(x)
        inside = (moved >= 0) & (moved <= 1)  # beyond, the clamp lets no gradient through
        attacked = moved.clamp(0, 1).requires_grad_()
        due = [inside]

        def follow(gradient: Tensor) -> None:
            if due:  # the first backward pass alone
                step = torch.nan_to_num(gradient.sign(), 0.0) * due.pop()
                noise = self._noise[: len(step)]
                noise.copy_((noise + self.eps * step).clamp(-self.eps, self.eps))

        attacked.register_hook(follow)
        return attacked

    def __call__(
        self, logits: Function, x: Tensor, attacked: Tensor, y: Tensor
    ) -> dict[str, Tensor]:
        return dict(loss_robust=_cross_entropy(logits(attacked), y))

    def state(self) -> dict[str, Any]:
        return {} if self._noise is None else dict(noise=self._noise.cpu())

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._noise = state['noise'].clone() if 'noise' in state else None

    def _places(self, x: Tensor) -> Tensor:
        """d of the places of this batch (N, C, H, W); a picture size that was not there before begins at zero."""
        noise = self._noise
        if noise is None or noise.shape[1:] != x.shape[1:]:
            noise = x.new_zeros(0, *x.shape[1:])
        missing = len(x) - len(noise)
        self._noise = (
            torch.cat([noise.to(x), x.new_zeros(missing, *x.shape[1:])])
            if missing > 0
            else noise.to(x)
        )
        return self._noise[: len(x)]


LOSSES: dict[str, type[RobustLoss]] = {
    kind.__name__: kind for kind in (TRADES, PGDAT, FreeAT, FastAT, MART, CrossEntropy)
}


def build_robust_loss(config: Mapping[str, Any] | RobustLoss) -> RobustLoss:
    """The loss of dict(type='TRADES', beta=6.0, eps=8/255, ...), or the loss itself.

    Raises:
        TypeError: neither a dict nor a loss.
        ValueError: an unknown type or field, or a value that is not allowed.
    """
    return build(
        config, 'robust loss', RobustLoss, LOSSES, "robust_loss=dict(type='TRADES', beta=6.0)"
    )


def divergence(clean: Tensor, moved: Tensor) -> Tensor:
    """KL(p || q) (N,) of log-probabilities log p, log q (N, classes)."""
    return F.kl_div(moved, clean, reduction='none', log_target=True).sum(1)


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(logits.float(), y)
