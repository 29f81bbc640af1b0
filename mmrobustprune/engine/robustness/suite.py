"""Clean accuracy and a corruption suite of one model or several: resumable by cell, every corrupted image made once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.runner import Runner

from mmrobustprune.corruption import Cell, Suite, get_suite
from mmrobustprune.corruption.baselines import Baseline, get_baseline
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.bridge.data import fingerprint
from mmrobustprune.naming import check_fields

from .loader import corrupted, read, unreadable_images
from .metrics import suite_name
from .model_under_test import ModelUnderTest
from .pipeline import Computed, Source, Stored, Unreadable, leaves, load
from .progress import LogProgress, Progress, silent


@dataclass(frozen=True)
class RobustEval:
    """The config key `robust_eval`.

    Attributes:
        suite: 'auto' (from the evaluator and the image size) or a name of `corruption.SUITES`.
        corruptions: names or groups; None means the suite's own.
        severities: among 1 to 5; None means all.
        seed: of the corruptions' random numbers.
        metric: the key that P, mPC and rPC are made of; None takes VOC AP50 or mAP, COCO bbox_mAP or top-1.
        stored: folder of a stored set (ImageNet-C, CIFAR-10-C, tools/make_corrupted.py); None computes the corruptions.
        baseline: what mCE is relative to: a name of `corruption.baselines.BASELINES` or the results.json of another run; None
            takes AlexNet where the whole of imagenet-c is asked for.
        partial: means over the cells that are there where some are missing, and says so.
        workers: processes that decode and corrupt while the model runs; None takes the test loader's, or one per core
            where it has none.
    """

    suite: str = 'auto'
    corruptions: str | Sequence[str] | None = None
    severities: int | Sequence[int] | None = None
    seed: int = 0
    metric: str | None = None
    stored: str | None = None
    baseline: str | None = None
    partial: bool = False
    workers: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RobustEval:
        """Read the config key; everything that needs no data is checked.

        Raises:
            TypeError: no dict.
            ValueError: an unknown field (the nearest one is given) or value.
        """
        if not isinstance(config, Mapping):
            raise TypeError(
                f"robust_eval is {config!r}; give a dict such as dict(suite='voc-c', severities=[3])."
            )
        check_fields('robust_eval', config, [field.name for field in fields(cls)])
        options = cls(**config)
        for key, value in (('seed', options.seed), ('workers', options.workers or 0)):
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or (key == 'workers' and value < 0)
            ):
                raise ValueError(f'robust_eval.{key} is {value!r}; give a whole number.')
        options.cells(Suite('any') if options.suite == 'auto' else get_suite(options.suite))
        options.mce(Suite('any'))
        return options

    def cells(self, suite: Suite) -> tuple[Cell, ...]:
        """The corrupted cells asked for."""
        return suite.choose(self.corruptions, self.severities)

    def mce(self, suite: Suite) -> Baseline | None:
        """What corruption errors are measured against, if anything.

        Raises:
            FileNotFoundError, ValueError: no such name or file.
        """
        implied = suite.baseline if self.corruptions is self.severities is None else None
        name = self.baseline or implied
        return name and get_baseline(name)

    def source(self, suite: Suite, cells: Sequence[Cell], dataset: Any) -> Source:
        """Where the corrupted images come from.

        Args:
            dataset: what a stored set must hold.
        Raises:
            FileNotFoundError, ValueError: the stored set is not there, lacks images or cells, or has another seed.
        """
        if self.stored is None:
            return Computed(self.seed, suite.family)
        from mmrobustprune.corruption.stored import open_stored

        images = open_stored(self.stored, suite)
        if images.seed not in (None, self.seed):
            raise ValueError(
                f'{self.stored} was written with seed {images.seed} and seed {self.seed} is asked for; give the '
                "set's own."
            )
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        labels = [info.get('gt_label') for info in infos]
        images.check(
            cells,
            [info['img_path'] for info in infos if info.get('img_path')],
            labels if all(isinstance(label, (int, np.integer)) for label in labels) else None,
        )
        return Stored(images)


def run_suite(
    runner: Runner, robust_eval: Mapping[str, Any], progress: Progress | None = None
) -> dict:
    """Evaluate a Runner's test set clean and under a corruption suite; what `test()` does where the config has `robust_eval`.

    As `run_suites` of one.
    """
    return run_suites([runner], robust_eval, progress)[0]


def run_suites(
    runners: Sequence[Runner], robust_eval: Mapping[str, Any], progress: Progress | None = None
) -> list[dict]:
    """Evaluate several models on the same test images, clean and under a corruption suite.

    A corrupted image is made once for all of them; batches are those of the first one's loader. Every finished cell is kept
    at once in each `<work_dir>/cells`, and a second run goes on from there; the results are written to each
    `<work_dir>/results.json`, and are those of the model evaluated alone.

    Args:
        runners: built, their checkpoints loaded or not yet.
        robust_eval: the fields of `RobustEval`.
        progress: called after every batch on the main process; None logs twice a minute.
    Returns:
        Per model `P`, `mPC`, `rPC`, `R_C`, `cells` and what else results.json holds.
    Raises:
        TypeError, ValueError: a wrong field, a data set or loop that cannot be corrupted, images that cannot be read, models
            tested on different images, cells of another run in a work dir.
    """
    options = RobustEval.from_config(robust_eval)
    models = [ModelUnderTest(runner) for runner in runners]
    suite = _suite(options, models[0])
    cells = options.cells(suite)
    data = _same_data(models)
    source = options.source(suite, cells, models[0].loop.dataloader.dataset)
    for model in models:
        model.open(suite, options, source.seed, data, (CLEAN, *cells))
    passes = _passes(models)
    if passes:
        _run(models, passes, source, options, progress or LogProgress(runners[0].logger.info))
    return [model.results() for model in models]


def _passes(models: Sequence[ModelUnderTest]) -> list[list[Cell]]:
    """What is still to be evaluated by any of the models, one pass over the data per corruption."""
    todo = [cell for cell in models[0].cells if any(cell not in model.finished for model in models)]
    return [list(group) for _, group in groupby(todo, key=lambda cell: cell.corruption)]


def _run(
    models: Sequence[ModelUnderTest],
    passes: Sequence[Sequence[Cell]],
    source: Source,
    options: RobustEval,
    progress: Progress,
) -> None:
    loaders = [model.loop.dataloader for model in models]
    kinds, streams = _kinds(models)
    progress = progress if is_main_process() else silent
    total = len(models[0].cells)
    before = total - sum(map(len, passes))
    try:
        with corrupted(
            [loaders[kind] for kind in streams], passes, source, _workers(options, loaders[0])
        ) as loader:
            stream, size = read(loader), len(loader) // len(passes)
            for part in passes:
                busy = [
                    (model, streams.index(kind), kinds.count(kind) == 1)
                    for model, kind in zip(models, kinds, strict=True)
                    if any(cell not in model.finished for cell in part)
                ]
                for model, _, _ in busy:
                    model.start([cell for cell in part if cell not in model.finished])
                progress(part, before, total, 0, size)
                bad: list[Unreadable] = []
                for index in range(size):
                    batches = next(stream)
                    if isinstance(batches[0], Unreadable):
                        bad += batches
                    elif not bad:
                        for model, kind, own in busy:
                            model.take(index, dict(zip(part, batches[kind], strict=True)), own)
                    progress(part, before, total, index + 1, size)
                bad = [one for rank in all_gather_object(bad) for one in rank]
                if bad:
                    raise unreadable_images(bad, len(loaders[0].dataset))
                for model, _, _ in busy:
                    model.finish()
                    model.stop()
                before += len(part)
    finally:
        for model in models:
            model.stop()


def _kinds(models: Sequence[ModelUnderTest]) -> tuple[list[int], list[int]]:
    """Per model the first one whose samples are the same (one pipeline, one collation), and the different ones of these."""
    settings = [
        {
            key: value
            for key, value in model.runner.cfg.test_dataloader.to_dict().items()
            if key in ('dataset', 'collate_fn')
        }
        for model in models
    ]
    kinds = [settings.index(setting) for setting in settings]
    return kinds, list(dict.fromkeys(kinds))


def _same_data(models: Sequence[ModelUnderTest]) -> str:
    """The fingerprint of the test images, which must be everybody's.

    Raises:
        ValueError: one model is tested on others.
    """
    found = [fingerprint(model.loop.dataloader.dataset) for model in models]
    for model, one in zip(models, found, strict=True):
        if one != found[0]:
            sizes = [len(which.loop.dataloader.dataset) for which in (models[0], model)]
            raise ValueError(
                f'{models[0].name} and {model.name} are tested on different images or annotations ({sizes[0]} and '
                f'{sizes[1]} images); evaluate them one by one.'
            )
    return found[0]


def _workers(options: RobustEval, loader: Any) -> int:
    if options.workers is not None:
        return options.workers
    return loader.num_workers or len(os.sched_getaffinity(0))


def _suite(options: RobustEval, model: ModelUnderTest) -> Suite:
    """The suite, which must go with the size of the first image as it is stored."""
    owner = leaves(model.loop.dataloader.dataset)[0]
    data, _, _ = load(owner.get_data_info(0), owner.pipeline.transforms)
    height, width = data['img'].shape[:2]
    name = options.suite
    suite = get_suite(
        suite_name(model.loop.evaluator, height, width, type(owner).__name__)
        if name == 'auto'
        else name
    )
    suite.check(height, width)
    return suite
