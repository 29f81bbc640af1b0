"""Families of layers: which dimension of which tensor holds their channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .grouped_conv import GroupedKernelConv2d


@dataclass(frozen=True)
class Kind:
    """A family of layers: which dimension of which tensor holds the channels of a side.

    Attributes:
        name: what a structure record calls it.
        dims: side -> {name of a tensor inside the module: the dimension of its channels}.
        widths: side -> the integer attributes of the module that repeat the width.
    """

    name: str
    dims: dict[str, dict[str, int]]
    widths: dict[str, tuple[str, ...]]


CONV = Kind(
    'conv',
    {'out': {'weight': 0, 'bias': 0}, 'in': {'weight': 1}},
    {'out': ('out_channels',), 'in': ('in_channels',)},
)
TRANSPOSED = Kind('transposed', {'out': {'weight': 1, 'bias': 0}, 'in': {'weight': 0}}, CONV.widths)
DEPTHWISE = Kind(
    'depthwise',
    {'out': {'weight': 0, 'bias': 0}},
    {'out': ('out_channels', 'in_channels', 'groups')},
)
LINEAR = Kind('linear', CONV.dims, {'out': ('out_features',), 'in': ('in_features',)})
NORM = Kind(
    'norm',
    {'out': {'weight': 0, 'bias': 0, 'running_mean': 0, 'running_var': 0}},
    {'out': ('num_features',)},
)
PRELU = Kind('prelu', {'out': {'weight': 0}}, {'out': ('num_parameters',)})
PACKED = Kind(  # nn.MultiheadAttention: queries, keys and values of one weight
    'packed', {'out': {'in_proj_weight': 0, 'in_proj_bias': 0}, 'in': {'in_proj_weight': 1}}, {}
)
KINDS: dict[type[nn.Module], Kind] = {}  # of classes that others make known


def kind_of(layer: nn.Module | nn.Parameter) -> Kind | None:
    """The family of a layer or bare parameter; None where its channels cannot be removed."""
    if isinstance(layer, nn.Parameter):
        wide = [dim for dim, size in enumerate(layer.shape) if size > 1]
        if len(wide) != 1:
            return None
        return Kind('parameter', {'out': {'': wide[0]}}, {})
    if isinstance(layer, GroupedKernelConv2d):
        return None
    if isinstance(layer, nn.modules.conv._ConvNd):
        if layer.groups == 1:
            return TRANSPOSED if layer.transposed else CONV
        return DEPTHWISE if layer.groups == layer.in_channels == layer.out_channels else None
    if isinstance(layer, nn.Linear):
        return LINEAR
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return NORM
    if isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
        return PRELU
    return KINDS.get(type(layer))


def produces(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer computes channels of its own (convolution or linear)."""
    return isinstance(layer, (nn.modules.conv._ConvNd, nn.Linear))


def makes(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer has filters: it produces channels, or is a packed projection of some."""
    return produces(layer) or KINDS.get(type(layer)) is PACKED


def weight_name(layer: nn.Module) -> str:
    """The name of the weight of a layer that makes channels."""
    return 'in_proj_weight' if KINDS.get(type(layer)) is PACKED else 'weight'


def weight_of(layer: nn.Module) -> Tensor:
    """The weight of a layer that makes channels."""
    return getattr(layer, weight_name(layer))


def bias_of(layer: nn.Module) -> Tensor | None:
    """The bias of a layer that makes channels."""
    return getattr(layer, weight_name(layer).replace('weight', 'bias'))


def weights_used(layer: nn.Module | nn.Parameter) -> int:
    """Weights of a layer that multiply at every position; MACs = weights used * positions.

    Those of a convolution or linear layer, unless they are constants of the architecture.
    """
    return weight_of(layer).numel() if makes(layer) and not is_fixed(layer) else 0


def is_fixed(layer: nn.Module | nn.Parameter) -> bool:
    """Whether a layer's class says `fixed = True`: its weights are constants, no parameters."""
    return getattr(layer, 'fixed', False) is True


def positions(layer: nn.Module, inputs: Tensor | None, output: Tensor) -> int:
    """How often a layer's weights are used in one call: output positions, batch included."""
    if isinstance(layer, nn.Linear):
        return output.numel() // output.shape[-1]
    if layer.transposed:
        return inputs.numel() // layer.in_channels
    return output.numel() // layer.out_channels
