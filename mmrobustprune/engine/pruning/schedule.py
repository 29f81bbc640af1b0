"""When things happen: the phases of a recipe, in iterations of the base schedule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmengine.dataset import InfiniteSampler

from mmrobustprune.recipes import Phase

_LENGTH = re.compile(r'^\s*(\d+(?:\.\d+)?)\s*(epochs?|e|iters?|iterations?|i)\s*$')


def iterations(length: float | str, name: str, total: int, per_epoch: int) -> int:
    """A phase length in iterations.

    Args:
        length: fraction of the schedule in [0, 1), '3 epochs' or '300 iters'.
        name: the field, for the message.
        total: iterations of the base schedule.
        per_epoch: iterations of one epoch.

    Raises:
        ValueError: neither a fraction nor a number with its unit.
    """
    if isinstance(length, str):
        match = _LENGTH.match(length)
        if match:
            number = float(match[1])
            return round(number * per_epoch) if match[2].startswith('e') else round(number)
    elif not isinstance(length, bool) and 0 <= length < 1:
        return round(length * total)
    raise ValueError(
        f'robust_prune.{name}={length!r} is no phase length; give a fraction of the schedule in '
        "[0, 1), '3 epochs' or '300 iters'."
    )


def paced(length: int, pace: int) -> tuple[int, int]:
    """How many rounds a phase has whose rounds are `pace` iterations apart, and its length then."""
    rounds = max(1, length // pace)
    return rounds, min(length, rounds * pace)


def batches_per_epoch(loader: Any) -> int:
    """Batches of one process in which all processes together see the data once.

    An endless sampler counts the whole data for each process.
    """
    # loader.sampler is not that of a given batch sampler
    sampler = getattr(getattr(loader, 'batch_sampler', None), 'sampler', None)
    if isinstance(sampler, InfiniteSampler):
        return -(-len(loader) // sampler.world_size)
    return len(loader)


@dataclass(frozen=True)
class Span:
    """A phase in iterations.

    Attributes:
        name: of the phase.
        begin: its first iteration, counted from 0.
        end: the one after its last.
        rounds: rounds of masks; the last one comes before iteration `end`, with the removal.
    """

    name: str
    begin: int
    end: int
    rounds: int = 0

    @property
    def interval(self) -> int:
        """Iterations between two rounds."""
        return (self.end - self.begin) // max(self.rounds, 1)

    def done(self, iteration: int) -> float:
        """The fraction of the phase that is done before an iteration, in [0, 1)."""
        return (iteration - self.begin) / max(self.end - self.begin, 1)


@dataclass(frozen=True)
class Plan:
    """The phases of one run; each question is answered from the iteration alone.

    Attributes:
        spans: the phases in order; the last one goes to the end of the schedule.
        total: iterations of the schedule; phases that do not fit go beyond.
    """

    spans: tuple[Span, ...]
    total: int

    @classmethod
    def of(cls, phases: Iterable[Phase], total: int, per_epoch: int, accumulated: int = 1) -> Plan:
        """Lay phases into a schedule, one after the other; they may be longer than it is.

        Args:
            phases: what the recipe asks.
            total: iterations of the schedule.
            per_epoch: iterations of one epoch.
            accumulated: iterations of one optimizer step.
        """
        spans: list[Span] = []
        begin = 0
        for phase in phases:
            if phase.length is None:
                length = max(total - begin, 0)
            else:
                length = iterations(phase.length, phase.name, total, per_epoch)
            rounds = phase.rounds
            if isinstance(rounds, str):
                pace = max(1, iterations(rounds, phase.name, total, per_epoch))
                rounds, length = paced(length, pace)
            at_once = length == 0
            if phase.room is not None and length > phase.room * total:
                length = int(phase.room * total)
                # as many rounds as iterations between two, which are some steps
                fewer = length // max(math.isqrt(length), accumulated, 1)
                rounds = max(1, min(fewer, rounds))
            if rounds and not at_once:
                length = rounds * max(1, length // rounds)
            spans.append(Span(phase.name, begin, begin + length, rounds))
            begin += length
        return cls(tuple(spans), total)

    @classmethod
    def resumed(cls, saved: Sequence[Sequence], total: int, phases: Sequence[Phase]) -> Plan:
        """The plan of a checkpoint; what a longer schedule adds belongs to the open phase.

        Args:
            saved: what `to_list` gave.
            total: iterations of the schedule now.
            phases: what the recipe asks; the first without a length takes what is left.
        """
        spans = [Span(*fields) for fields in saved]
        lengths = [phase.length for phase in phases]
        place = lengths.index(None) if None in lengths else len(spans) - 1
        open_one = spans[place]
        fixed = [i for i in range(place + 1, len(spans)) if lengths[i] is not None]
        behind = sum(spans[i].end - spans[i].begin for i in fixed)
        length = max(total - behind - open_one.begin, 0)
        rounds = open_one.rounds
        if isinstance(phases[place].rounds, str):
            rounds, length = paced(length, open_one.interval)
        spans[place] = replace(open_one, end=open_one.begin + length, rounds=rounds)
        for later in range(place + 1, len(spans)):
            span = spans[later]
            begin = spans[later - 1].end
            end = begin + span.end - span.begin if later in fixed else max(total, begin)
            spans[later] = replace(span, begin=begin, end=end)
        return cls(tuple(spans), total)

    def to_list(self) -> list[list]:
        """Plain data for a checkpoint, which `resumed` takes."""
        return [[span.name, span.begin, span.end, span.rounds] for span in self.spans]

    def at(self, iteration: int) -> Span:
        """The phase of an iteration; the last one beyond the schedule."""
        return next((span for span in self.spans if iteration < span.end), self.spans[-1])

    def span(self, name: str) -> Span:
        """The phase of a name."""
        return next(span for span in self.spans if span.name == name)

    def lengths(self) -> str:
        """The phases with their lengths but the last, for a message."""
        return ', '.join(f'{span.name} {span.end - span.begin}' for span in self.spans[:-1])


def asked(phases: Iterable[Phase]) -> list[list]:
    """What a recipe asks of the schedule, as plain data.

    The plan of a checkpoint holds as long as this is the same.
    """
    return [[phase.name, phase.length, phase.rounds] for phase in phases]
