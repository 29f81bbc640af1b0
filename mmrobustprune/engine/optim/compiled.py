"""The forward of a model compiled by torch.compile, for the passes of training steps alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mmrobustprune.sharpness.step import bare


class CompiledForward:
    """Puts a compiled forward into a model while a pass of a training step is made.

    Outside of it the model has the forward that it was written with, which copies, traces,
    measurements and evaluations take. Hooks on the model itself run as they are. Where hooks of
    its layers come or go, or layers become smaller, it is compiled anew: compiled code does not
    look for either.

    Args:
        settings: of torch.compile, as mmengine's `compile` in a config: True or a dict.

    Raises:
        ValueError: other settings.
    """

    def __init__(self, settings: bool | Mapping[str, Any]):
        if settings is not True and not isinstance(settings, Mapping):
            raise ValueError(
                f'compile={settings!r} is no setting of torch.compile; write compile=True, or '
                "compile=dict(backend='inductor') with the arguments of torch.compile."
            )
        self._settings = {} if settings is True else dict(settings)
        self._taken: tuple | None = None  # for granted by what was compiled
        self._function: Callable | None = None

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """Inside, the model (in its data-parallel wrapper or not) has the compiled forward."""
        own = vars(bare(model))
        before = own.get('forward')
        if before is not None and before is self._function:
            yield
            return
        own['forward'] = self._of(bare(model))
        try:
            yield
        finally:
            del own['forward']
            if before is not None:
                own['forward'] = before

    def _of(self, model: nn.Module) -> Callable:
        taken = tuple(map(_taken, list(model.modules())[1:]))
        if taken != self._taken:
            if self._taken is not None:
                torch.compiler.reset()
            self._function = torch.compile(model.forward, **self._settings)
            self._taken = taken
        return self._function


def _taken(layer: nn.Module) -> tuple:
    """Hooks of a layer, and the shapes of its parameters."""
    shapes = [None if one is None else one.shape for one in layer._parameters.values()]
    return tuple(layer._forward_hooks), tuple(layer._forward_pre_hooks), *shapes
