"""How good a network is without some of its units, before it has learned to do without them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmrobustprune.copies import copied
from mmrobustprune.dependency.groups import Group
from mmrobustprune.engine.bridge.sampled import batch_size
from mmrobustprune.engine.bridge.training_loss import steady, training_batches, training_losses
from mmrobustprune.engine.pruning.recalibrate import recalibrate_network
from mmrobustprune.masks import SoftMaskSet
from mmrobustprune.rng import preserved_rng

IMAGES = 2000  # whose statistics are taken, and as many others whose loss is
OTHERS = 1  # the seed of the latter


class Judge:
    """The mean training loss of a masked network with BatchNorm statistics computed anew.

    EagleEye's adaptive batch normalisation (arXiv:2007.02491), with the loss where that counts
    right answers, so that detectors can be judged as well. The network itself stays as it is.

    Args:
        model: the network, in no wrapper.
        groups: its groups of channels.
        loader: of the training.
        images: for the statistics, and for the loss.
    """

    def __init__(
        self, model: nn.Module, groups: Iterable[Group], loader: DataLoader, images: int = IMAGES
    ):
        self.twin = copied(model)
        self.masks = SoftMaskSet(self.twin, groups)
        self.loader = loader
        self.images = min(images, len(loader.dataset))
        with preserved_rng():
            count = -(-self.images // batch_size(loader))
            self.batches = training_batches(loader, count, OTHERS)

    @torch.no_grad()
    def __call__(self, alive: dict[str, Tensor]) -> float:
        """The loss of the network with these units, bool (units,) of each group."""
        self.masks.remove(alive)
        recalibrate_network(self.twin, self.loader, self.images)
        with steady(self.twin):
            losses = [float(loss()) for loss in training_losses(self.twin, self.batches)]
        return sum(losses) / len(losses)
