"""BatchNorm statistics after a one-shot surgery, and the accuracy before, after and with them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import type_name
from mmrobustprune.engine.bridge.evaluation import EvaluationImages, build_loader
from mmrobustprune.engine.bridge.model import tensor_forward
from mmrobustprune.engine.bridge.sampled import batch_size, sampled_batches
from mmrobustprune.engine.pruning.recalibrate import images_of, training_call
from mmrobustprune.engine.pruning.validation import numbers_of
from mmrobustprune.surgery.recalibrate import recalibrate

ENDINGS = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
BATCH = 16  # images, where the config has no training loader


@dataclass(frozen=True)
class After:
    """What is done after a one-shot surgery.

    Attributes:
        recalibrate: how much data, as in `Recipe.recalibrate`.
        images: folder of images for it; None takes the config's training set.
        insist: whether data that is not there is an error; else one warning says so.
        measure: evaluate so many validation images before, after and with new statistics; 0 for
            none.
    """

    recalibrate: str
    images: Path | None = None
    insist: bool = False
    measure: int = 0


def after_surgery(model: nn.Module, config: Config, checkpoint: str, asked: After) -> dict:
    """Compute the statistics of a pruned network anew, in place.

    Args:
        model: the pruned network; on a GPU meanwhile, where there is one.
        config: of the dense one.
        checkpoint: its weights.
        asked: what is done.

    Returns:
        `recalibrated`, the number of images (0 where nothing was done); with `measure` also
        `accuracy`: `images`, and the metrics `before`, `after` and `recalibrated`.

    Raises:
        FileNotFoundError, ValueError: the data that was asked for is not there.
    """
    init_default_scope(config.get('default_scope') or 'mmengine')
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    model.to(device)
    try:
        if not asked.measure:
            return dict(recalibrated=_recalibrated(model, config, asked))
        part = EvaluationImages(config, 'val', asked.measure)
        accuracy: dict[str, Any] = dict(images=len(part.places))
        dense = load_model(config, checkpoint)[0].to(device)
        accuracy['before'] = numbers_of(part.metrics(dense))
        accuracy['after'] = numbers_of(part.metrics(model))
        images = _recalibrated(model, config, asked)
        if images:
            accuracy['recalibrated'] = numbers_of(part.metrics(model))
        return dict(recalibrated=images, accuracy=accuracy)
    finally:
        model.to('cpu').eval()


def _recalibrated(model: nn.Module, config: Config, asked: After) -> int:
    """How many images the statistics are of now; 0 where they are as they were."""
    if not asked.recalibrate:
        return 0
    try:
        loader, call = _data(config, asked.images)
    except (FileNotFoundError, ValueError) as problem:
        if asked.images is not None:
            raise
        said = (
            f'BatchNorm statistics stay those of the dense network: {problem} Give --images DIR, a '
            "folder of images as in training, or --recalibrate '' to leave them."
        )
        if asked.insist:
            raise ValueError(said) from problem
        print_log(said, 'current', logging.WARNING)
        return 0
    images = images_of(asked.recalibrate, loader)
    batches = sampled_batches(loader, images)
    shown = tqdm(
        batches,
        'BatchNorm statistics',
        -(-images // batch_size(loader)),
        leave=False,
        unit='batch',
        disable=None,
    )
    return images if recalibrate(model, shown, call) else 0


def _data(config: Config, folder: Path | None) -> tuple[DataLoader, Callable]:
    """What gives the batches, and what runs a network on one."""
    if folder is not None:
        return folder_loader(config, folder), _look_at
    if not config.get('train_dataloader'):
        raise ValueError('the config has no train_dataloader.')
    return build_loader(config, 'train_dataloader'), training_call


def _look_at(model: nn.Module, batch: Any) -> None:
    data = model.data_preprocessor(copy.copy(batch), False)
    tensor_forward(model, data)


class Folder(Dataset):
    """Image files through a pipeline, without annotations."""

    def __init__(self, files: list[Path], pipeline: list) -> None:
        self.files = files
        self.pipeline = Compose(pipeline)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Any:
        return self.pipeline(dict(img_path=str(self.files[place]), img_id=place))


def folder_loader(config: Config, folder: Path) -> DataLoader:
    """The images below a folder, through the config's test pipeline, in batches as in training.

    Raises:
        FileNotFoundError: no image is there.
        ValueError: the pipeline loads no files.
    """
    files = [path for path in sorted(folder.rglob('*')) if path.suffix.lower() in ENDINGS]
    if not files:
        raise FileNotFoundError(
            f'no image ({", ".join(ENDINGS)}) is below {folder}; give a folder of images.'
        )
    settings = (config.get('test_dataloader') or {}).get('dataset', {})
    while 'dataset' in settings:
        settings = settings['dataset']
    steps = settings.get('pipeline') or []
    if not any(type_name(step['type']).startswith('LoadImage') for step in steps):
        raise ValueError(
            'the test pipeline of the config loads no image files, so a folder of them cannot go '
            "through it; take the config's own training data."
        )
    steps = [step for step in steps if 'Annotation' not in type_name(step['type'])]
    train = config.get('train_dataloader') or {}
    return DataLoader(
        Folder(files, steps),
        train.get('batch_size') or BATCH,
        num_workers=train.get('num_workers', 0),
        collate_fn=pseudo_collate,
    )
