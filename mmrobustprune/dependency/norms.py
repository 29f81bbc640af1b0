"""Families of normalisations over channels, of weights too, beside the batch normalisation."""

from __future__ import annotations

from torch import nn

from .kinds import CONV, FAMILIES, NORM, Kind

_AFFINE = {'out': {'weight': 0, 'bias': 0}}


def batch_norm(layer: nn.Module) -> Kind:
    """The family of a batch normalisation of another project, with the tensors of torch's."""
    return NORM


def layer_norm(layer: nn.Module) -> Kind | None:
    """A norm over the last dimension, `normalized_shape`, or wherever a subclass has its channels.

    None where it goes over positions, too.
    """
    if len(layer.normalized_shape) != 1:
        return None
    names = [name for name in ('normalized_shape', 'num_channels') if name in vars(layer)]
    return Kind('layernorm', _AFFINE, {'out': tuple(names)}, aware=True)


def rms_norm(layer: nn.Module) -> Kind | None:
    """A layer norm without mean and bias."""
    if len(layer.normalized_shape) != 1:
        return None
    return Kind('rmsnorm', {'out': {'weight': 0}}, {'out': ('normalized_shape',)}, aware=True)


def group_norm(layer: nn.GroupNorm) -> Kind:
    """A norm over blocks of channels; its number of groups stays, unless each is one channel."""
    if layer.num_groups == layer.num_channels:
        return Kind('groupnorm', _AFFINE, {'out': ('num_channels', 'num_groups')})
    widths = {'out': ('num_channels',)}
    return Kind('groupnorm', _AFFINE, widths, aware=True, blocks=layer.num_groups)


def instance_norm(layer: nn.Module) -> Kind:
    """A norm of each channel by itself."""
    return Kind('instancenorm', NORM.dims, NORM.widths)


def response_norm(layer: nn.Module) -> Kind:
    """A global response normalisation, x gamma |x_c| / mean_c |x_c| + beta + x (arXiv:2301.00808).

    |x_c| is the norm of a channel over its positions; the layer has `gamma`, `beta` and the width
    `in_channels`.
    """
    return Kind('grn', {'out': {'gamma': 0, 'beta': 0}}, {'out': ('in_channels',)}, aware=True)


def standardised(layer: nn.Conv2d) -> Kind | None:
    """A convolution by (W - mean) / std, of each filter over what it reads (arXiv:1903.10520).

    Buffers of the class scale and shift the standardised filters. None where there are groups, or
    where a subclass has more parameters or layers inside (a switchable atrous convolution).
    """
    more = set(layer._parameters) - {'weight', 'bias'} or layer._modules
    if layer.groups > 1 or more:
        return None
    out = dict.fromkeys(('weight', 'bias', *layer._buffers), 0)
    return Kind('conv_ws', CONV.dims | {'out': out}, CONV.widths, aware=True)


FAMILIES[nn.LayerNorm] = layer_norm
FAMILIES[nn.RMSNorm] = rms_norm
FAMILIES[nn.GroupNorm] = group_norm
FAMILIES[nn.modules.instancenorm._InstanceNorm] = instance_norm
