"""BatchNorm statistics computed anew over batches of data, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from mmrobustprune.dependency.kinds import is_batch_norm
from mmrobustprune.flags import drop_nothing, flags_restored, frozen_buffers
from mmrobustprune.rng import preserved_rng

Call = Callable[[nn.Module, Any], Any]  # runs a model on a batch


@dataclass
class Moments:
    """Mean and spread of the values of every channel, batch by batch.

    Attributes:
        calls: batches seen.
        count: values of a channel seen.
        mean: (C,) float64.
        spread: (C,) float64, the sum of (value - mean)^2.
    """

    calls: int = 0
    count: int = 0
    mean: Tensor | float = 0.0
    spread: Tensor | float = 0.0

    def see(self, x: Tensor) -> None:
        """Take in a batch (N, C, *)."""
        others = [dim for dim in range(x.dim()) if dim != 1]
        count = x.numel() // x.shape[1]
        wide = x.detach().float() if x.dtype.itemsize < 4 else x.detach()
        var, mean = torch.var_mean(wide, others, correction=0)
        self.merge(Moments(1, count, mean.cpu().double(), var.cpu().double() * count))

    def merge(self, other: Moments) -> None:
        """Take in what another has seen (Chan, Golub and LeVeque 1983)."""
        total = self.count + other.count
        if not other.count:
            return
        apart = other.mean - self.mean
        self.mean = self.mean + apart * other.count / total
        self.spread = self.spread + other.spread + apart**2 * self.count * other.count / total
        self.calls += other.calls
        self.count = total


def recalibrate(model: nn.Module, batches: Iterable[Any], forward: Call | None = None) -> list[str]:
    """Give every BatchNorm layer that learns its statistics those of all batches together.

    Right after a removal the layers see other inputs than their running statistics are of. With
    n_b values of a channel in batch b, their mean m_b and their variance v_b, of n in all,

        mean = sum_b n_b m_b / n
        var = sum_b n_b (v_b + (m_b - mean)^2) / (n - 1)

    which are the mean and the unbiased variance of the values of all batches pooled: the population
    statistics of arXiv 2105.07576, whose weights count batches instead of values. The average of
    the batches' variances (`torch.optim.swa_utils.update_bn`) leaves the second term out and is too
    small where batches are. The batches run in training mode, each normalised by itself, as the
    weights were trained; what drops at random does not. Layers that stay in evaluation mode when
    the model is set to train (`norm_eval`, `frozen_stages`), or keep no statistics, are left as
    they are, and so are those that no batch reaches. Modes, gradient flags, all other buffers,
    momenta and random generators stand afterwards as before. Where processes train together, each
    gives its own batches, and all get the statistics of everybody's.

    Args:
        model: changed in place; in no wrapper.
        batches: as `forward` takes them; nothing is taken where there is nothing to compute.
        forward: `forward(model, batch)`; by default the model is called with the batch.

    Returns:
        The names of the layers that have new statistics.

    Raises:
        ValueError: no batch, or a layer whose statistics are not finite; nothing is changed then.
    """
    forward = forward or _call
    seen: dict[str, Moments] = {}
    with preserved_rng(), flags_restored(model), frozen_buffers(model), torch.no_grad():
        model.train()
        drop_nothing(model)
        layers = learning_norms(model)
        if not layers:
            return []
        with _watched(layers, seen):
            for batch in batches:
                forward(model, batch)
    seen = _of_all_processes(seen)
    if not seen:
        raise ValueError(
            f'no batch reached any of {len(layers)} BatchNorm layers, so there is nothing to '
            'compute statistics from; give at least one batch.'
        )
    for name, moments in seen.items():
        if moments.count < 2 or not (moments.mean + moments.spread).isfinite().all():
            raise ValueError(
                f"the statistics of '{name}' over {moments.count} values a channel are not finite; "
                'give more images, and check the weights and the images.'
            )
    for name, moments in seen.items():
        layer = layers[name]
        layer.running_mean.copy_(moments.mean)
        layer.running_var.copy_(moments.spread / (moments.count - 1))
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked.fill_(moments.calls)
    return list(seen)


def learning_norms(model: nn.Module) -> dict[str, nn.Module]:
    """The BatchNorm layers of a model in training mode that learn running statistics, by name."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if layer.training and is_batch_norm(layer) and layer.running_mean is not None
    }


def _call(model: nn.Module, batch: Any) -> Any:
    return model(batch)


@contextmanager
def _watched(layers: dict[str, nn.Module], seen: dict[str, Moments]) -> Iterator[None]:
    """Inside, every call that a layer learns from is seen under the layer's name."""

    def note(name: str) -> Callable:
        def see(layer: nn.Module, args: tuple) -> None:
            if layer.training:  # an attack may call the network in evaluation mode in between
                seen.setdefault(name, Moments()).see(args[0])

        return see

    handles = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _of_all_processes(seen: dict[str, Moments]) -> dict[str, Moments]:
    """What all processes have seen, in the order of their ranks, so that all get the same."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return seen
    every: list[dict[str, Moments]] = [{}] * distributed.get_world_size()
    distributed.all_gather_object(every, seen)
    found: dict[str, Moments] = {}
    for one in every:
        for name, moments in one.items():
            found.setdefault(name, Moments()).merge(moments)
    return found
