"""One test image under every corruption, with what a model makes of it."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner
from torch import nn

from mmrobustprune.corruption import Cell, Suite, get_suite
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config
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

from .pipeline import CellPipeline, leaves, load
from .suite import RobustEval


class _Keep:
    """A transform that keeps a copy of every image it sees."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []

    def __call__(self, data: dict) -> dict:
        self.images.append(np.array(data['img']))
        return data


def corruption_gallery(
    config: str | Path,
    checkpoint: str | Path,
    path: str | Path,
    index: int = 0,
    severity: int = 3,
    corruptions: str | Sequence[str] = 'benchmark',
    suite: str | None = None,
    seed: int = 0,
    stored: str | None = None,
    least: float = 0.3,
    title: str = '',
) -> Path:
    """Draw an image of the test set, clean and corrupted, with a detector's boxes or a classifier's first choice.

    The images are those of an evaluation: same loading, same random numbers, the config's own test pipeline.

    Args:
        config, checkpoint: dense or pruned, of mmdet or mmpretrain.
        path: of the picture.
        index: place in the test set.
        severity: 1 to 5.
        corruptions: names or groups.
        suite, seed, stored: as in `RobustEval`; without a suite the constants are ImageNet-C's.
        least: boxes of a lower score are not drawn.
    Raises:
        FileNotFoundError: no such config or checkpoint.
        ValueError: no image of that index, an unknown corruption, or a model that gives neither boxes nor classes.
    """
    cfg = as_config(config)
    model, _, cfg = load_model(cfg, str(checkpoint))
    if not cfg.get('test_dataloader'):
        raise ValueError(f'{config} has no test_dataloader, so there is no image to show; add one.')
    if cfg.get('default_scope') == 'mmpretrain':  # as its own test script does
        cfg.test_dataloader.setdefault('collate_fn', dict(type='default_collate'))
    loader = Runner.build_dataloader(
        {**cfg.test_dataloader, 'num_workers': 0, 'persistent_workers': False}
    )
    chosen = get_suite(suite) if suite else Suite('any')
    cells = (CLEAN, *(Cell(name, severity) for name in chosen.expand(corruptions)))
    options = RobustEval(seed=seed, stored=stored)
    source = options.source(chosen, cells[1:], loader.dataset)
    images, samples = _samples(loader.dataset, index, cells, source)
    with torch.no_grad():
        answers = [model.test_step(loader.collate_fn([sample]))[0] for sample in samples]
    draws, legend = _draws(answers, loader.dataset.metainfo, model, least)
    names = ['clean', *(f'{cell.corruption} {cell.severity}' for cell in cells[1:])]
    return sheet(
        path, list(zip(names, images, draws, strict=True)), title, legend, captions=legend is None
    )


def gallery_parts(runs: Sequence[Run], out: str | Path, index: int = 0) -> list[Part]:
    """A section of a report for the first run of every name that was evaluated, from its own config and checkpoint.

    Raises:
        FileNotFoundError, ValueError: as `corruption_gallery`; a run whose results name no checkpoint.
    """
    first = {run.name: run for run in reversed(runs) if run.results}
    parts = []
    for number, run in enumerate(
        first[name] for name in dict.fromkeys(run.name for run in runs) if name in first
    ):
        results = run.results
        if not results.get('config') or not results.get('checkpoint'):
            raise ValueError(
                f"the results of '{run.label}' name no config and checkpoint to show pictures of; leave the "
                'gallery out, or evaluate it from files.'
            )
        here = (
            run.folder / Path(results['config']).name
        )  # as it was evaluated, options of the command line in it
        severity = results['severities'][len(results['severities']) // 2]
        picture = corruption_gallery(
            here if here.is_file() else results['config'],
            results['checkpoint'],
            Path(out, f'gallery_{number}.png'),
            index,
            severity,
            results['corruptions'],
            results['suite'],
            results['seed'],
            results.get('stored'),
        )
        parts.append(
            Part(
                f'What {run.name} sees',
                f'Image {index} of the test set at severity {severity}.',
                picture.name,
            )
        )
    return parts


def _samples(
    dataset: Any, index: int, cells: Sequence[Cell], source: Any
) -> tuple[list[np.ndarray], list[Any]]:
    """The image under every cell, RGB, and the packed samples."""
    if not 0 <= index < len(dataset):
        raise ValueError(
            f'the test set has {len(dataset)} images and none of index {index}; choose 0 to {len(dataset) - 1}.'
        )
    for owner in leaves(dataset):
        if index < len(owner):
            break
        index -= len(owner)
    transforms = owner.pipeline.transforms
    _, rest, bgr = load(owner.get_data_info(index), transforms)
    at, keep = len(transforms) - len(rest), _Keep()
    pipeline = CellPipeline([*transforms[:at], keep, *transforms[at:]], source)
    pipeline.cells = cells
    samples = pipeline(owner.get_data_info(index))
    turn = slice(None, None, -1 if bgr else 1)
    return [
        np.ascontiguousarray(
            np.broadcast_to(
                image.astype(np.uint8).reshape(*image.shape[:2], -1), (*image.shape[:2], 3)
            )[..., turn]
        )
        for image in keep.images
    ], samples


def _draws(
    answers: Sequence[Any], meta: dict, model: nn.Module, least: float
) -> tuple[list[Draw], dict[str, tuple[int, int, int]] | None]:
    """What draws every answer, and the colours of the classes found."""
    classes = meta.get('classes') or ()
    if all('pred_instances' in answer for answer in answers):
        found = [
            Found(
                *(
                    answer.pred_instances[key].cpu().numpy()
                    for key in ('bboxes', 'labels', 'scores')
                )
            )
            for answer in answers
        ]
        there = sorted({int(label) for one in found for label in one.labels[one.scores >= least]})
        most = max([len(classes) - 1, *there]) + 1
        classes = [*classes, *map(str, range(len(classes), most))]
        palette = meta.get('palette') or []
        palette = [palette[at] if at < len(palette) else _colour(at) for at in range(most)]
        text = max((one.scores >= least).sum() for one in found) <= CROWD
        return (
            [
                partial(
                    draw_found, found=one, classes=classes, palette=palette, least=least, text=text
                )
                for one in found
            ],
            {classes[label]: palette[label] for label in there},
        )
    if all('pred_score' in answer for answer in answers):
        return [partial(draw_named, named=_named(answer, classes)) for answer in answers], None
    raise ValueError(
        f'{type(model).__name__} gives neither boxes nor class scores; a gallery shows detectors and classifiers.'
    )


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
