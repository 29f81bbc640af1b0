"""Clean accuracy and a corruption suite of one model or several, resumable by cell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.runner import Runner

from mmrobustprune.corruption import Cell, Suite, get_suite
from mmrobustprune.corruption.baselines import Baseline, get_baseline
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.bridge.data import image_digests, image_sizes, infos_of, joined
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.naming import check_fields

from .loader import Stream, corrupted, read, unreadable_images
from .metrics import check_sizes, suite_name
from .model_under_test import ModelUnderTest, SuitePlan
from .pipeline import Computed, Source, Stored, Unreadable, leaves
from .progress import LogProgress, Progress, silent


@dataclass(frozen=True)
class RobustEval:
    """The config key `robust_eval`.

    Attributes:
        suite: 'auto' (from the evaluator and the image sizes) or a name of `corruption.SUITES`.
        corruptions: names or groups; None means the suite's own.
        severities: among 1 to 5; None means all.
        seed: of the corruptions' random numbers.
        metric: the key that P, mPC and rPC are made of; None takes VOC AP50 or mAP, COCO bbox_mAP
            or top-1.
        stored: folder of a stored set (ImageNet-C, CIFAR-10-C, tools/make_corrupted.py); None
            computes the corruptions.
        baseline: what mCE is relative to: a name of `corruption.baselines.BASELINES` or the
            results.json of another run; None takes AlexNet where the cells asked for, however they
            are named, hold the whole benchmark of imagenet-c.
        partial: means over the cells that are there where some are missing, and says so.
        workers: processes that decode and corrupt while the model runs; None takes the test
            loader's, or one per core where it has none.
        subset: evaluate this many images, chosen at random by the seed, and give an interval for
            the mPC of the whole test set; None evaluates all.
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
    subset: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RobustEval:
        """Read the config key; everything that needs no data is checked.

        Raises:
            TypeError: no dict.
            ValueError: an unknown field (the nearest one is given) or value.
        """
        if not isinstance(config, Mapping):
            raise TypeError(
                f"robust_eval is {config!r}; give a dict such as dict(suite='voc-c', "
                'severities=[3]).'
            )
        check_fields('robust_eval', config, [field.name for field in fields(cls)])
        options = cls(**config)
        workers = 0 if options.workers is None else options.workers
        subset = 2 if options.subset is None else options.subset
        for key, value in (('seed', options.seed), ('workers', workers), ('subset', subset)):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or (key == 'workers' and value < 0):
                raise ValueError(f'robust_eval.{key} is {value!r}; give a whole number.')
        options.cells(Suite('any') if options.suite == 'auto' else get_suite(options.suite))
        options.mce(Suite('any'))
        return options

    def cells(self, suite: Suite) -> tuple[Cell, ...]:
        """The corrupted cells asked for."""
        return suite.choose(self.corruptions, self.severities)

    @property
    def reads_published(self) -> bool:
        """Whether the corrupted images are read from a published set."""
        from mmrobustprune.corruption.stored import MANIFEST

        return self.stored is not None and not Path(self.stored, MANIFEST).is_file()

    def mce(self, suite: Suite) -> Baseline | None:
        """What corruption errors are measured against, if anything.

        Raises:
            FileNotFoundError, ValueError: no such name or file.
        """
        everything = set(suite.choose()) <= set(self.cells(suite))
        implied = suite.baseline if everything else None
        name = self.baseline or implied
        return name and get_baseline(name)

    def source(
        self,
        suite: Suite,
        cells: Sequence[Cell],
        dataset: Any,
        device: torch.device | str = 'cpu',
    ) -> Source:
        """Where the corrupted images come from.

        Args:
            dataset: what a stored set must hold.
            device: where a suite of tensors is computed.
        Raises:
            FileNotFoundError, ValueError: the stored set is not there, lacks images or cells, has
                another seed, or was written from other clean images.
        """
        if self.stored is None:
            return Computed(self.seed, suite, device)
        from mmrobustprune.corruption.stored import open_stored

        images = open_stored(self.stored, suite)
        if images.seed not in (None, self.seed):
            raise ValueError(
                f'{self.stored} was written with seed {images.seed} and seed {self.seed} is asked '
                "for; give the set's own."
            )
        infos = infos_of(dataset)
        paths = [info['img_path'] for info in infos if info.get('img_path')]
        labels = [info.get('gt_label') for info in infos]
        single = all(isinstance(label, (int, np.integer)) for label in labels)
        images.check(cells, paths, labels if single else None)
        return Stored(images, paths)


def run_suite(
    runner: Runner, robust_eval: Mapping[str, Any], progress: Progress | None = None
) -> dict:
    """Evaluate a Runner's test set clean and under a corruption suite.

    It is what `test()` does where the config has `robust_eval`. As `run_suites` of one.
    """
    return run_suites([runner], robust_eval, progress)[0]


def run_suites(
    runners: Sequence[Runner], robust_eval: Mapping[str, Any], progress: Progress | None = None
) -> list[dict]:
    """Evaluate several models on the same test images, clean and under a corruption suite.

    A corrupted image is made once for all of them, and each gets it in the batches of its own
    loader, whose padding its boxes may depend on. Every finished cell is kept at once in each
    `<work_dir>/cells`, and a second run goes on from there; the results are written to each
    `<work_dir>/results.json`, and are those of the model evaluated alone.

    Args:
        runners: built, their checkpoints loaded or not yet.
        robust_eval: the fields of `RobustEval`.
        progress: called after every batch on the main process; None logs twice a minute.
    Returns:
        Per model `P`, `mPC`, `rPC`, `R_C`, `cells` and what else results.json holds.
    Raises:
        TypeError, ValueError: a wrong field, a data set or loop that cannot be corrupted, images
            that cannot be read, models tested on different images, cells of another run in a work
            dir.
    """
    options = RobustEval.from_config(robust_eval)
    models = [ModelUnderTest(runner, options.subset, options.seed) for runner in runners]
    suite = _suite(options, models[0])
    cells = options.cells(suite)
    data = _same_data(models)
    source = options.source(suite, cells, models[0].loader.dataset, models[0].device)
    stored = on_main(lambda: {cell: source.content(cell) for cell in cells})
    plan = SuitePlan(suite, options, source.seed, data, (CLEAN, *cells), stored)
    for model in models:
        model.open(plan)
    passes = _passes(models)
    if passes:
        run = _SuiteRun(models, passes, progress or LogProgress(runners[0].logger.info))
        run.evaluate(source, _workers(options, models[0].loader))
    return [model.results() for model in models]


def _passes(models: Sequence[ModelUnderTest]) -> list[list[Cell]]:
    """What is still to be evaluated by any of the models, one pass over the data per corruption."""
    done = set.intersection(*(set(model.finished) for model in models))
    todo = [cell for cell in models[0].cells if cell not in done]
    return [list(group) for _, group in groupby(todo, key=lambda cell: cell.corruption)]


class _SuiteRun:
    """All passes over the data, one after the other, for all models."""

    def __init__(
        self,
        models: Sequence[ModelUnderTest],
        passes: Sequence[Sequence[Cell]],
        progress: Progress,
    ) -> None:
        self.models = models
        self.passes = passes
        self.progress = progress if is_main_process() else silent
        self.streams, self.users = _streams(models)
        self.total = len(models[0].cells)
        self.before = self.total - sum(map(len, passes))

    def evaluate(self, source: Source, workers: int) -> None:
        """Run the passes; the Runners are as they were afterwards."""
        try:
            with corrupted(self.streams, self.passes, source, workers) as loader:
                batches = read(loader)
                size = len(loader) // len(self.passes)
                for part in self.passes:
                    self._one(part, batches, size)
                    self.before += len(part)
        finally:
            for model in self.models:
                model.stop()

    def _one(self, part: Sequence[Cell], batches: Any, size: int) -> None:
        busy = [model for model in self.models if set(part) - set(model.finished)]
        for model in busy:
            model.start([cell for cell in part if cell not in model.finished])
        for stream in self.streams:
            stream.begin()
        self.progress(part, self.before, self.total, 0, size)
        bad: list[Unreadable] = []
        for number in range(size):
            arrived = next(batches)
            if isinstance(arrived[0], Unreadable):
                bad += arrived
            elif not bad:
                self._give(part, number, arrived, busy)
            self.progress(part, self.before, self.total, number + 1, size)
        bad = sum(all_gather_object(bad), [])  # of all processes
        if bad:
            raise unreadable_images(bad, len(self.models[0].loader.dataset))
        for model in busy:
            model.finish()
            model.stop()

    def _give(
        self,
        part: Sequence[Cell],
        number: int,
        arrived: Sequence[list],
        busy: Sequence[ModelUnderTest],
    ) -> None:
        for stream, users, cells in zip(self.streams, self.users, arrived, strict=True):
            for index, batch in stream.take(number, cells):
                by_cell = dict(zip(part, batch, strict=True))
                for model in users:
                    if model in busy:
                        model.take(index, by_cell, own=len(users) == 1)


def _streams(
    models: Sequence[ModelUnderTest],
) -> tuple[list[Stream], list[list[ModelUnderTest]]]:
    """The different streams of batches (pipeline, collation, batches), and who gets each."""
    keys: list[tuple] = []
    streams: list[Stream] = []
    users: list[list[ModelUnderTest]] = []
    for model in models:
        settings = model.runner.cfg.test_dataloader.to_dict()
        first = streams[0].batches if streams else None
        stream = Stream(model.loader, first)
        key = settings.get('dataset'), settings.get('collate_fn'), stream.batches
        if key not in keys:
            keys.append(key)
            streams.append(stream)
            users.append([])
        users[keys.index(key)].append(model)
    return streams, users


def _same_data(models: Sequence[ModelUnderTest]) -> str:
    """The fingerprint of the test images, which must be everybody's.

    Raises:
        ValueError: one model is tested on others.
    """
    datasets = [model.loader.dataset for model in models]
    every = on_main(lambda: [image_digests(dataset) for dataset in datasets])
    for model, found in zip(models, every, strict=True):
        if found != every[0]:
            pairs = zip(every[0], found, strict=False)
            changed = [one[0] for one, other in pairs if one != other]
            named = f'; {len(changed)} differ, {changed[0]} is the first' if changed else ''
            raise ValueError(
                f'{models[0].name} and {model.name} are tested on different images or annotations '
                f'({len(every[0])} and {len(found)} images{named}); evaluate them one by one.'
            )
    return joined(every[0])


def _workers(options: RobustEval, loader: Any) -> int:
    if options.workers is not None:
        return options.workers
    return loader.num_workers or len(os.sched_getaffinity(0))


def _suite(options: RobustEval, model: ModelUnderTest) -> Suite:
    """The suite, which must go with the sizes of the images as they are stored."""
    dataset = model.loader.dataset
    kind = type(leaves(dataset)[0]).__name__
    sizes = on_main(lambda: image_sizes(dataset))
    name = options.suite
    if name == 'auto':
        name = suite_name(model.loop.evaluator, sizes, kind, options.reads_published)
    suite = get_suite(name)
    check_sizes(suite, sizes)
    return suite
