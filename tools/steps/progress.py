"""Numbered steps, bars, and what a terminal sees of a training."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from mmengine.hooks import Hook
from tqdm import tqdm


class Steps:
    """Numbered steps with their commands, times and what is left; what tools print goes to `log`.

    Args:
        shares: of each step in the time of all, as once measured; the time left follows from them.
        log: a file.
    """

    def __init__(self, shares: Sequence[float], log: Path) -> None:
        self.shares = shares
        self.done = 0
        self.start = time.monotonic()
        self.log = log

    @contextmanager
    def __call__(self, what: str, command: str = '') -> Iterator[None]:
        self.done += 1
        start = time.monotonic()
        work = processor_time()
        below = f'\n      $ {command}' if command else ''
        print(f'[{self.done}/{len(self.shares)}] {what}{below}', flush=True)
        with self.log.open('a') as log, redirect_stdout(log):
            yield
        took = f'{time.monotonic() - start:.0f} s, {processor_time() - work:.0f} s of one core'
        print(f'      {took}{self.left()}', flush=True)

    def left(self) -> str:
        """About how long the other steps take, at the speed of those that are done."""
        others = sum(self.shares[self.done :])
        if not others:
            return ''
        passed = time.monotonic() - self.start
        minutes = passed / 60 * others / sum(self.shares[: self.done])
        return f', about {minutes:.1f} minutes left'

    def minutes(self) -> str:
        return f'{(time.monotonic() - self.start) / 60:.1f} minutes'


def processor_time() -> float:
    """Seconds that this process and those it has waited for computed, all cores together."""
    return sum(os.times()[:4])


def bar(total: int, unit: str, start: int = 0) -> tqdm:
    return tqdm(
        total=total,
        initial=start,
        unit=unit,
        ncols=78,
        leave=False,
        disable=None,  # none in a log file
        bar_format='      {l_bar}{bar}{r_bar}',
    )


class ProgressHook(Hook):
    """A bar for a training run."""

    def before_train(self, runner) -> None:
        self.bar = bar(runner.max_iters, ' it', runner.iter)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if outputs and 'loss' in outputs:
            self.bar.set_postfix_str(f'loss {outputs["loss"].item():.2f}', refresh=False)
        self.bar.update()

    def after_train(self, runner) -> None:
        self.bar.close()
