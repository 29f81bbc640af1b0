"""What sharpness is measured by, each at a chosen cost: curvature and loss difference over a few fixed batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any, ClassVar

from torch import Tensor

from mmrobustprune.naming import check_fields

from . import LossDifference, lambda_max, loss_difference, mean_difference
from .loss_difference import RHO
from .vectors import Loss

Masks = Callable[[], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Meter:
    """A number of sharpness per batch, and the mean over batches.

    Attributes:
        batches: over how many.
    """

    batches: int = 1
    name: ClassVar[str]

    def __post_init__(self) -> None:
        for key, value in asdict(self).items():
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if key in ('batches', 'iterations', 'steps') and not whole:
                raise ValueError(
                    f'{self.name} got {key}={value!r}; give a whole number of at least 1.'
                )

    def __call__(
        self, loss: Loss, params: Sequence[Tensor], masks: Masks | None = None
    ) -> dict[str, Any]:
        """The plain record of one batch."""
        raise NotImplementedError

    @staticmethod
    def mean(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The plain record of all batches."""
        raise NotImplementedError


@dataclass(frozen=True)
class CurvatureMeter(Meter):
    """`analysis.lambda_max` of each batch's loss; the means of value, residual and loss."""

    iterations: int = 10
    name: ClassVar[str] = 'lambda_max'

    def __call__(
        self, loss: Loss, params: Sequence[Tensor], masks: Masks | None = None
    ) -> dict[str, Any]:
        found = lambda_max(loss, params, self.iterations)
        return dict(lambda_max=found.value, residual=found.residual, loss=found.loss)

    @staticmethod
    def mean(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            key: fmean(one[key] for one in records) for key in ('lambda_max', 'residual', 'loss')
        }


@dataclass(frozen=True)
class RiseMeter(Meter):
    """`analysis.loss_difference`, the worst point of each batch, and their means radius by radius."""

    rho: Sequence[float] = RHO
    steps: int = 20
    name: ClassVar[str] = 'loss_difference'

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, 'rho', tuple(float(radius) for radius in self.rho))
        if not self.rho or min(self.rho) < 0:
            raise ValueError(f'loss_difference got rho={list(self.rho)}; give radii of at least 0.')

    def __call__(
        self, loss: Loss, params: Sequence[Tensor], masks: Masks | None = None
    ) -> dict[str, Any]:
        return dict(
            loss_difference=[
                asdict(one)
                for one in loss_difference(
                    loss, params, rho=self.rho, steps=self.steps, masks=masks
                )
            ]
        )

    @staticmethod
    def mean(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        found = mean_difference(
            [[LossDifference(**row) for row in one['loss_difference']] for one in records]
        )
        return dict(loss_difference=[asdict(one) for one in found])


def build_meters(**settings: Mapping[str, Any] | None) -> list[Meter]:
    """Meters by name: lambda_max=dict(batches=1, iterations=10), loss_difference=dict(batches=1, rho=[...], steps=20) or None.

    Raises:
        ValueError: a field that a meter does not have, or a value that is not allowed.
    """
    kinds = {kind.name: kind for kind in (CurvatureMeter, RiseMeter)}
    found = []
    for name, given in settings.items():
        if given is None:
            continue
        check_fields(name, given, [one.name for one in fields(kinds[name])])
        found.append(kinds[name](**given))
    return found
