"""What sharpness is measured by, over a few fixed batches: curvature and loss difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any, ClassVar

from torch import Tensor

from mmrobustprune.naming import check_fields

from .curvature import lambda_max
from .loss_difference import RHO, LossDifference, loss_difference, mean_difference
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
            count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if key in ('batches', 'iterations', 'steps') and not count:
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
        found = {}
        for key in ('lambda_max', 'residual', 'loss'):
            found[key] = fmean(one[key] for one in records)
        return found


@dataclass(frozen=True)
class RiseMeter(Meter):
    """`analysis.loss_difference`: the worst point of each batch, and means radius by radius."""

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
        found = loss_difference(loss, params, rho=self.rho, steps=self.steps, masks=masks)
        return dict(loss_difference=[asdict(one) for one in found])

    @staticmethod
    def mean(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batches = []
        for one in records:
            batches.append([LossDifference(**row) for row in one['loss_difference']])
        return dict(loss_difference=[asdict(one) for one in mean_difference(batches)])


def build_meters(**settings: Mapping[str, Any] | None) -> list[Meter]:
    """Meters by name.

    Args:
        settings: `lambda_max=dict(batches=1, iterations=10)` and
            `loss_difference=dict(batches=1, rho=[...], steps=20)`; None leaves one out.

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
