"""The gradient of this batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import REPEATED, Ascent, Pass


@dataclass
class Fresh(Ascent):
    """As published (Foret et al., arXiv 2010.01412): the weights move along the batch's gradient.

    e = rule(g(w)) and the update is by g(w + e): two passes. A rule with several `inner_steps` goes
    on along g(w + e), one more pass for each.

    Args:
        sync: under DistributedDataParallel the passes before the last are averaged over all
            processes, too, so that there is one e of the global batch; by default every process
            climbs by its own. With accumulated gradients only the batch at which the optimizer
            steps is averaged.
    """

    several: ClassVar[bool] = True

    sync: bool = False

    def passes(self, step):
        with step.apart() as gradients:
            yield Pass(again=True, local=not self.sync)
        for _ in range(step.rule.inner_steps - 1):
            with step.apart() as further, step.moved(gradients):
                yield Pass(own=False, again=True, local=not self.sync)
            gradients = further
        with step.moved(gradients):
            yield REPEATED
