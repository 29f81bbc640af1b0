"""Sharpness and stability of a search for a mask, measured at the end of its epochs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmrobustprune.analysis import Stability
from mmrobustprune.analysis.meters import CurvatureMeter, build_meters
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.bridge.training_loss import (
    check_statistics,
    steady,
    training_batches,
    training_losses,
)
from mmrobustprune.engine.pruning.artifacts import plain_types
from mmrobustprune.mask_search import ScoredNetwork
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.registry import HOOKS

from .hook import MaskSearchHook

KEY = 'search_measure'  # of a checkpoint
FILE = 'search.json'
SCALARS = (
    'lambda_max',
    'lambda_max_along',
    'residual',
    'hamming_first',
    'hamming_previous',
    'removed',
)
METRICS = dict(clean='accuracy/top1', attacked='attacked/pgd')


@HOOKS.register_module()
class SearchMeasureHook(Hook):
    """Writes a record of each measured epoch of a search to `<work_dir>/search.json`.

    Its numbers are scalars of the message hub, too.

    It goes with a `MaskSearchHook` and leaves the training as it finds it: weights, scores,
    gradients, buffers, generators. Sharpness is of the model's training loss in the scores, on the
    same training samples at every epoch, attacked anew with the scores of that epoch and then held
    fixed. With `along`, lambda_max is also measured inside the epoch, at iterations as far apart as
    they can be, on the batch that the training takes there and at the scores it has there, and
    averaged: as S2AP does at every iteration. The first mask is the one that the search starts
    from. The cost of an epoch is, per batch, one attack, and in forward-backward passes about
    3 (iterations + 1) for lambda_max and steps + 1 per radius for the loss difference.

    Args:
        lambda_max: dict(batches=1, iterations=10), or None.
        loss_difference: None, or dict(batches=1, rho=[...], steps=20).
        stability: Hamming distances to the first mask and to the one before.
        along: at how many iterations of an epoch lambda_max is measured inside it; more than it has
            are all of them.
        displacement: how far the scores moved, too, together and layer by layer; keeps two copies
            of them in memory and in checkpoints.
        rates: the share that each layer keeps.
        interval: measure every so many epochs of the search.
        batch_norm: 'eval' (running statistics) or 'train' (the batch's).
        seed: of the choice of samples, their augmentation and the attack.
        metrics: name in the record -> metric of the validation.

    Raises:
        ValueError: a field that is not allowed; in a run, no hook that searches, or no epochs.
    """

    priority = 'LOW'  # after the searching hook, before checkpoints are written

    def __init__(
        self,
        lambda_max: Mapping[str, Any] | None = None,
        loss_difference: Mapping[str, Any] | None = None,
        stability: bool = True,
        displacement: bool = True,
        rates: bool = True,
        interval: int = 1,
        batch_norm: str = 'eval',
        seed: int = 0,
        metrics: Mapping[str, str] = METRICS,
        along: int = 0,
    ) -> None:
        self.meters = build_meters(lambda_max=lambda_max, loss_difference=loss_difference)
        if not isinstance(along, int) or along < 0 or (along and lambda_max is None):
            raise ValueError(
                f'along={along!r} with lambda_max={lambda_max!r} is not allowed; give a number of '
                'iterations of at least 0, and lambda_max=dict(iterations=10) to measure there.'
            )
        if not isinstance(interval, int) or interval < 1:
            raise ValueError(f'interval={interval!r} is no number of epochs; give at least 1.')
        check_statistics(batch_norm)
        meters = {meter.name: asdict(meter) for meter in self.meters}
        common = dict(interval=interval, batch_norm=batch_norm, seed=seed, along=along)
        self.settings = plain_types(meters | common)
        self.stability = Stability() if stability else None
        self.displacement = displacement
        self.rates = rates
        self.interval = interval
        self.batch_norm = batch_norm
        self.seed = seed
        self.metrics = dict(metrics)
        self.along = along
        self.epoch = 0
        self.records: list[dict] = []
        self._inside: list[dict] = []  # what was measured inside the epoch
        self._batches: list | None = None

    # --- along the training -----------------------------------------------------------------------

    def before_train(self, runner: Runner) -> None:
        self._searching(runner)
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'SearchMeasureHook measures at the end of epochs, and this training counts '
                'iterations; give train_cfg=dict(by_epoch=True, max_epochs=...) or take the hook '
                'out of custom_hooks.'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        hook = self._searching(runner)
        if self.stability is not None and self.stability.first is None and hook.search is not None:
            self.stability.start(hook.search.masks(), self._scores(hook.search))
        if hook.search is not None and self._due_inside(batch_idx, len(runner.train_dataloader)):
            self._inside.append(self._curvature_at(runner, hook.search, data_batch))

    def after_train_epoch(self, runner: Runner) -> None:
        hook = self._searching(runner)
        if hook.phase != 'search' or hook.search is None:
            return
        self.epoch += 1
        if self.epoch % self.interval:
            return
        begin = time.monotonic()
        record = dict(
            epoch=self.epoch, iteration=runner.iter, stage=hook.phase, removed=hook.search.ratio()
        )
        if self.rates:
            record['rates'] = hook.search.rates()
        if self.stability is not None:
            record.update(self.stability.add(hook.search.masks(), self._scores(hook.search)))
        record.update(self._sharpness(runner, hook.search))
        if self._inside:
            for key in ('lambda_max', 'residual'):
                record[f'{key}_along'] = fmean(one[key] for one in self._inside)
            record['along'] = self._inside
            self._inside = []
        self.records.append(record)
        for key in SCALARS:
            if key in record:
                runner.message_hub.update_scalar(f'train/search_{key}', record[key])
        numbers = {key: value for key, value in record.items() if isinstance(value, float)}
        runner.logger.info(
            f'search epoch {self.epoch} measured in {time.monotonic() - begin:.1f} s: '
            + ', '.join(f'{key} {value:.4g}' for key, value in numbers.items())
        )
        self._write(runner)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, float] | None = None) -> None:
        if self.records and self.records[-1]['iteration'] == runner.iter:
            found = {
                name: float(metrics[key])
                for name, key in self.metrics.items()
                if key in (metrics or {})
            }
            self.records[-1].update(found)
            self._write(runner)

    # --- checkpoints ------------------------------------------------------------------------------

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        follows = self.stability is not None and self._searching(runner).search is not None
        checkpoint[KEY] = dict(
            epoch=self.epoch,
            records=self.records,
            inside=self._inside,
            stability=self.stability.state_dict() if follows else None,
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        saved = checkpoint.get(KEY)
        if runner._resume and saved:
            self.epoch = saved['epoch']
            self.records = saved['records']
            self._inside = saved['inside']
            if self.stability is not None and saved['stability'] is not None:
                self.stability.load_state_dict(saved['stability'])

    # --- parts ------------------------------------------------------------------------------------

    def _sharpness(self, runner: Runner, search) -> dict[str, Any]:
        if not self.meters:
            return {}
        model = unwrap(runner.model)
        if self._batches is None:
            count = max(meter.batches for meter in self.meters)
            self._batches = training_batches(runner.train_dataloader, count, self.seed)
        found: dict[str, list] = {meter.name: [] for meter in self.meters}
        with steady(model, self.batch_norm, self.seed):
            for number, loss in enumerate(training_losses(model, self._batches)):
                for meter in self.meters:
                    if number < meter.batches:
                        value = meter(loss, search.score_parameters(), search.masks)
                        found[meter.name].append(value)
        means: dict[str, Any] = {}
        for meter in self.meters:
            means.update(meter.mean(found[meter.name]))
        return means

    def _due_inside(self, batch: int, batches: int) -> bool:
        measured = (self.epoch + 1) % self.interval == 0
        count = min(self.along, batches)
        return measured and batch in {number * batches // count for number in range(count)}

    def _curvature_at(self, runner: Runner, search: ScoredNetwork, batch: Any) -> dict[str, Any]:
        """lambda_max on the batch that comes; a host's penalty is constant in the scores."""
        meter = next(one for one in self.meters if isinstance(one, CurvatureMeter))
        model = unwrap(runner.model)
        with steady(model, self.batch_norm, self.seed):
            (loss,) = training_losses(model, [batch])
            found = meter(loss, search.score_parameters())
        kept = {key: found[key] for key in ('lambda_max', 'residual')}
        return dict(iteration=runner.iter, **kept)

    def _scores(self, search: ScoredNetwork) -> dict:
        return search.named_scores() if self.displacement else {}

    def _write(self, runner: Runner) -> None:
        content = dict(
            records=self.records,
            settings=self.settings,
            seed=runner.seed,
            versions=stamp.versions(),
            commit=stamp.commit(),
            command=stamp.command(),
        )
        on_main(lambda: write_json(Path(runner.work_dir) / FILE, content))

    @staticmethod
    def _searching(runner: Runner) -> MaskSearchHook:
        for hook in runner.hooks:
            if isinstance(hook, MaskSearchHook):
                return hook
        raise ValueError(
            'SearchMeasureHook found no hook that searches for a mask; add it to a config with a '
            "recipe such as robust_prune=dict(recipe='s2ap_hydra', target=0.9)."
        )
