"""One test image under every corruption, with what a model makes of it."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner
from torch import nn

from mmrobustprune.corruption import Cell, Suite, get_suite
from mmrobustprune.corruption.suites import CLEAN, name_of
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import fingerprint, info_of
from mmrobustprune.report.figures.gallery import (
    CROWD,
    Draw,
    Found,
    Named,
    draw_found,
    draw_named,
    sheet,
)
from mmrobustprune.report.page import Part
from mmrobustprune.report.runs import Run

from .pipeline import CellPipeline, Source, leaves, load
from .suite import RobustEval


@dataclass(frozen=True)
class View:
    """What of a test set is shown, and how.

    Attributes:
        index: place in the test set.
        severity: 1 to 5.
        corruptions: names or groups.
        suite: as in `RobustEval`; without one the constants are ImageNet-C's.
        seed: as in `RobustEval`.
        stored: as in `RobustEval`.
        least: boxes of a lower score are not drawn.
        title: above the figure.
        data: fingerprint that the test set must have; None takes any.
    """

    index: int = 0
    severity: int = 3
    corruptions: str | Sequence[str] = 'benchmark'
    suite: str | None = None
    seed: int = 0
    stored: str | None = None
    least: float = 0.3
    title: str = ''
    data: str | None = None


class _Keep:
    """A transform that keeps a copy of every image it sees."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []

    def __call__(self, data: dict) -> dict:
        self.images.append(np.array(data['img']))
        return data


def corruption_gallery(
    config: str | Path, checkpoint: str | Path, path: str | Path, view: View | None = None
) -> Path:
    """Draw a test image, clean and corrupted, with a detector's boxes or a classifier's choice.

    The images are those of an evaluation: same loading, same random numbers, the config's own test
    pipeline.

    Args:
        config, checkpoint: dense or pruned, of mmdet or mmpretrain.
        path: of the figure.
        view: what is shown; None shows the first image under the benchmark at severity 3.
    Raises:
        FileNotFoundError: no such config or checkpoint.
        ValueError: no image of that index, an unknown corruption, other images than those of
            `view.data`, or a model that gives neither boxes nor classes.
    """
    view = view or View()
    cfg = as_config(config)
    model, _, cfg = load_model(cfg, str(checkpoint))
    if not cfg.get('test_dataloader'):
        raise ValueError(f'{config} has no test_dataloader, so there is no image to show; add one.')
    if cfg.get('default_scope') == 'mmpretrain':  # as its own test script does
        cfg.test_dataloader.setdefault('collate_fn', dict(type='default_collate'))
    loader = Runner.build_dataloader(
        {**cfg.test_dataloader, 'num_workers': 0, 'persistent_workers': False}
    )
    if view.data is not None and fingerprint(loader.dataset) != view.data:
        raise ValueError(
            f'the test images or annotations of {config} have changed since {checkpoint} was '
            'evaluated on them; evaluate it again, or leave the gallery out.'
        )
    suite = get_suite(view.suite) if view.suite else Suite('any')
    cells = (CLEAN, *(Cell(name, view.severity) for name in suite.expand(view.corruptions)))
    source = RobustEval(seed=view.seed, stored=view.stored).source(suite, cells[1:], loader.dataset)
    images, samples = _samples(loader.dataset, view.index, cells, source)
    with torch.no_grad():
        answers = [model.test_step(loader.collate_fn([sample]))[0] for sample in samples]
    draws, legend = _draws(answers, loader.dataset.metainfo, model, view.least)
    names = ['clean', *(f'{cell.corruption} {cell.severity}' for cell in cells[1:])]
    tiles = list(zip(names, images, draws, strict=True))
    return sheet(path, tiles, view.title, legend, captions=legend is None)


def gallery_parts(runs: Sequence[Run], out: str | Path, index: int = 0) -> list[Part]:
    """A section of a report for the first run of every name that was evaluated.

    Its own config and checkpoint are taken.

    Raises:
        FileNotFoundError, ValueError: as `corruption_gallery`; a run whose results name no
            checkpoint, or whose test images have changed since.
    """
    first: dict[str, Run] = {}
    for run in runs:
        if run.results:
            first.setdefault(run.name, run)
    parts = []
    for number, run in enumerate(first.values()):
        results = run.results
        if not results.get('config') or not results.get('checkpoint'):
            raise ValueError(
                f"the results of '{run.label}' name no config and checkpoint to show images of; "
                'leave the gallery out, or evaluate it from files.'
            )
        # as it was evaluated, options of the command line in it
        here = run.folder / Path(results['config']).name
        view = View(
            index,
            severity=results['severities'][len(results['severities']) // 2],
            corruptions=results['corruptions'],
            suite=name_of(results),
            seed=results['seed'],
            stored=results.get('stored'),
            data=results.get('data'),
        )
        figure = corruption_gallery(
            here if here.is_file() else results['config'],
            results['checkpoint'],
            Path(out, f'gallery_{number}.png'),
            view,
        )
        note = f'Image {index} of the test set at severity {view.severity}.'
        parts.append(Part(f'What {run.name} sees', note, figure.name))
    return parts


def _samples(
    dataset: Any, index: int, cells: Sequence[Cell], source: Source
) -> tuple[list[np.ndarray], list[Any]]:
    """The image under every cell, RGB, and the packed samples."""
    if not 0 <= index < len(dataset):
        raise ValueError(
            f'the test set has {len(dataset)} images and none of index {index}; choose 0 to '
            f'{len(dataset) - 1}.'
        )
    for owner in leaves(dataset):
        if index < len(owner):
            break
        index -= len(owner)
    transforms = owner.pipeline.transforms
    _, rest, bgr = load(info_of(owner, index), transforms)
    loading = len(transforms) - len(rest)
    keep = _Keep()
    pipeline = CellPipeline([*transforms[:loading], keep, *rest], source)
    pipeline.cells = cells
    samples = pipeline(info_of(owner, index))
    return [_rgb(image, bgr) for image in keep.images], samples


def _rgb(image: np.ndarray, bgr: bool) -> np.ndarray:
    """(H, W, 3) uint8 of an image with one channel or three."""
    planes = image.astype(np.uint8).reshape(*image.shape[:2], -1)
    whole = np.broadcast_to(planes, (*image.shape[:2], 3))
    return np.ascontiguousarray(whole[..., ::-1] if bgr else whole)


def _draws(
    answers: Sequence[Any], meta: dict, model: nn.Module, least: float
) -> tuple[list[Draw], dict[str, tuple[int, int, int]] | None]:
    """What draws every answer, and the colours of the classes found."""
    classes = meta.get('classes') or ()
    if all('pred_instances' in answer for answer in answers):
        found = [_found(answer) for answer in answers]
        return _draws_of_boxes(found, classes, meta.get('palette') or [], least)
    if all('pred_score' in answer for answer in answers):
        return [partial(draw_named, named=_named(answer, classes)) for answer in answers], None
    raise ValueError(
        f'{type(model).__name__} gives neither boxes nor class scores; a gallery shows detectors '
        'and classifiers.'
    )


def _draws_of_boxes(
    found: Sequence[Found], classes: Sequence[str], palette: Sequence[Any], least: float
) -> tuple[list[Draw], dict[str, tuple[int, int, int]]]:
    there: set[int] = set()
    for one in found:
        there.update(int(label) for label in one.labels[one.scores >= least])
    most = max([len(classes) - 1, *there]) + 1
    classes = [*classes, *map(str, range(len(classes), most))]
    palette = [palette[at] if at < len(palette) else _colour(at) for at in range(most)]
    text = max((one.scores >= least).sum() for one in found) <= CROWD
    how = dict(classes=classes, palette=palette, least=least, text=text)
    draws = [partial(draw_found, found=one, **how) for one in found]
    return draws, {classes[label]: palette[label] for label in sorted(there)}


def _found(answer: Any) -> Found:
    instances = answer.pred_instances
    keys = ('bboxes', 'labels', 'scores')
    return Found(*(getattr(instances, key).cpu().numpy() for key in keys))


def _named(answer: Any, classes: Sequence[str]) -> Named:
    label = int(answer.pred_score.argmax())
    truth = answer.get('gt_label')
    return Named(
        classes[label] if label < len(classes) else str(label),
        float(answer.pred_score[label]),
        None if truth is None else label in truth.tolist(),
    )


def _colour(number: int) -> tuple[int, int, int]:
    """A colour of its own for any class number: hues a golden ratio apart."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618 % 1, 0.75, 0.95)
    return int(255 * red), int(255 * green), int(255 * blue)
