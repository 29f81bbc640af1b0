"""Numbered steps, bars, and what a terminal sees of a training."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from mmengine.hooks import Hook
from tqdm import tqdm


class Steps:
    """Numbered steps with their commands and times; what the tools print goes to `log`."""

    def __init__(self, count: int, log: Path) -> None:
        self.count = count
        self.done = 0
        self.start = time.monotonic()
        self.log = log

    @contextmanager
    def __call__(self, what: str, command: str = '') -> Iterator[None]:
        self.done += 1
        start = time.monotonic()
        below = f'\n      $ {command}' if command else ''
        print(f'[{self.done}/{self.count}] {what}{below}', flush=True)
        with self.log.open('a') as log, redirect_stdout(log):
            yield
        print(f'      {time.monotonic() - start:.0f} s', flush=True)

    def minutes(self) -> str:
        return f'{(time.monotonic() - self.start) / 60:.1f} minutes'


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
