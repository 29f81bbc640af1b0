"""Losses that give the same number at the same weights, whenever and how often they are asked."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.analysis.vectors import Loss
from mmrobustprune.attack import choose_subset
from mmrobustprune.rng import preserved_rng, seeded
from mmrobustprune.sharpness.guards import frozen_buffers

STATISTICS = ('eval', 'train')


@contextmanager
def steady(model: nn.Module, batch_norm: str = 'eval', seed: int = 0) -> Iterator[None]:
    """Inside, the model draws nothing and normalises as asked; afterwards modes, buffers and generators are as before.

    Args:
        batch_norm: 'eval' (running statistics) or 'train' (those of the batch, which couples its pictures); dropout and
            stochastic depth are off in both.
        seed: of what the block draws itself.
    Raises:
        ValueError: another batch_norm.
    """
    check_statistics(batch_norm)
    modes = [(module, module.training) for module in model.modules()]
    with preserved_rng(), frozen_buffers(model):
        torch.manual_seed(seed)
        try:
            model.train(batch_norm == 'train')
            for module in model.modules():
                if 'Drop' in type(module).__name__:
                    module.eval()
            yield
        finally:
            for module, training in modes:
                module.training = training


def check_statistics(batch_norm: str) -> None:
    """Raise ValueError unless `batch_norm` is one that `steady` takes."""
    if batch_norm not in STATISTICS:
        raise ValueError(
            f'batch_norm={batch_norm!r} is unknown; choose {" or ".join(map(repr, STATISTICS))}.'
        )


def training_batches(loader: Any, count: int, seed: int = 0) -> list[Any]:
    """Collated batches of the loader's size, of the same samples and augmentations at every call.

    Random samples, not the first ones, which are of one class in a folder of classes.
    """
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 1)
    whole = len(loader.dataset)
    places = choose_subset(whole, min(size * count, whole), 'random', seed).tolist()
    with seeded(seed):
        places = [
            places[at] for at in torch.randperm(len(places)).tolist()
        ]  # each batch of all classes
    batches = []
    for number in range(min(count, -(-len(places) // size))):
        samples = []
        for place in places[number * size : (number + 1) * size]:
            with seeded(seed, place):
                samples.append(loader.dataset[place])
        batches.append(loader.collate_fn(samples))
    return batches


def training_losses(model: nn.Module, batches: Sequence[Any]) -> Iterator[Loss]:
    """The model's own training loss of each batch, attacked once where the model attacks, with the weights as they now are.

    Use it inside `steady`. What the hooks of the model add to its loss is left out.
    """
    for batch in batches:
        state = model.resume_state() if hasattr(model, 'resume_state') else None
        data = model.data_preprocessor(copy.deepcopy(batch), True)  # some change samples in place
        if state is not None:
            model.load_resume_state(state)  # an attack that goes on from batch to batch
        yield _loss_of(model, data)


def _loss_of(model: nn.Module, data: Any) -> Loss:
    def loss() -> Tensor:
        losses = (
            model.forward(**data, mode='loss')
            if isinstance(data, dict)
            else model.forward(*data, mode='loss')
        )
        return model.parse_losses(losses)[0]

    return loss


class FixedBatch:
    """The first samples of the training set, the same in every round and after a resume."""

    def __init__(self, runner):
        loader = runner.train_dataloader
        size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 1)
        size = min(size, len(loader.dataset))
        with preserved_rng():
            self.batch = loader.collate_fn([loader.dataset[i] for i in range(size)])

    @torch.no_grad()
    def loss(self, model: nn.Module) -> float:
        """The training loss of a network as it stands: batch statistics as in training, no dropout."""
        model.train()
        for module in model.modules():
            if 'Drop' in type(module).__name__:  # what it drops depends on the width
                module.eval()
        with preserved_rng(), frozen_buffers(model):
            torch.manual_seed(0)
            data = model.data_preprocessor(
                copy.deepcopy(self.batch), True
            )  # some losses change samples in place
            losses = (
                model(**data, mode='loss') if isinstance(data, dict) else model(*data, mode='loss')
            )
            loss = float(model.parse_losses(losses)[0])
        model.train()
        return loss
