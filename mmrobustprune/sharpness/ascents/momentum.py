"""The optimizer's momentum."""

from __future__ import annotations

from dataclasses import dataclass

from torch.optim import Optimizer

from mmrobustprune.sharpness.rules import Rule

from .base import ALONE, Ascent

BUFFERS = ('momentum_buffer', 'exp_avg')  # of SGD and its like, of Adam and its like


@dataclass
class Momentum(Ascent):
    """Momentum-SAM (Becker et al., arXiv 2401.12033): against the optimizer's momentum.

    e_t = rule(-v_t), where v_t is the running sum or mean of gradients that the next update goes
    against, so that the weights look ahead; the update is by g(w_t + e_t): one pass, and no memory
    beside the optimizer's own. The first step is plain.

    Raises:
        ValueError: an optimizer without momentum.
    """

    def passes(self, step):
        self.check(step.optimizer, step.rule)
        against = {}
        for name in BUFFERS:
            against |= {p: -v for p, v in step.remembered(name).items()}
        if step.optimizer.state and not against:
            raise _none(step.optimizer)
        with step.moved(against):
            yield ALONE

    def check(self, optimizer: Optimizer, rule: Rule) -> None:
        super().check(optimizer, rule)
        if not all(group.get('momentum', 'betas' in group) for group in optimizer.param_groups):
            raise _none(optimizer)


def _none(optimizer: Optimizer) -> ValueError:
    return ValueError(
        f"ascent='momentum' needs the momentum of the optimizer, kept as {' or '.join(BUFFERS)}, "
        f"and {type(optimizer).__name__} has none; set momentum=0.9, or take ascent='previous'."
    )
