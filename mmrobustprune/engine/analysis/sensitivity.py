"""What accuracy becomes when a part of one group of channels goes, group by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmrobustprune.analysis.sensitivity import CLEAN as UNCORRUPTED
from mmrobustprune.analysis.sensitivity import counts, drop, limits
from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import Group, Trace
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.attacks.evaluate import device_of
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import fingerprint, image_sizes
from mmrobustprune.engine.bridge.evaluation import EvaluationImages, quiet_log
from mmrobustprune.engine.bridge.model import example_of
from mmrobustprune.engine.pruning.forward import structure_forward
from mmrobustprune.engine.robustness.loader import Stream, corrupted, read, unreadable_images
from mmrobustprune.engine.robustness.metrics import (
    Evaluated,
    evaluate_all,
    main_metric,
    suite_name,
)
from mmrobustprune.engine.robustness.pipeline import Computed, Unreadable, leaves
from mmrobustprune.masks import RankedSelection
from mmrobustprune.masks.without import without
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.records.store import CellStore, Key
from mmrobustprune.report.figures.sensitivity_map import sensitivity_map
from mmrobustprune.scores import build_score

# what is measured now, how many of all are done, how many there are
Progress = Callable[[str, int, int], Any]


@dataclass(frozen=True)
class SensitivityOptions:
    """What is removed, and what it is measured on.

    Attributes:
        fractions: of a group's units that go, the least worth first, in (0, 1).
        corruptions: names or groups of the suite; none measures clean images alone.
        severities: of the corruptions.
        subset: at most so many random test images.
        score: what a unit is worth.
        allowed: the fraction of the accuracy that a group may cost, in (0, 1), for the limits.
        metric: the evaluator's key; None takes the usual one.
        ignore: module names, prefixes or patterns that are left out.
        forward: 'package.module:function' for a model that cannot be traced by its own, see
            `Recipe`.
        seed: of the choice of images and of the corruptions.
        device: None takes a GPU where there is one.
        cfg_options: KEY=VALUE, over the config's own.

    Raises:
        ValueError: a fraction out of its range.
    """

    fractions: Sequence[float] = (0.1, 0.3, 0.5)
    corruptions: Sequence[str] = ()
    severities: Sequence[int] = (3,)
    subset: int = 500
    score: Mapping[str, Any] = field(default_factory=lambda: dict(type='Magnitude', p=2))
    allowed: float = 0.05
    metric: str | None = None
    ignore: Sequence[str] = ()
    forward: str = ''
    seed: int = 0
    device: str | None = None
    cfg_options: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, values in (('fractions', self.fractions), ('allowed', [self.allowed])):
            if not values or not all(0 < value < 1 for value in values):
                raise ValueError(f'{name}={values} must lie in (0, 1); 0.3 is three tenths.')


@dataclass(frozen=True)
class Variant:
    """A network without some units of one group; the dense one where it has no group.

    Attributes:
        group: whose units go.
        gone: bool (units,), those that go.
    """

    group: Group | None = None
    gone: Tensor | None = None

    @property
    def name(self) -> str:
        return 'dense' if self.group is None else f'{self.group.name}.{int(self.gone.sum())}'

    def of(self, model: nn.Module) -> AbstractContextManager:
        """Inside, the model is this variant of itself."""
        return nullcontext() if self.group is None else without(model, self.group, self.gone)


def measure_sensitivity(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    options: SensitivityOptions | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Accuracy with a part of each group gone, one group at a time, and limits that follow.

    Every finished number is kept in `<work_dir>/sensitivity`, and the same call goes on from there.
    Written to `<work_dir>`: `sensitivity.json`, its figure `sensitivity.png`, and `ratios.json`,
    the limits for `robust_prune.ratios`. The images of one corruption at a time are held in memory.

    Args:
        config: a path, or a config that was read; it is not changed.
        checkpoint: its weights.
        work_dir: for the results.
        options: None takes every default.
        progress: called before each measurement.

    Returns:
        `metric`, `images`, `dense` (accuracy by corruption), `groups` (name, units, points: units
        gone and accuracy), `ratios`, `ignore` (groups of which nothing may go), `removable`
        (fractions of the network that the limits let go), and what all depend on.

    Raises:
        FileNotFoundError, ValueError: config, checkpoint or data are not there, nothing can be
            pruned, an unknown corruption or metric, a work dir with the numbers of another run.
    """
    options = options or SensitivityOptions()
    config = as_config(config, options.cfg_options)
    model, _, config = load_model(config, str(checkpoint))
    model.to(device_of(options.device))
    images = EvaluationImages(config, 'test', options.subset, options.seed)
    forward = structure_forward(options.forward, model)
    found = trace(model, example_of(model, images.loader), forward, options.ignore)
    if not found.groups:
        raise ValueError(
            'nothing can be pruned: every layer is unprunable; tools/prune.py --why says why.'
        )
    variants = _variants(model, found, options)
    source, cells = _corruptions(images, options)
    identity = _identity(config, model, images, options)
    store = CellStore(Path(work_dir) / 'sensitivity', identity)
    run = _Run(model, images, variants, cells, source, store, options.metric, progress)
    run.finish()
    results = _results(run, model, found, options)
    results |= dict(
        checkpoint=str(checkpoint), **identity, commit=stamp.commit(), command=stamp.command()
    )
    write_json(Path(work_dir) / 'sensitivity.json', results)
    write_json(Path(work_dir) / 'ratios.json', results['ratios'])
    sensitivity_map(Path(work_dir) / 'sensitivity.png', results)
    return results


def _variants(model: nn.Module, found: Trace, options: SensitivityOptions) -> list[Variant]:
    scores = build_score(dict(options.score))(model, found.groups)
    variants = [Variant()]
    for group in found.groups:
        order = scores[group.name].argsort().cpu()
        for count in counts(group.units, options.fractions):
            gone = torch.zeros(group.units, dtype=torch.bool)
            gone[order[:count]] = True
            variants.append(Variant(group, gone))
    return variants


def _corruptions(
    images: EvaluationImages, options: SensitivityOptions
) -> tuple[Computed | None, list[Cell]]:
    """Where corrupted images come from, and the cells, the clean one first."""
    if not options.corruptions:
        return None, [CLEAN]
    dataset = images.loader.dataset.dataset
    kind = type(leaves(dataset)[0]).__name__
    suite = get_suite(suite_name(images.evaluator, image_sizes(dataset), kind))
    cells = suite.choose(options.corruptions, options.severities)
    return Computed(options.seed, suite), [CLEAN, *cells]


def _identity(
    config: Config, model: nn.Module, images: EvaluationImages, options: SensitivityOptions
) -> dict[str, Any]:
    """What every number depends on, beside its cell."""
    whole = config.to_dict()
    read = {key: whole.get(key) for key in ('model', 'data_preprocessor', 'test_evaluator')}
    read['test_dataloader'] = stamp.loader_settings(whole['test_dataloader'])
    return dict(
        weights=stamp.weights_hash(model),
        config=stamp.config_hash(read),
        data=fingerprint(images.loader.dataset.dataset),
        images=len(images.places),
        seed=options.seed,
        score=dict(options.score),
        asked_metric=options.metric,
        device=stamp.device_name(model),
        versions=stamp.versions(),
    )


def label(cell: Cell) -> str:
    """How results call a cell: 'clean', or corruption and severity."""
    return UNCORRUPTED if cell == CLEAN else f'{cell.corruption} {cell.severity}'


@dataclass
class _Run:
    """All variants under all cells."""

    model: nn.Module
    images: EvaluationImages
    variants: Sequence[Variant]
    cells: Sequence[Cell]
    source: Computed | None
    store: CellStore
    metric: str | None
    progress: Progress

    @staticmethod
    def key(variant: Variant, cell: Cell) -> Key:
        return f'{variant.name}@{cell.corruption}', cell.severity

    def finish(self) -> None:
        """Measure what is missing."""
        total = len(self.cells) * len(self.variants)
        done = 0
        for cell in self.cells:
            kept = self.store.read(self.key(variant, cell) for variant in self.variants)
            missing = [one for one in self.variants if self.key(one, cell) not in kept]
            done += len(kept)
            batches = self._batches(cell) if missing else []
            for variant in missing:
                self.progress(f'{variant.name}, {label(cell)}', done, total)
                with variant.of(self.model):
                    self.images.feed(self.model, batches)
                found = self._evaluated()
                key = main_metric(found.metrics, self.metric)
                self.store.write(
                    self.key(variant, cell), dict(metric=key, value=found.metrics[key])
                )
                done += 1
        self.progress('done', done, total)

    def _evaluated(self) -> Evaluated:
        with quiet_log():
            return evaluate_all(self.images.evaluator, len(self.images.places), self.metric)

    def _batches(self, cell: Cell) -> list[Any]:
        if cell == CLEAN:
            return list(self.images.loader)
        found = []
        workers = self.images.loader.num_workers
        with corrupted([Stream(self.images.loader)], [[cell]], self.source, workers) as loader:
            for arrived in read(loader):
                if isinstance(arrived[0], Unreadable):
                    raise unreadable_images(arrived, len(self.images.places))
                found.append(arrived[0][0])
        return found

    def values(self, variant: Variant) -> dict[str, float]:
        """The accuracy of a variant by cell."""
        kept = self.store.read(self.key(variant, cell) for cell in self.cells)
        found = {label(cell): kept[self.key(variant, cell)]['value'] for cell in self.cells}
        if None in found.values():
            raise ValueError(
                f'{self.metric_name()} of {variant.name} is not a number; check the annotations of '
                'the chosen images, or take more of them.'
            )
        return found

    def metric_name(self) -> str:
        """The key of the numbers."""
        key = self.key(self.variants[0], CLEAN)
        return self.store.read([key])[key]['metric']


def _results(
    run: _Run, model: nn.Module, found: Trace, options: SensitivityOptions
) -> dict[str, Any]:
    dense = run.values(run.variants[0])
    groups: dict[str, dict] = {}
    lost: dict[str, list[tuple[float, float]]] = {}
    for variant in run.variants[1:]:
        name = variant.group.name
        values = run.values(variant)
        gone = int(variant.gone.sum())
        row = groups.setdefault(name, dict(name=name, units=variant.group.units, points=[]))
        row['points'].append(dict(gone=gone, values=values))
        lost.setdefault(name, []).append((gone / variant.group.units, drop(dense, values)))
    units = {group.name: group.units for group in found.groups if group.name in lost}
    ratios = limits(units, lost, options.allowed)
    cost = CostModel(model, found.groups, found.shapes)
    removable = {}
    for budget in ('params', 'macs'):
        removable[budget] = RankedSelection(cost, budget, limits=ratios).most()
    return dict(
        metric=run.metric_name(),
        dense=dense,
        groups=list(groups.values()),
        allowed=options.allowed,
        ratios=ratios,
        ignore=[name for name, fraction in ratios.items() if fraction == 0],
        removable=removable,
    )
