"""What a pruning asks of samples of the training data before it chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.runner import Runner

from mmrobustprune.engine.bridge.dist import from_main
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.engine.bridge.sampled import batch_size
from mmrobustprune.engine.bridge.training_loss import sampled_loss, sampled_losses

from .judge import Judge
from .state import GradualPruning


def look(runner: Runner, pruning: GradualPruning) -> None:
    """Show a score the images that it asks for."""
    score = pruning.score
    if score.images and not score.ready and pruning.going is None:
        model = unwrap(runner.model)
        loader = runner.train_dataloader
        with pruning.unwatched(), _within_memory(type(score).__name__, batch_size(loader)):
            with sampled_losses(model, loader, score.images) as losses:
                pruning.look(losses)


@contextmanager
def _within_memory(score: str, size: int) -> Iterator[None]:
    """Inside, running out of memory is said as what to do."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate" not in str(error):
            raise
        raise ValueError(
            f'{score} of {size} training images at a time does not fit into memory; lower '
            'train_dataloader.batch_size, in whose batches it sees them, raise '
            'optim_wrapper.accumulative_counts as much, and resume.'
        ) from error


def choose(runner: Runner, pruning: GradualPruning) -> None:
    """Choose, once, what will go; one process decides."""
    if pruning.going is None:
        look(runner, pruning)
        pruning.chosen(from_main(pruning.choose()))


def search(runner: Runner, pruning: GradualPruning) -> dict[str, Any]:
    """Try networks of other rates, and keep the rates of the best; the record of it."""
    judge = Judge(unwrap(runner.model), pruning.groups, runner.train_dataloader)
    with pruning.unwatched():
        record = pruning.search(lambda alive: judge(from_main(alive)))
    pruning.rated(from_main(record['rates']))
    losses = record['losses']
    runner.logger.info(
        f'{len(losses)} vectors of rates were tried; the loss of the best is {min(losses):.4f}, '
        f'that of the worst {max(losses):.4f}.'
    )
    return record


def weigh(runner: Runner, pruning: GradualPruning) -> dict[str, float]:
    """Measure once what each group is worth to the training loss."""
    loss = sampled_loss(runner.train_dataloader)
    weights = from_main(pruning.weigh(loss))
    pruning.weighed(weights)
    heavy = sorted(weights, key=weights.get, reverse=True)[:3]
    runner.logger.info(
        f'groups weighed by the loss; it needs {", ".join(heavy)} most; all are in rounds.json.'
    )
    return weights
