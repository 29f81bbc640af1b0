"""Where a pruning takes place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.model import tensor_forward


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
