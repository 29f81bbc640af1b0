"""The gradient of the last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import ALONE, Ascent

NAME = 'previous_gradient'


@dataclass
class Previous(Ascent):
    """Single-step SAM (S2-SAM, Ji et al., NeurIPS 2024): along the gradient of the last step.

    e_t = rule(g_{t-1}) with g_{t-1} = g(w_{t-1} + e_{t-1}), and the update is by g(w_t + e_t): one
    pass. The first step is plain. The last gradient stays in the optimizer's state, one more copy
    of the weights. Where an interval leaves steps plain their gradients are kept, too.
    """

    follows: ClassVar[bool] = True

    def passes(self, step):
        # the rule works in the memory of what it is given
        last = {p: gradient.clone() for p, gradient in step.remembered(NAME).items()}
        with step.moved(last):
            yield ALONE
        if step.updates:
            step.note(NAME, step.gradients())
