"""How many gradients a training took, whatever its rule, ascent and phases are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.records.files import write_json
from mmrobustprune.registry import HOOKS

GRADIENTS = 'gradients.json'


@HOOKS.register_module()
class CountGradientsHook(Hook):
    """Counts the images that pass the network with gradients while it trains.

    At the end `<work_dir>/gradients.json` holds `images`, `epochs` (images / those of the training
    set: 15.0 of fifteen plain epochs, 30.0 of as many in two passes a step) and `steps`. Passes of
    an attack inside the loss count where they call the whole model. A resumed training counts on.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.images = 0
        self._handle: torch.utils.hooks.RemovableHandle | None = None

    def before_train(self, runner: Runner) -> None:
        model = unwrap(runner.model)
        self._handle = model.register_forward_pre_hook(self._count, with_kwargs=True)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['gradients'] = self.images

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self.images = checkpoint.get('gradients', 0)

    def after_train(self, runner: Runner) -> None:
        self._handle.remove()
        images = self.images * get_world_size()
        found = dict(
            images=images,
            epochs=images / len(runner.train_dataloader.dataset),
            steps=runner.iter,
        )
        if is_main_process():
            write_json(Path(runner.work_dir) / GRADIENTS, found)

    def _count(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        if module.training and torch.is_grad_enabled():
            self.images += len(args[0] if args else kwargs['inputs'])
