"""One model under a corruption suite: its loop, its finished cells, its results."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, TestLoop

from mmrobustprune.corruption import Cell, Suite, summarize
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.bridge.dist import on_main
from mmrobustprune.grouped_kernels import set_form
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.records.store import CellStore

from .metrics import evaluate_all, fresh_copy, main_metric
from .table import show, table, verdict


class ModelUnderTest:
    """A Runner whose test loop is driven cell by cell.

    Args:
        runner: built.
    Attributes:
        finished: cell -> {metric: value, per_class: {class: value}}.
    Raises:
        ValueError: the config has no test set, or a loop that cannot be driven.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner, self.loop = runner, _test_loop(runner)
        self.finished: dict[Cell, dict] = {}

    @property
    def name(self) -> str:
        """For messages: the work dir's name."""
        return Path(self.runner.work_dir).name

    def open(
        self, suite: Suite, options: Any, seed: int | None, data: str, cells: Sequence[Cell]
    ) -> None:
        """Load the weights and read the finished cells.

        Raises:
            ValueError: the work dir holds cells of another run.
        """
        self.suite, self.options, self.seed, self.data, self.cells = (
            suite,
            options,
            seed,
            data,
            cells,
        )
        self.runner.call_hook('before_run')
        self.runner.load_or_resume()
        set_form(self.runner.model)
        self.identity, self.commit = (
            self._identity(),
            stamp.commit(),
        )  # now: a checkout may move on while this runs
        self.store, self.finished = on_main(self._read)
        if self.finished:
            self.runner.logger.info(
                f'{len(self.finished)} of {len(cells)} cells are finished already.'
            )

    def _identity(self) -> dict:
        """What the numbers of a cell depend on, beside the cell itself."""
        runner, options = self.runner, self.options
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        whole = runner.cfg.to_dict()
        config = {
            key: whole.get(key)
            for key in ('model', 'data_preprocessor', 'test_evaluator', 'test_cfg')
        }
        config['test_dataloader'] = stamp.loader_settings(whole.get('test_dataloader'))
        return dict(
            weights=stamp.weights_hash(model),
            config=stamp.config_hash(config),
            data=self.data,
            images=len(self.loop.dataloader.dataset),
            suite=self.suite.name,
            seed=self.seed,
            stored=options.stored,
            device=stamp.device_name(model),
            versions=stamp.versions(),
        )

    def _read(self) -> tuple[CellStore, dict[Cell, dict]]:
        store = CellStore(Path(self.runner.work_dir) / 'cells', self.identity)
        return store, {
            cell: one for cell, one in store.read(self.cells).items() if self._of_metric(one)
        }

    def _of_metric(self, cell: Mapping[str, Any]) -> bool:
        """Whether classes and evidence of a kept cell are of the metric that counts now."""
        return cell.get('main') is None or cell['main'] == main_metric(
            metrics_of(cell), self.options.metric
        )

    def start(self, part: Sequence[Cell]) -> None:
        """Begin a pass over the data for these cells."""
        self.part, self._evaluator, self._hooks = part, self.loop.evaluator, self.runner._hooks
        self.evaluators = [
            self._evaluator if cell == CLEAN else fresh_copy(self._evaluator) for cell in part
        ]
        if CLEAN not in part:  # its lines would repeat the clean numbers
            self.runner._hooks = [hook for hook in self._hooks if not isinstance(hook, LoggerHook)]
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        self.loop.test_loss.clear()

    def take(self, index: int, batches: Mapping[Cell, Any], own: bool) -> None:
        """Run the model on one batch of images under the cells of the pass.

        Args:
            own: no other model gets the same batch.
        """
        for cell, evaluator in zip(self.part, self.evaluators, strict=True):
            self.loop.evaluator = evaluator
            self.loop.run_iter(index, batches[cell] if own else copy.deepcopy(batches[cell]))

    def finish(self) -> None:
        """Evaluate the cells of the pass and keep them."""
        size = len(self.loop.dataloader.dataset)
        found = {
            cell: evaluate_all(evaluator, size, self.options.metric)
            for cell, evaluator in zip(self.part, self.evaluators, strict=True)
        }
        if CLEAN in found:
            main_metric(
                found[CLEAN].metrics, self.options.metric
            )  # a wrong name is said before anything is kept
        self.runner.call_hook(
            'after_test_epoch', metrics=found[CLEAN].metrics if CLEAN in found else None
        )
        self.runner.call_hook('after_test')
        self.finished.update(on_main(lambda: self._keep(found)))
        key = self.metric
        values = ' '.join(show(self.finished[cell].get(key)) for cell in self.part)
        self.runner.logger.info(f'{self.part[0].corruption}: {key} {values}')

    def stop(self) -> None:
        """Leave the Runner as it was, after a pass or in the middle of one."""
        if hasattr(self, '_evaluator'):
            self.loop.evaluator, self.runner._hooks = self._evaluator, self._hooks

    def _keep(self, found: Mapping[Cell, Any]) -> dict[Cell, dict]:
        try:
            for cell, one in found.items():
                self.store.write(
                    cell, dict(one.metrics, per_class=one.per_class, main=one.main), one.evidence
                )
        except OSError as error:
            raise ValueError(
                f'{error.filename or self.store.folder} cannot be written ({error.strerror or error}); {len(self.finished)} '
                'finished cells are kept, mend that and start again.'
            ) from error
        return self.store.read(found)

    @property
    def metric(self) -> str:
        """The key that counts; the clean pass must have given it a number."""
        key = main_metric(metrics_of(self.finished[CLEAN]), self.options.metric)
        if self.finished[CLEAN][key] is None:
            raise ValueError(
                f'{key} of the clean test set is not a number; check its annotations and classes.'
            )
        return key

    def results(self) -> dict:
        """P, mPC, rPC, every cell, and what the numbers depend on; written to `<work_dir>/results.json` too."""
        cells, metric, identity = self.cells[1:], self.metric, self.identity
        classes = {cell: self.finished[cell].get('per_class') or {} for cell in self.cells}
        numbers = {cell: metrics_of(self.finished[cell]) for cell in self.cells}
        values = {
            cell: numbers[cell][metric] for cell in cells if numbers[cell].get(metric) is not None
        }
        modes = [
            one.eval_mode for one in self.loop.evaluator.metrics if hasattr(one, 'eval_mode')
        ]  # VOC's 11 points, or area
        run = dict(
            metric=metric,
            suite=self.suite.name,
            seed=self.seed,
            data=identity['data'],
            eval_mode=modes[0] if modes else None,
        )
        results = dict(
            summarize(
                numbers[CLEAN][metric],
                values,
                cells,
                self.options.partial,
                baseline=self.options.mce(self.suite),
                run=dict(run, stored=self.options.stored),
                clean_per_class=classes[CLEAN],
                per_class=classes,
            ).to_dict(),
            **run,
            corruptions=list(dict.fromkeys(cell.corruption for cell in cells)),
            severities=sorted({cell.severity for cell in cells}),
            clean=numbers[CLEAN],
            clean_per_class=classes[CLEAN],
            cells=[
                dict(
                    corruption=cell.corruption,
                    severity=cell.severity,
                    **numbers[cell],
                    per_class=classes[cell],
                )
                for cell in cells
            ],
            config=str(self.runner.cfg.filename or ''),
            checkpoint=str(self.runner._load_from or ''),
            stored=self.options.stored,
            images=identity['images'],
            weights=identity['weights'],
            config_hash=identity['config'],
            device=identity['device'],
            versions=identity['versions'],
            commit=self.commit,
            command=stamp.command(),
        )
        on_main(lambda: write_json(Path(self.runner.work_dir) / 'results.json', results))
        self.runner.logger.info(f'\n{table(results).markdown()}{verdict(results)}')
        self.runner.call_hook('after_run')
        return results


def metrics_of(cell: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a kept cell, without what else is kept of it."""
    return {key: value for key, value in cell.items() if key not in ('per_class', 'main')}


def _test_loop(runner: Runner) -> TestLoop:
    if runner._test_loop is None:
        raise ValueError(
            'the config has no test_dataloader, test_cfg and test_evaluator; add them.'
        )
    loop = runner.test_loop
    if not isinstance(loop, TestLoop):
        raise ValueError(
            f'the test loop is a {type(loop).__name__}, which does more than one forward per batch; corruption '
            'suites need a TestLoop.'
        )
    silent = [
        type(metric).__name__
        for metric in loop.evaluator.metrics
        if getattr(metric, 'format_only', False)
    ]
    if silent:
        raise ValueError(
            f'{silent[0]} has format_only=True and gives no number; take it out of test_evaluator.'
        )
    if len(loop.dataloader.dataset) == 0:
        raise ValueError('the test set has no image; check its ann_file and data_root.')
    return loop
