"""Clean accuracy and a corruption suite of one model: resumable by cell, one decode per image and
corruption."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, TestLoop

from mmrobustprune.corruption import CLEAN, Cell, CellStore, Suite, get_suite, summarize
from mmrobustprune.corruption.store import write_json
from mmrobustprune.corruption.suites import nearest

from . import stamp
from .cell_metrics import evaluate, fresh_copy, main_metric, suite_name
from .corrupt_pipeline import corrupted, leaves, load, read
from .suite_progress import LogProgress, Progress, silent, title
from .suite_table import show, table, verdict

_SPEED_ONLY = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')


@dataclass(frozen=True)
class RobustEval:
    """The config key `robust_eval`.

    Attributes:
        suite: 'auto' (from the evaluator and the image size) or a name of `corruption.SUITES`.
        corruptions: names or groups; None means the suite's own.
        severities: among 1 to 5; None means all.
        seed: of the corruptions' random numbers.
        metric: the key that P, mPC and rPC are made of; None takes VOC AP50 or mAP, COCO bbox_mAP
            or top-1.
    """
    suite: str = 'auto'
    corruptions: str | Sequence[str] | None = None
    severities: int | Sequence[int] | None = None
    seed: int = 0
    metric: str | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RobustEval:
        """Read the config key; everything that needs no data is checked.

        Raises:
            TypeError: no dict.
            ValueError: an unknown field (the nearest one is given) or value.
        """
        if not isinstance(config, Mapping):
            raise TypeError(f'robust_eval is {config!r}; give a dict such as '
                            "dict(suite='voc-c', severities=[3]).")
        names = [field.name for field in fields(cls)]
        for key in config:
            if key not in names:
                raise ValueError(f'robust_eval.{key} is unknown{nearest(key, names)}; choose among '
                                 f"{', '.join(names)}.")
        options = cls(**config)
        if isinstance(options.seed, bool) or not isinstance(options.seed, int):
            raise ValueError(f'robust_eval.seed is {options.seed!r}; give a whole number.')
        options.cells(Suite('any') if options.suite == 'auto' else get_suite(options.suite))
        return options

    def cells(self, suite: Suite) -> tuple[Cell, ...]:
        """The corrupted cells asked for."""
        return suite.choose(self.corruptions, self.severities)


def run_suite(runner: Runner, robust_eval: Mapping[str, Any], progress: Progress | None = None
              ) -> dict:
    """Evaluate a Runner's test set clean and under a corruption suite; what `test()` does where
    the config has `robust_eval`.

    Every finished cell is kept at once in `<work_dir>/cells`, and a second run goes on from there;
    the result is written to `<work_dir>/results.json`.

    Args:
        runner: built, its checkpoint loaded or not yet.
        robust_eval: the fields of `RobustEval`.
        progress: called after every batch on the main process; None logs twice a minute.
    Returns:
        `P`, `mPC`, `rPC`, `R_C`, `cells` and what else results.json holds.
    Raises:
        TypeError, ValueError: a wrong field, a data set or loop that cannot be corrupted, an image
            that cannot be read, cells of another run in the work dir.
    """
    options = RobustEval.from_config(robust_eval)
    loop = _test_loop(runner)
    suite = _suite(options, loop)
    cells = (CLEAN, *options.cells(suite))

    runner.call_hook('before_run')
    runner.load_or_resume()
    identity = _identity(runner, loop, suite, options)
    store, finished = _on_main(lambda: _open(runner, identity, cells))
    todo = [cell for cell in cells if cell not in finished]
    if finished:
        runner.logger.info(f'{len(finished)} of {len(cells)} cells are finished already.')
    progress = (progress or LogProgress(runner.logger.info)) if is_main_process() else silent
    for _, group in groupby(todo, key=lambda cell: cell.corruption):
        part = list(group)
        tell = partial(progress, part, len(finished), len(cells))
        metrics = _evaluate(runner, loop, part, options.seed, tell)
        finished.update(_on_main(partial(_keep, store, metrics)))
        key = _main_metric(finished, options)
        values = ' '.join(show(finished[cell].get(key)) for cell in part)
        runner.logger.info(f'{title(part)}: {key} {values}')

    results = _results(runner, finished, cells[1:], suite, options, identity)
    _on_main(lambda: write_json(Path(runner.work_dir) / 'results.json', results))
    runner.logger.info(f'\n{table(results).markdown()}{verdict(results)}')
    runner.call_hook('after_run')
    return results


def _test_loop(runner: Runner) -> TestLoop:
    if runner._test_loop is None:
        raise ValueError(
            'the config has no test_dataloader, test_cfg and test_evaluator; add them.')
    loop = runner.test_loop
    if not isinstance(loop, TestLoop):
        raise ValueError(f'the test loop is a {type(loop).__name__}, which does more than one '
                         'forward per batch; corruption suites need a TestLoop.')
    if len(loop.dataloader.dataset) == 0:
        raise ValueError('the test set has no image; check its ann_file and data_root.')
    return loop


def _suite(options: RobustEval, loop: TestLoop) -> Suite:
    """The suite, which must go with the size of the first image as it is stored."""
    owner = leaves(loop.dataloader.dataset)[0]
    data, _, _ = load(owner.get_data_info(0), owner.pipeline.transforms)
    height, width = data['img'].shape[:2]
    name = options.suite
    suite = get_suite(suite_name(loop.evaluator, height, width) if name == 'auto' else name)
    suite.check(height, width)
    return suite


def _identity(runner: Runner, loop: TestLoop, suite: Suite, options: RobustEval) -> dict:
    """What the numbers of a cell depend on, beside the cell itself."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    whole = runner.cfg.to_dict()
    config = {key: whole.get(key) for key in (
        'model', 'data_preprocessor', 'test_evaluator', 'test_cfg')}
    config['test_dataloader'] = {
        key: value for key, value in (whole.get('test_dataloader') or {}).items()
        if key not in _SPEED_ONLY}
    return dict(
        weights=stamp.weights_hash(model), config=stamp.config_hash(config),
        images=len(loop.dataloader.dataset), suite=suite.name, seed=options.seed,
        device=stamp.device_name(model), versions=stamp.versions())


def _open(runner: Runner, identity: Mapping[str, Any], cells: Sequence[Cell]
          ) -> tuple[CellStore, dict[Cell, dict]]:
    store = CellStore(Path(runner.work_dir) / 'cells', identity)
    return store, store.read(cells)


def _keep(store: CellStore, metrics: Mapping[Cell, dict]) -> dict[Cell, dict]:
    for cell, values in metrics.items():
        store.write(cell, values)
    return store.read(metrics)


def _on_main(work: Callable[[], Any]) -> Any:
    """Do file work on the main process alone; its answer, or its error, is everybody's."""
    box = [None, None]
    if is_main_process():
        try:
            box[0] = work()
        except (ValueError, OSError) as error:
            box[1] = error
    broadcast_object_list(box)
    if box[1] is not None:
        raise box[1]
    return box[0]


def _evaluate(runner: Runner, loop: TestLoop, cells: Sequence[Cell], seed: int,
              tell: Callable[[int, int], Any]) -> dict[Cell, dict]:
    """One pass over the data for cells of one corruption; an image is decoded once for all."""
    original, hooks = loop.evaluator, runner._hooks
    evaluators = [original if cell == CLEAN else fresh_copy(original) for cell in cells]
    if CLEAN not in cells:   # its lines would repeat the clean numbers
        runner._hooks = [hook for hook in hooks if not isinstance(hook, LoggerHook)]
    try:
        runner.call_hook('before_test')
        runner.call_hook('before_test_epoch')
        runner.model.eval()
        loop.test_loss.clear()
        with corrupted(loop.dataloader, cells, seed) as loader:
            tell(0, len(loader))
            for index, batches in enumerate(read(loader)):
                for evaluator, batch in zip(evaluators, batches, strict=True):
                    loop.evaluator = evaluator
                    loop.run_iter(index, batch)
                tell(index + 1, len(loader))
        size = len(loop.dataloader.dataset)
        metrics = {cell: evaluate(evaluator, size)
                   for cell, evaluator in zip(cells, evaluators, strict=True)}
        runner.call_hook('after_test_epoch', metrics=metrics.get(CLEAN))
        runner.call_hook('after_test')
    finally:
        loop.evaluator, runner._hooks = original, hooks
    return metrics


def _main_metric(finished: Mapping[Cell, dict], options: RobustEval) -> str:
    """The key that counts; the clean pass must have given it a number."""
    key = main_metric(finished[CLEAN], options.metric)
    if finished[CLEAN][key] is None:
        raise ValueError(
            f'{key} of the clean test set is not a number; check its annotations and classes.')
    return key


def _results(runner: Runner, finished: Mapping[Cell, dict], cells: Sequence[Cell], suite: Suite,
             options: RobustEval, identity: Mapping[str, Any]) -> dict:
    clean, metric = finished[CLEAN], _main_metric(finished, options)
    values = {cell: finished[cell][metric] for cell in cells
              if finished[cell].get(metric) is not None}
    return dict(
        summarize(clean[metric], values, cells).to_dict(),
        metric=metric, suite=suite.name, seed=options.seed,
        corruptions=list(dict.fromkeys(cell.corruption for cell in cells)),
        severities=sorted({cell.severity for cell in cells}),
        clean=clean,
        cells=[dict(corruption=cell.corruption, severity=cell.severity, **finished[cell])
               for cell in cells],
        config=str(runner.cfg.filename or ''), checkpoint=str(runner._load_from or ''),
        images=identity['images'], weights=identity['weights'], config_hash=identity['config'],
        device=identity['device'], versions=identity['versions'], commit=stamp.commit(),
        command=stamp.command())
