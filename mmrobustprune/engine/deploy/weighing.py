"""The loss that tells a one-shot surgery what each group of channels is worth."""

from __future__ import annotations

from collections.abc import Callable

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from mmrobustprune.engine.bridge.evaluation import build_loader
from mmrobustprune.engine.bridge.training_loss import sampled_loss
from mmrobustprune.recipes.gradual import Recipe


def weighing_loss(config: Config, recipe: Recipe) -> Callable[[nn.Module], float] | None:
    """The loss of two training batches with those statistics that the smaller network will have.

    Statistics are those of the batch where BatchNorm's are computed anew after the removal, else
    the running ones. A network that it is asked of goes to the GPU, where there is one. None unless
    the recipe weighs by the loss.

    Raises:
        ValueError: the config has no training set.
        FileNotFoundError: its data is not there.
    """
    if recipe.weigh != 'loss':
        return None
    if not config.get('train_dataloader'):
        raise ValueError(
            "weigh='loss' is measured on training batches and the config has no train_dataloader; "
            "give it one, or choose 'scores', 'reads' or 'none'."
        )
    init_default_scope(config.get('default_scope') or 'mmengine')
    loader = build_loader(config, 'train_dataloader')
    loss = sampled_loss(loader, batch_norm='train' if recipe.recalibrate else 'eval')
    device = get_device()
    return lambda model: loss(model.to(device))
