"""BatchNorm statistics of a pruned network of OpenMMLab, computed anew over its training images."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.bridge.sampled import batch_size, sampled_batches
from mmrobustprune.engine.bridge.training_loss import training_losses
from mmrobustprune.recipes.fields import amount
from mmrobustprune.surgery.recalibrate import recalibrate

from .removal import averages
from .validation import LOSS, validate


def images_of(asked: str, loader: DataLoader) -> int:
    """How many images '2000 images', '200 iters' or '0.5 epochs' are: at most one pass.

    Args:
        asked: as in `Recipe.recalibrate`; '' is none.
        loader: an iteration is a batch of it on every process.
    """
    number, unit = amount(asked)
    total = len(loader.dataset)
    each = dict(image=1, iter=batch_size(loader) * get_world_size(), epoch=total)[unit]
    return min(round(number * each), total)


def training_call(model: nn.Module, batch: Any) -> None:
    """Run a network on a collated batch as a training step does; the loss is thrown away."""
    for loss in training_losses(model, [batch]):
        loss()


def recalibrate_network(model: nn.Module, loader: DataLoader, images: int) -> list[str]:
    """Compute the statistics of a network anew over images of its training set.

    They and their transforms are the same whenever it is asked, so that a training that was killed
    goes on to the same weights.

    Args:
        model: in no wrapper.
        loader: of the training.
        images: how many, of all processes together.

    Returns:
        The names of the layers, none where no BatchNorm layer learns statistics.

    Raises:
        ValueError: as `surgery.recalibrate`.
    """
    return recalibrate(model, sampled_batches(loader, images), training_call)


def recalibrate_training(runner: Runner, asked: str, metrics: bool | str) -> dict[str, Any]:
    """Compute the statistics anew in a training whose network was just pruned.

    Moving averages that keep statistics of their own get theirs, too. Where they cannot be
    computed, one warning says why and they stay as they are: an error would lose the training.

    Args:
        runner: the training.
        asked: as in `Recipe.recalibrate`.
        metrics: whether the validation is run; 'loss' adds its loss.

    Returns:
        What rounds.json says of it: `recalibrated`, the number of images, and `metric_recalibrated`
        with `metrics`; nothing where nothing was done.
    """
    loader = runner.train_dataloader
    images = images_of(asked, loader)
    if not images:
        return {}
    own = [average.module for average in averages(runner) if average.update_buffers]
    try:
        found = [recalibrate_network(one, loader, images) for one in (unwrap(runner.model), *own)]
    except ValueError as problem:
        runner.logger.warning(f'the BatchNorm statistics stay as they are: {problem}')
        return {}
    if not found[0]:
        return {}
    record: dict[str, Any] = dict(recalibrated=images)
    said = ''
    if metrics:
        record['metric_recalibrated'] = validate(runner, metrics == LOSS)
        said = f'; metric {record["metric_recalibrated"]}'
    runner.logger.info(
        f'BatchNorm statistics of {len(found[0])} layers computed anew over {images} images{said}'
    )
    return record
