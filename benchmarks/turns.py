"""Trainings that take turns in one process, and functions whose time is added up."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmrobustprune.engine.gradual.hook import PrunePhaseHook
from mmrobustprune.engine.pruning import hook as pruning
from mmrobustprune.engine.resuming import resume, sampling
from mmrobustprune.masks import MaskSet

# One training runs at a time, so the processor time of the process is that of whose turn it is, and
# hardly depends on what else the machine does; a GPU's work is not in it.
CLOCK = time.perf_counter if torch.cuda.is_available() else time.process_time


class Turns(Hook):
    """Lets two trainings go on in turn, and notes how long each iteration took.

    Args:
        arm: whose iterations these are.
        turn: what all arms wait on.
        order: arms, the one whose turn it is first.
    """

    priority = 'HIGHEST'

    def __init__(self, arm: str, turn: threading.Condition, order: list[str]):
        self.arm = arm
        self.turn = turn
        self.order = order
        self.thread: threading.Thread | None = None
        self.seconds: list[float] = []
        self._since: float | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        self._note()
        self._pass_on()
        with self.turn:
            self.turn.wait_for(lambda: self.order[0] == self.arm)
        self._since = CLOCK()

    def after_train(self, runner: Runner) -> None:
        self._note()

    def leave(self) -> None:
        """From now on the others go on alone."""
        with self.turn:
            self.order.remove(self.arm)
            self.turn.notify_all()

    def _note(self) -> None:
        if self._since is not None:
            self.seconds.append(CLOCK() - self._since)

    def _pass_on(self) -> None:
        with self.turn:
            if self._since is not None and self.order[0] == self.arm:
                self.order.append(self.order.pop(0))
            self.turn.notify_all()


class Spent:
    """Seconds and calls of functions, which are timed inside `with`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._undo = ExitStack()

    def __enter__(self) -> Spent:
        hook = PrunePhaseHook
        self.watch(hook, 'before_train', 'start: trace and rehearsal')
        self.watch(hook, '_round', 'round')
        self.watch(hook, '_remove', 'removal')
        self.watch(hook, 'fixed_loss', 'loss of the fixed batch')
        self.watch(pruning, 'validate', 'validation in a round')
        self.watch(hook, 'before_train_iter', 'hook before an iteration, with rounds')
        self.watch(hook, 'after_train_iter', 'hook after an iteration')
        self.watch(resume, 'resume_state', 'generators for a checkpoint')
        self.watch(sampling, 'seeded', 'seeding of a sample, entered')
        made = MaskSet._gate
        self._replace(MaskSet, '_gate', lambda *args: self.timed(made(*args), 'gate of a gradient'))
        return self

    def __exit__(self, *problem: object) -> None:
        self._undo.close()

    def watch(self, owner: object, name: str, item: str) -> None:
        """Add up under `item` what the function `name` of a module or class takes."""
        self._replace(owner, name, self.timed(getattr(owner, name), item))

    def timed(self, function: Callable, item: str) -> Callable:
        """The function, whose time counts."""

        def with_time(*args, **kwargs):
            start = CLOCK()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[item] += CLOCK() - start
                self.calls[item] += 1

        return with_time

    def _replace(self, owner: object, name: str, function: Callable) -> None:
        self._undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, function)
