"""When a gradual pruning masks and removes."""

from __future__ import annotations

from dataclasses import dataclass

from mmrobustprune.engine.pruning.schedule import Plan, Span
from mmrobustprune.recipes import Phase


@dataclass(frozen=True)
class Rounds:
    """The rounds of one plan; each question is answered from the iteration alone.

    Attributes:
        span: the phase that has the rounds; the last one falls on its end, with the removal.
    """

    span: Span

    @classmethod
    def of(cls, plan: Plan, to_the_end: bool = False) -> Rounds:
        """The rounds of a plan.

        Args:
            plan: of the recipe.
            to_the_end: whether the removal may be the end of the training.

        Raises:
            ValueError: no phase, or more than one, has rounds, or nothing is left to fine-tune.
        """
        spans = [span for span in plan.spans if span.rounds]
        if len(spans) != 1:
            raise ValueError(
                f'the recipe has {len(spans)} phases with rounds of masks; give rounds to one of '
                f'{", ".join(span.name for span in plan.spans)}.'
            )
        if spans[0].end > plan.total or (spans[0].end == plan.total and not to_the_end):
            raise ValueError(
                f'the phase plan takes {spans[0].end} iterations ({plan.lengths()}) and the base '
                f'schedule has {plan.total}, which leaves none to fine-tune; shorten '
                'robust_prune.warmup, rounds or interval, or lengthen the schedule.'
            )
        return cls(spans[0])

    def pace(self, phase: Phase, total: int) -> str:
        """How the rounds come, and why where the recipe left it open.

        Args:
            phase: what the recipe asks.
            total: iterations of the schedule.
        """
        chosen = f'{self.number} rounds, {self.interval} iterations apart'
        if phase.room is None or self.number == phase.rounds:
            return chosen
        return (
            f'{chosen} ({phase.length} of {phase.rounds} rounds are more than {phase.room:.0%} of '
            f'the {total} iterations; robust_prune.rounds, interval and prune set others)'
        )

    @property
    def removal(self) -> int:
        """The iteration before which the last round and the removal happen."""
        return self.span.end

    @property
    def number(self) -> int:
        """How many rounds there are."""
        return self.span.rounds

    @property
    def interval(self) -> int:
        """Iterations between two rounds."""
        return self.span.interval

    def due(self, iteration: int) -> int:
        """How many rounds must have happened before an iteration."""
        if not self.interval:
            return self.number if iteration >= self.span.begin else 0
        return min(max((iteration - self.span.begin) // self.interval, 0), self.number)

    def window_ends(self, iteration: int) -> bool:
        """Whether scores of an interval are complete before an iteration, rounds or not."""
        return self.interval > 0 and (iteration - self.span.begin) % self.interval == 0
