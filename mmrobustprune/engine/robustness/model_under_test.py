"""One model under a corruption suite: its loop, its finished cells, its results."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, TestLoop

from mmrobustprune.corruption import Cell, Suite, evidence, summarize
from mmrobustprune.corruption.bootstrap import whole_set_interval
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.bridge.data import named_files
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.engine.bridge.runner import NO_TEST
from mmrobustprune.engine.bridge.subset import part_of
from mmrobustprune.grouped_kernels import set_form
from mmrobustprune.records import stamp
from mmrobustprune.records.contents import group_digest
from mmrobustprune.records.files import write_json
from mmrobustprune.records.store import CellStore, evidence_path

from .metrics import evaluate_all, fresh_copy, main_metric
from .table import show, table, verdict

_ABOUT = ('per_class', 'main', 'stored')  # what a kept cell holds beside its numbers


@dataclass(frozen=True)
class SuitePlan:
    """What is asked of every model.

    Attributes:
        suite: the suite.
        options: the fields of `RobustEval`.
        seed: of the corrupted images; None where nobody knows it.
        data: fingerprint of the clean images.
        cells: the clean one first.
        stored: cell -> digest of its stored images; None where they are computed.
    """

    suite: Suite
    options: Any
    seed: int | None
    data: str
    cells: Sequence[Cell]
    stored: Mapping[Cell, str | None]


class ModelUnderTest:
    """A Runner whose test loop is driven cell by cell.

    Args:
        runner: built.
        subset, seed: evaluate so many images, chosen by the seed; None evaluates all.
    Attributes:
        loader: over the images to be evaluated.
        finished: cell -> {metric: value, per_class: {class: value}}.
    Raises:
        ValueError: the config has no test set, or a loop that cannot be driven.
    """

    plan: SuitePlan
    store: CellStore
    identity: dict[str, Any]
    commit: str | None

    def __init__(self, runner: Runner, subset: int | None = None, seed: int = 0) -> None:
        self.runner = runner
        self.loop = _test_loop(runner)
        self.loader = self.loop.dataloader
        if subset is not None:
            self.loader = part_of(self.loader, subset, seed, self.loop.evaluator)
        self.finished: dict[Cell, dict] = {}
        self.part: Sequence[Cell] = ()
        self.evaluators: list[Evaluator] = []
        self._own_evaluator = self.loop.evaluator
        self._own_hooks = list(runner.hooks)

    @property
    def name(self) -> str:
        """For messages: the work dir's name."""
        return Path(self.runner.work_dir).name

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return stamp.device_of(self.runner.model)

    @property
    def cells(self) -> Sequence[Cell]:
        """All that is asked, the clean cell first."""
        return self.plan.cells

    def open(self, plan: SuitePlan) -> None:
        """Load the weights and read the finished cells.

        Raises:
            ValueError: the work dir holds cells of another run.
        """
        self.plan = plan
        self.runner.call_hook('before_run')
        self.runner.load_or_resume()
        self._own_hooks = list(self.runner.hooks)
        set_form(self.runner.model)
        self.identity = self._identity()
        self.commit = stamp.commit()  # now: a checkout may move on while this runs
        self.store, self.finished = on_main(self._read)
        if self.finished:
            self.runner.logger.info(
                f'{len(self.finished)} of {len(plan.cells)} cells are finished already.'
            )

    def _identity(self) -> dict:
        """What the numbers of a cell depend on, beside the cell itself."""
        runner = self.runner
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        whole = runner.cfg.to_dict()
        keys = ('model', 'data_preprocessor', 'test_evaluator', 'test_cfg')
        config = {key: whole.get(key) for key in keys}
        config['test_dataloader'] = stamp.loader_settings(whole.get('test_dataloader'))
        files = sorted(set(named_files(whole.get('test_evaluator'))))
        return dict(
            weights=stamp.weights_hash(model),
            config=stamp.config_hash(config),
            data=self.plan.data,
            annotations=group_digest(files) if files else None,  # of evaluators that read their own
            images=len(self.loader.dataset),
            **self.plan.suite.stamp(self.plan.seed),
            stored=self.plan.options.stored,
            device=stamp.device_name(model),
            versions=stamp.versions(),
        )

    def _read(self) -> tuple[CellStore, dict[Cell, dict]]:
        store = CellStore(Path(self.runner.work_dir) / 'cells', self.identity)
        kept = store.read(self.cells)
        return store, {cell: one for cell, one in kept.items() if self._is_current(cell, one)}

    def _is_current(self, cell: Cell, kept: Mapping[str, Any]) -> bool:
        """Whether a kept cell is of the metric that counts now and of the images stored now."""
        if kept.get('stored') != self.plan.stored.get(cell):
            self.runner.logger.warning(
                f'the stored images of {cell.corruption} {cell.severity} have changed; it is '
                'evaluated again.'
            )
            return False
        asked = self.plan.options.metric
        return kept.get('main') is None or kept['main'] == main_metric(metrics_of(kept), asked)

    def start(self, part: Sequence[Cell]) -> None:
        """Begin a pass over the data for these cells."""
        self.part = part
        self.evaluators = []
        for cell in part:
            own = self._own_evaluator
            self.evaluators.append(own if cell == CLEAN else fresh_copy(own))
        if CLEAN not in part:  # its lines would repeat the clean numbers
            quiet = [hook for hook in self._own_hooks if not isinstance(hook, LoggerHook)]
            self.runner.hooks[:] = quiet
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        self.loop.test_loss.clear()

    def take(self, index: int, batches: Mapping[Cell, Any], own: bool) -> None:
        """Run the model on one batch of images under the cells of the pass.

        Args:
            index: of the batch.
            batches: cell -> batch.
            own: no other model gets the same batch.
        """
        for cell, evaluator in zip(self.part, self.evaluators, strict=True):
            self.loop.evaluator = evaluator
            self.loop.run_iter(index, batches[cell] if own else copy.deepcopy(batches[cell]))

    def finish(self) -> None:
        """Evaluate the cells of the pass and keep them."""
        size = len(self.loader.dataset)
        asked = self.plan.options.metric
        found = {}
        for cell, evaluator in zip(self.part, self.evaluators, strict=True):
            found[cell] = evaluate_all(evaluator, size, asked)
        clean = found[CLEAN].metrics if CLEAN in found else None
        if clean is not None:
            main_metric(clean, asked)  # a wrong name is said before anything is kept
        self.runner.call_hook('after_test_epoch', metrics=clean)
        self.runner.call_hook('after_test')
        self.finished.update(on_main(lambda: self._keep(found)))
        key = self.metric
        values = ' '.join(show(self.finished[cell].get(key)) for cell in self.part)
        self.runner.logger.info(f'{self.part[0].corruption}: {key} {values}')

    def stop(self) -> None:
        """Leave the Runner as it was, after a pass or in the middle of one."""
        self.loop.evaluator = self._own_evaluator
        self.runner.hooks[:] = self._own_hooks

    def _keep(self, found: Mapping[Cell, Any]) -> dict[Cell, dict]:
        try:
            for cell, one in found.items():
                about = dict(per_class=one.per_class, main=one.main)
                if self.plan.stored.get(cell) is not None:
                    about['stored'] = self.plan.stored[cell]
                self.store.write(cell, dict(one.metrics, **about), one.evidence)
        except OSError as error:
            raise ValueError(
                f'{error.filename or self.store.folder} cannot be written '
                f'({error.strerror or error}); {len(self.finished)} finished cells are kept, mend '
                'that and start again.'
            ) from error
        return self.store.read(found)

    @property
    def metric(self) -> str:
        """The key that counts; the clean pass must have given it a number."""
        key = main_metric(metrics_of(self.finished[CLEAN]), self.plan.options.metric)
        if self.finished[CLEAN][key] is None:
            raise ValueError(
                f'{key} of the clean test set is not a number; check its annotations and classes.'
            )
        return key

    def results(self) -> dict:
        """P, mPC, rPC, every cell, and what they depend on.

        Written to `<work_dir>/results.json` too.
        """
        cells = self.cells[1:]
        metric = self.metric
        classes = {cell: self.finished[cell].get('per_class') or {} for cell in self.cells}
        numbers = {cell: metrics_of(self.finished[cell]) for cell in self.cells}
        run = self._run_facts(metric)
        values = {cell: numbers[cell].get(metric) for cell in cells}
        summary = summarize(
            numbers[CLEAN][metric],
            {cell: value for cell, value in values.items() if value is not None},
            cells,
            self.plan.options.partial,
            baseline=self.plan.options.mce(self.plan.suite),
            run=dict(run, stored=self.plan.options.stored),
            clean_per_class=classes[CLEAN],
            per_class=classes,
        )
        results = dict(
            summary.to_dict(),
            **run,
            corruptions=list(dict.fromkeys(cell.corruption for cell in cells)),
            severities=sorted({cell.severity for cell in cells}),
            clean=numbers[CLEAN],
            clean_per_class=classes[CLEAN],
            cells=[_entry(cell, numbers[cell], classes[cell]) for cell in cells],
            **self._part(summary.mPC),
            **self._stamps(),
        )
        on_main(lambda: write_json(Path(self.runner.work_dir) / 'results.json', results))
        self.runner.logger.info(f'\n{table(results).markdown()}{verdict(results)}')
        self.runner.call_hook('after_run')
        return results

    def _part(self, mpc: float | None) -> dict[str, Any]:
        """Which part of the test set was evaluated, and where the mPC of the whole lies."""
        if self.plan.options.subset is None:
            return {}
        whole = len(self.loop.dataloader.dataset)
        there = [cell for cell in self.cells if cell.corruption in self.plan.suite.corruptions]
        files = [evidence_path(self.store.folder, cell) for cell in there]
        interval = None
        if mpc is not None and all(file.is_file() for file in files):
            interval = whole_set_interval([evidence.load(file) for file in files], whole)
        part = dict(size=len(self.loader.dataset), of=whole, seed=self.plan.options.seed)
        return dict(subset=part, mPC_interval=interval)

    def _run_facts(self, metric: str) -> dict[str, Any]:
        """What must be equal for two runs to be compared."""
        metrics = self.loop.evaluator.metrics
        # VOC's 11 points, or area
        modes = [one.eval_mode for one in metrics if hasattr(one, 'eval_mode')]
        return dict(
            metric=metric,
            **self.plan.suite.stamp(self.plan.seed),
            data=self.identity['data'],
            eval_mode=modes[0] if modes else None,
        )

    def _stamps(self) -> dict[str, Any]:
        """Whose numbers they are."""
        return dict(
            config=str(self.runner.cfg.filename or ''),
            checkpoint=str(self.runner._load_from or ''),
            stored=self.plan.options.stored,
            images=self.identity['images'],
            weights=self.identity['weights'],
            config_hash=self.identity['config'],
            device=self.identity['device'],
            versions=self.identity['versions'],
            commit=self.commit,
            command=stamp.command(),
        )


def metrics_of(cell: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a kept cell, without what else is kept of it."""
    return {key: value for key, value in cell.items() if key not in _ABOUT}


def _entry(cell: Cell, numbers: Mapping[str, float], classes: Mapping[str, float]) -> dict:
    where = dict(corruption=cell.corruption, severity=cell.severity)
    return dict(where, **numbers, per_class=classes)


def _test_loop(runner: Runner) -> TestLoop:
    if runner._test_loop is None:
        raise ValueError(NO_TEST)
    loop = runner.test_loop
    if not isinstance(loop, TestLoop):
        raise ValueError(
            f'the test loop is a {type(loop).__name__}, which does more than one forward per '
            'batch; corruption suites need a TestLoop.'
        )
    for metric in loop.evaluator.metrics:
        if getattr(metric, 'format_only', False):
            raise ValueError(
                f'{type(metric).__name__} has format_only=True and gives no number; take it out of '
                'test_evaluator.'
            )
    if len(loop.dataloader.dataset) == 0:
        raise ValueError('the test set has no image; check its ann_file and data_root.')
    return loop
