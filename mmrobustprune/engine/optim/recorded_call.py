"""A forward call, recorded so that it can be made again."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmrobustprune.rng import RandomState
from mmrobustprune.sharpness.ascents import Take
from mmrobustprune.sharpness.step import bare

STATEFUL = {  # classes whose forward pass changes plain Python state or weights, which runs twice
    'DynamicRoIHead': 'IoU and beta histories grow twice as fast',
    'DropBlock': 'its warm-up counter runs twice as fast',
    'EQLV2Loss': 'gradient statistics are collected twice',
    'BaseAveragedModel': 'a momentum encoder inside the model moves twice',
}


@dataclass
class RecordedCall:
    """Arguments and random state of one call; tensors by reference, everything else copied."""

    module: nn.Module
    args: tuple
    kwargs: dict
    start: RandomState
    tensors: list[tuple[Tensor, int]]  # with the version they had
    output: Any = None

    @classmethod
    def of(cls, module: nn.Module, args: tuple, kwargs: dict) -> RecordedCall:
        tensors = list(_tensors((args, kwargs)))
        args, kwargs = _copied(args, kwargs, tensors)
        return cls(module, args, kwargs, RandomState.now(), [(t, t._version) for t in tensors])

    def replay(self, take: Take | None = None, again: bool = False) -> Any:
        """Make the call again.

        Args:
            take: gives the samples to be passed, from every tensor and list with one entry for
                each; None passes them all.
            again: it will be made once more, so that what it changes must be a copy.

        Raises:
            ValueError: the first call changed an input tensor in place, or its arguments are no
                batch that can be taken apart.
        """
        if any(tensor._version != version for tensor, version in self.tensors):
            raise ValueError(
                f'{_name(self.module)} changed an input tensor in place, so its call cannot be '
                'repeated; make its first operation out of place, or train with rule=None.'
            )
        args = self.args
        kwargs = self.kwargs
        if take is not None:
            size = self._batch_size()
            args = _taken(args, take, size)
            kwargs = _taken(kwargs, take, size)
        if again:
            args, kwargs = _copied(args, kwargs, list(_tensors((args, kwargs))))
        return self.module(*args, **kwargs)

    def losses(self, output: Any) -> Tensor:
        """The total loss of each sample in an output of the call, (B,), detached.

        Raises:
            ValueError: a loss in it is not one number for each sample.
        """
        if isinstance(output, Tensor):
            output = dict(loss=output)
        found = {key: value for key, value in output.items() if 'loss' in key}
        size = self._batch_size()
        for key, value in found.items():
            if not isinstance(value, Tensor) or value.shape != (size,):
                raise ValueError(
                    f"ascent='part' needs the loss of each sample and {_name(self.module)} gives "
                    f"one {key!r} for all; write loss=dict(type='CrossEntropyLoss', "
                    "reduction='none') in its head, or take ascent='sampled'."
                )
        return sum(found.values()).detach()

    def _batch_size(self) -> int:
        size = next((len(tensor) for tensor, _ in self.tensors if tensor.ndim), 0)
        if not size:
            raise ValueError(
                f'{_name(self.module)} is called without a tensor of its images, so no part of the '
                "batch can be passed; take ascent='fresh', 'previous' or 'momentum'."
            )
        return size

    def loss(self, output: Any) -> Tensor:
        """The total loss in an output of the call."""
        inner = bare(self.module)
        return output.mean() if isinstance(output, Tensor) else inner.parse_losses(output)[0]


def check_loss(call: RecordedCall, loss: Tensor) -> None:
    """Raise ValueError unless `loss` is what the recorded call alone gives."""
    same = isinstance(call.output, Tensor) or hasattr(bare(call.module), 'parse_losses')
    if same:
        own = call.loss(call.output)
        same = own.shape == loss.shape and torch.allclose(own, loss, equal_nan=True)
    call.output = None
    if not same:
        raise ValueError(
            f'the loss given to update_params is not the one that {_name(call.module)} returned '
            'inside optim_context, so the second pass would minimise another; let the model return '
            'its whole loss, or train with rule=None.'
        )


def warn_if_stateful(model: nn.Module) -> None:
    """Warn about modules with state that is neither weight nor buffer, and so changes twice."""
    for module in model.modules():
        for cls in type(module).__mro__:
            if cls.__name__ in STATEFUL:
                warnings.warn(
                    f'{type(module).__name__}: {STATEFUL[cls.__name__]} under two passes.',
                    stacklevel=2,
                )
                return


def _copied(args: tuple, kwargs: dict, tensors: list[Tensor]) -> tuple[tuple, dict]:
    """Copies of everything but the tensors."""
    return copy.deepcopy((args, kwargs), {id(tensor): tensor for tensor in tensors})


def _tensors(value: Any) -> Iterator[Tensor]:
    """Tensors in nested lists, tuples and dicts, not those inside other objects."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _taken(value: Any, take: Take, size: int) -> Any:
    """Nested lists, tuples and dicts, with a part of everything that has `size` samples."""
    if isinstance(value, dict):
        return {key: _taken(item, take, size) for key, item in value.items()}
    if isinstance(value, Tensor):
        return take(value) if value.ndim and len(value) == size else value
    if isinstance(value, list):
        return take(value) if len(value) == size else [_taken(one, take, size) for one in value]
    if isinstance(value, tuple):
        return tuple(_taken(one, take, size) for one in value)
    return value


def _name(module: nn.Module) -> str:
    return type(bare(module)).__name__
