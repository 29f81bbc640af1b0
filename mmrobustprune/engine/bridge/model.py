"""The forward call that a trace or an export makes of a model, and example inputs for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from mmengine.model import is_model_wrapper
from mmengine.structures import InstanceData
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils.data import DataLoader

from mmrobustprune.dependency.partial import PartialForward
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.rng import preserved_rng

from .forwards import FORWARDS, TrainedForward, plain


@runtime_checkable
class KeepsState(Protocol):
    """A network with state beside weights and buffers, which goes on from batch to batch."""

    def resume_state(self) -> dict[str, Any]:
        """The state in plain types and tensors."""

    def load_resume_state(self, state: dict[str, Any]) -> None:
        """Take up what `resume_state` gave."""


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside a data-parallel wrapper."""
    return model.module if is_model_wrapper(model) else model


def forward_of(model: nn.Module) -> Forward:
    """The forward with which a model's structure is traced, certified and counted.

    It is `tensor_forward`, with less work where that changes no structure.
    """
    for kind in type(model).__mro__:
        if kind.__name__ in FORWARDS:
            return FORWARDS[kind.__name__]
    return plain


def tensor_forward(model: nn.Module, example: dict) -> Any:
    """Raw outputs (`mode='tensor'`): logits of a classifier, head outputs of a detector.

    A two-stage detector's second stage sees as many boxes as in a test, but fixed ones.
    """
    forward = forward_of(model)
    full = forward.full if isinstance(forward, (PartialForward, TrainedForward)) else forward
    return full(model, example)


def is_two_stage(model: nn.Module) -> bool:
    """Whether boxes are selected between two heads."""
    return any(kind.__name__ == 'TwoStageDetector' for kind in type(model).__mro__)


def example_of(model: nn.Module, loader: DataLoader) -> dict:
    """The first sample behind a loader as the network receives it.

    Random generators stand afterwards where they stood.

    Returns:
        `inputs` (1, C, H, W) and `data_samples`.
    """
    with preserved_rng():
        batch = loader.collate_fn([loader.dataset[0]])
        data = unwrap(model).data_preprocessor(batch, False)
    return dict(inputs=data['inputs'], data_samples=data['data_samples'])


def example_of_shape(
    model: nn.Module, height: int, width: int, forward: Forward = tensor_forward
) -> dict:
    """A random image of the given size (pixels), with the meta data detectors ask for.

    It has as many channels as the first layer of the network reads when `forward` is called.
    """
    model = unwrap(model)
    channels = input_channels(model, height, width, forward)
    return _random_example(model, channels, height, width)


def _random_example(model: nn.Module, channels: int, height: int, width: int) -> dict:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, channels, height, width, generator=generator)
    parameter = next(model.parameters())
    return dict(inputs=image.to(parameter), data_samples=[_sample(model, height, width)])


class _FirstLayer(Exception):
    """Ends a forward at the first layer that reads the image."""

    def __init__(self, wanted: int, given: int) -> None:
        self.wanted = wanted
        self.given = given


@torch.no_grad()
def input_channels(
    model: nn.Module, height: int, width: int, forward: Forward = tensor_forward
) -> int:
    """Channels of the images (height x width pixels) that a network reads.

    The network gets three, and its first layer tells how many it wants instead. What comes before
    that layer (a slicing into patches) may have multiplied them.

    Raises:
        ValueError: the forward fails before it comes to a layer.
    """
    example = _random_example(model, 3, height, width)
    with _ending_at_the_first_layer(model):
        try:
            forward(model, example)
        except _FirstLayer as found:
            return round(3 * found.wanted / found.given)
        except Exception as error:
            text = (str(error).strip() or 'no message').splitlines()[0]
            raise ValueError(
                f"the model's forward fails before its first layer: {type(error).__name__} "
                f'({text}); give a forward callable that it accepts (in a config '
                "robust_prune.forward='package.module:function')."
            ) from error
    return 3


@contextmanager
def _ending_at_the_first_layer(model: nn.Module) -> Iterator[None]:
    def stop(layer: nn.Module, args: tuple) -> None:
        if isinstance(layer, nn.Linear):
            raise _FirstLayer(layer.in_features, args[0].shape[-1])
        channels = layer.num_features if isinstance(layer, _BatchNorm) else layer.in_channels
        raise _FirstLayer(channels, args[0].shape[1])

    handles = [
        layer.register_forward_pre_hook(stop)
        for layer in model.modules()
        if isinstance(layer, (nn.Linear, _ConvNd, _BatchNorm))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sample(model: nn.Module, height: int, width: int) -> Any:
    size = (height, width)
    meta = dict(
        img_id=0,
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )
    if type(model).__module__.startswith('mmdet'):
        from mmdet.structures import DetDataSample

        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        return sample
    from mmpretrain.structures import DataSample

    return DataSample(metainfo=meta).set_gt_label(0)


def example_batch(
    model: nn.Module, height: int, width: int, batch: int, forward: Forward = tensor_forward
) -> dict:
    """A random batch of images of one size (pixels), with the meta data detectors ask for."""
    one = example_of_shape(model, height, width, forward)
    return dict(
        inputs=one['inputs'].repeat(batch, 1, 1, 1), data_samples=one['data_samples'] * batch
    )
