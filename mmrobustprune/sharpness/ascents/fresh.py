"""The gradient of this batch."""

from __future__ import annotations

from dataclasses import dataclass

from .base import AT_W, REPEATED, Ascent


@dataclass
class Fresh(Ascent):
    """As published (Foret et al., arXiv 2010.01412): the weights move along the batch's gradient.

    e = rule(g(w)) and the update is by g(w + e): two passes.
    """

    def passes(self, step):
        with step.apart() as gradients:
            yield AT_W
        with step.moved(gradients):
            yield REPEATED
