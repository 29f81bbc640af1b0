"""Losses that give the same number at the same weights, whenever and how often they are asked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmrobustprune.analysis.vectors import Loss
from mmrobustprune.attack import choose_subset
from mmrobustprune.flags import drop_nothing, flags_restored, frozen_buffers
from mmrobustprune.rng import preserved_rng, seeded

from .model import KeepsState
from .sampled import batch_size

STATISTICS = ('eval', 'train')


@contextmanager
def steady(model: nn.Module, batch_norm: str = 'eval', seed: int = 0) -> Iterator[None]:
    """Inside, the model draws nothing and normalises as asked.

    Afterwards modes, buffers and generators are as before.

    Args:
        model: put into its mode, with dropout and stochastic depth off.
        batch_norm: 'eval' (running statistics) or 'train' (those of the batch, which couples its
            images).
        seed: of what the block draws itself.

    Raises:
        ValueError: another batch_norm.
    """
    check_statistics(batch_norm)
    with preserved_rng(), frozen_buffers(model), flags_restored(model):
        torch.manual_seed(seed)
        model.train(batch_norm == 'train')
        drop_nothing(model)  # what is dropped depends on the width
        yield


def check_statistics(batch_norm: str) -> None:
    """Raise ValueError unless `batch_norm` is one that `steady` takes."""
    if batch_norm not in STATISTICS:
        raise ValueError(
            f'batch_norm={batch_norm!r} is unknown; choose {" or ".join(map(repr, STATISTICS))}.'
        )


def training_batches(loader: DataLoader, count: int, seed: int = 0) -> list[Any]:
    """Collated batches of the loader's size, of the same samples and augmentations at every call.

    Random samples, not the first ones, which are of one class in a folder of classes.
    """
    size = batch_size(loader)
    total = len(loader.dataset)
    places = choose_subset(total, min(size * count, total), 'random', seed)
    with seeded(seed):
        places = places[torch.randperm(len(places)).numpy()].tolist()  # each batch of all classes
    batches = []
    for number in range(min(count, -(-len(places) // size))):
        samples = []
        for place in places[number * size : (number + 1) * size]:
            with seeded(seed, place):
                samples.append(loader.dataset[place])
        batches.append(loader.collate_fn(samples))
    return batches


def training_losses(model: nn.Module, batches: Sequence[Any]) -> Iterator[Loss]:
    """The model's own training loss of each batch, as a function of the weights as they then are.

    Where the model attacks its images, they are attacked once, with the weights as they now are.
    What the hooks of the model add to its loss is left out. Use it inside `steady`.
    """
    for batch in batches:
        with attack_state_kept(model):
            # a copy: some models change samples in place
            data = model.data_preprocessor(copy.deepcopy(batch), True)
        yield _loss_of(model, data)


@contextmanager
def attack_state_kept(model: nn.Module) -> Iterator[None]:
    """Afterwards an attack that goes on from batch to batch stands where it stood."""
    state = model.resume_state() if isinstance(model, KeepsState) else None
    yield
    if state is not None:
        model.load_resume_state(state)


def _loss_of(model: nn.Module, data: Any) -> Loss:
    def loss() -> Tensor:
        if isinstance(data, dict):
            losses = model.forward(**data, mode='loss')
        else:
            losses = model.forward(*data, mode='loss')
        return model.parse_losses(losses)[0]

    return loss


class FixedBatch:
    """The first samples of the training set, the same in every round and after a resume."""

    def __init__(self, runner) -> None:
        loader = runner.train_dataloader
        size = min(batch_size(loader), len(loader.dataset))
        with preserved_rng():
            self.batch = loader.collate_fn([loader.dataset[place] for place in range(size)])

    @torch.no_grad()
    def loss(self, model: nn.Module) -> float:
        """The training loss of a network as it stands: batch statistics as in training."""
        with steady(model, 'train'):
            (loss,) = training_losses(model, [self.batch])
            return float(loss())


@contextmanager
def sampled_losses(model: nn.Module, loader: DataLoader, images: int) -> Iterator[Iterator[Loss]]:
    """Inside, the training losses of a network on random samples, the same whenever it is asked.

    Args:
        model: normalises with its running statistics meanwhile, and drops nothing.
        loader: of the training.
        images: how many, in batches of the loader's size.
    """
    with steady(model):
        batches = training_batches(loader, -(-images // batch_size(loader)))
        yield training_losses(model, batches)


def sampled_loss(
    loader: DataLoader, count: int = 2, seed: int = 0, batch_norm: str = 'train'
) -> Callable[..., float]:
    """The mean training loss of a network on random samples, the same at every call.

    Args:
        loader: of the training.
        count: batches.
        seed: which samples are drawn.
        batch_norm: 'train' (statistics of the batch, as in training) or 'eval' (running ones).

    Returns:
        `loss(model)`.

    Raises:
        ValueError: another batch_norm.
    """
    check_statistics(batch_norm)
    with preserved_rng():
        batches = training_batches(loader, count, seed)

    @torch.no_grad()
    def mean(model: nn.Module) -> float:
        with steady(model, batch_norm):
            losses = [float(loss()) for loss in training_losses(model, batches)]
        return sum(losses) / len(losses)

    return mean
