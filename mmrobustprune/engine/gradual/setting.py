"""Where a pruning takes place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmengine.optim import OptimWrapper

from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.model import tensor_forward
from mmrobustprune.engine.optim.optim_wrapper import SharpnessMixin
from mmrobustprune.scores import Score


@dataclass(frozen=True)
class Setting:
    """What a pruning is given beside the network and the recipe.

    Attributes:
        example: an input of the network.
        forward: how it is traced and certified.
        timed_forward: how it is timed.
        work_dir: where what is measured is kept.
        stepper: whose steps a score of gradients watches, an OptimWrapper that clips; None is the
            optimizer itself.
    """

    example: Any = None
    forward: Forward = tensor_forward
    timed_forward: Forward = tensor_forward
    work_dir: str = ''
    stepper: Any = None


def stepper_of(wrapper: OptimWrapper, score: Score) -> SharpnessMixin | None:
    """Whose steps a score watches, see `Setting.stepper`.

    Raises:
        ValueError: the score is of gradients, and the wrapper would clip them before.
    """
    if isinstance(wrapper, SharpnessMixin):
        return wrapper
    if score.needs_gradient and wrapper.clip_grad_kwargs:
        raise ValueError(
            f'{type(wrapper).__name__} clips the gradients (clip_grad={wrapper.clip_grad_kwargs}) '
            f'before {type(score).__name__} sees them; take '
            "optim_wrapper=dict(type='mmrobustprune.SAMOptimWrapper', rule=None, ...), or "
            "runner_type='mmrobustprune.PruneRunner', which does."
        )
    return None
