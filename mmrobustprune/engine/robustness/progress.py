"""Progress of a corruption suite: time left for the pass and for the whole run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from mmrobustprune.corruption import Cell
from mmrobustprune.corruption.suites import CLEAN

# cells of this pass, cells finished before it, cells of the run, batches done, batches of the pass
Progress = Callable[[Sequence[Cell], int, int, int, int], Any]


def title(part: Sequence[Cell]) -> str:
    """'clean', or the corruption of a pass and its severities."""
    levels = ' '.join(str(cell.severity) for cell in part if cell != CLEAN)
    return f'{part[0].corruption} {levels}'.strip()


def silent(part: Sequence[Cell], before: int, cells: int, done: int, batches: int) -> None:
    """No progress, for all processes but the main one."""


class LogProgress:
    """Progress for runs without a terminal: `say` gets a line every `every` seconds."""

    def __init__(self, say: Callable[[str], Any], every: float = 30.0) -> None:
        self.say = say
        self.every = every
        self.start = time.monotonic()
        self.pass_start = self.start
        self.last = self.start
        self.first: int | None = None

    def __call__(
        self, part: Sequence[Cell], before: int, cells: int, done: int, batches: int
    ) -> None:
        now = time.monotonic()
        self.first = before if self.first is None else self.first
        if done == 0:
            self.pass_start = now
        elif now - self.last >= self.every:
            self.last = now
            so_far = before + len(part) * done / batches
            here = (now - self.pass_start) / done * (batches - done)
            left = (now - self.start) / (so_far - self.first) * (cells - so_far)
            self.say(
                f'{title(part)}: batch {done} of {batches}, {here:.0f} s left; '
                f'cell {int(so_far)} of {cells}, {left / 60:.1f} min left'
            )


@contextmanager
def shown_on(console: Console) -> Iterator[Progress]:
    """Two bars with their time left: the cells of the run, the batches of the pass.

    Where the console is no terminal, lines.
    """
    if not console.is_terminal:
        yield LogProgress(console.print)
        return
    bars = Bars(
        TextColumn('{task.description}', justify='right'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    run = bars.add_task('cells')
    here = bars.add_task('clean')

    def show(part: Sequence[Cell], before: int, cells: int, done: int, batches: int) -> None:
        bars.start()  # now, not before: reading a large data set has a bar of its own
        if done == 0:
            bars.reset(here, total=batches, description=title(part))
        bars.update(here, completed=done)
        bars.update(run, total=cells, completed=before + len(part) * done / batches)

    try:
        yield show
    finally:
        bars.stop()
