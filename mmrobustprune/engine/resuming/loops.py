"""Training loops that go on at the next batch after the checkpoint, in the middle of an epoch too.

mmengine's own loops restart the epoch (or load and throw away every batch already trained on) and
restore no random generator. These two are the same loops with a start in the middle.
`make_resumable(cfg)` puts them into a config; `mmrobustprune.engine.resuming.resume` writes what a
checkpoint says about them and leaves it in `loop.resumed` for `run()`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from mmrobustprune.engine.bridge.config import type_name
from mmrobustprune.registry import LOOPS
from mmrobustprune.rng import forked, restore_generators

from .sampling import Proxy, make_loader_resumable

OURS = {'EpochBasedTrainLoop': 'ResumableEpochLoop', 'IterBasedTrainLoop': 'ResumableIterLoop'}


def make_resumable(cfg: Config) -> Config:
    """A copy of a config whose `train_cfg` asks for the resumable loop of its kind.

    A loop that is not mmengine's own stays, and a warning says that a killed training will restart
    its epoch.
    """
    if cfg.get('train_cfg') is None:
        return cfg
    cfg = copy.deepcopy(cfg)
    train = cfg['train_cfg']
    if 'type' not in train:
        train['type'] = 'EpochBasedTrainLoop' if train.pop('by_epoch') else 'IterBasedTrainLoop'
    name = type_name(train['type'])
    if name in OURS:
        train['type'] = f'mmrobustprune.{OURS[name]}'
    elif name not in OURS.values():
        print_log(
            f"train_cfg.type '{name}' is not mmengine's: a killed training will restart its epoch.",
            'current',
            logging.WARNING,
        )
    return cfg


class _Idle(Proxy):
    """A loader that loads nothing: mmengine's iteration loop would start workers too early."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Resumable:
    """What the two loops share: a loader that can start anywhere, validation that draws apart.

    Attributes:
        resumed: `None`, or what the checkpoint says about the loop: dict(generators, epoch, done,
            validated).
        done: batches of the current epoch that are trained on, the running one included.
        validating: whether validation runs at this moment.
    """

    def __init__(self, runner, dataloader: DataLoader | dict, **kwargs: Any):
        if isinstance(dataloader, dict):
            dataloader = runner.build_dataloader(
                dataloader,
                seed=runner.seed,
                diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False),
            )
        make_loader_resumable(dataloader, runner.seed)
        super().__init__(runner, _Idle(dataloader), **kwargs)
        self.dataloader = dataloader
        self.resumed: dict[str, Any] | None = None
        self.done = 0
        self.validating = False

    def run(self) -> nn.Module:
        """Train from wherever the loop stands to the end."""
        self.runner.call_hook('before_train')
        self._restore()
        if self.resumed is not None and not self.resumed['validated'] and self._between_rounds():
            self._validate()  # the checkpoint was written before the validation that was due
        self._train()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _restore(self) -> None:
        if self.resumed is not None and self.resumed['generators'] is not None:
            restore_generators(self.resumed['generators'])

    def _validate(self) -> None:
        self._decide_current_val_interval()
        now, last = self._progress()
        if (
            self.runner.val_loop is not None
            and now >= self.val_begin
            and (now % self.val_interval == 0 or now == last)
        ):
            self.validating = True
            with forked():
                self.runner.val_loop.run()
            self.validating = False


@LOOPS.register_module()
class ResumableEpochLoop(Resumable, EpochBasedTrainLoop):
    """`EpochBasedTrainLoop` that resumes at the next batch."""

    def _train(self) -> None:
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()

    def run_epoch(self) -> None:
        """Train on the rest of the current epoch."""
        self.done = self._done_before()
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if self.done:
            self.dataloader.batch_sampler.advance(self.done)
            self._restore()  # what before_train_epoch draws was drawn before the checkpoint
        self.resumed = None
        for index, batch in enumerate(self.dataloader, self.done):
            self.done = index + 1
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self.done = 0

    def _done_before(self) -> int:
        if self.resumed is not None:
            return self.resumed['done'] if self.resumed['epoch'] == self._epoch else 0
        # not 0 in a checkpoint of mmengine's own loop
        done = self._iter - self._epoch * len(self.dataloader)
        return done if 0 <= done < len(self.dataloader) else 0

    def _between_rounds(self) -> bool:
        return self._epoch > 0 and self._done_before() == 0

    def _progress(self) -> tuple[int, int]:
        return self._epoch, self._max_epochs


@LOOPS.register_module()
class ResumableIterLoop(Resumable, IterBasedTrainLoop):
    """`IterBasedTrainLoop` that resumes at the next batch."""

    def _train(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.dataloader_iterator = self._batches(first=self._skip(self._iter))
        self._restore()
        self.resumed = None
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._validate()
        self.runner.call_hook('after_train_epoch')

    def _skip(self, batches: int) -> int:
        """Move the loader past what is trained on; returns the pass in which it then stands."""
        turn = 0
        while batches := self.dataloader.batch_sampler.advance(batches):
            turn += 1
            self.dataloader.batch_sampler.sampler.set_epoch(turn)
        return turn

    def _batches(self, first: int) -> Iterator[Any]:
        turn = first
        while True:
            yield from self.dataloader
            turn += 1
            self.dataloader.batch_sampler.sampler.set_epoch(turn)

    def _between_rounds(self) -> bool:
        return self._iter > 0

    def _progress(self) -> tuple[int, int]:
        return self._iter, self._max_iters
