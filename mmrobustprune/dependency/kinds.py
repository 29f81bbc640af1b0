"""Families of layers: which dimension of which tensor holds their channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .grouped_conv import GroupedKernelConv2d


@dataclass(frozen=True)
class Kind:
    """A family of layers: which dimension of which tensor holds the channels of a side.

    Attributes:
        name: what a structure record calls it.
        dims: side -> {name of a tensor inside the module: the dimension of its channels}.
        widths: side -> the attributes of the module that repeat the width, integers or tuples of
            one.
        aware: whether the layer computes across its channels, so that masked ones must be left
            out while they are there (see `structure.masked_norm`).
        blocks: the channels stand in this many blocks of one size, which lose equally many.
    """

    name: str
    dims: dict[str, dict[str, int]]
    widths: dict[str, tuple[str, ...]]
    aware: bool = False
    blocks: int = 1

    def width(self, layer: nn.Module | nn.Parameter, side: str) -> int:
        """Number of channels on a side of a layer of this family."""
        for attribute in self.widths.get(side, ()):
            value = getattr(layer, attribute)
            return value[0] if isinstance(value, tuple) else value
        name, dim = next(iter(self.dims[side].items()))
        return (getattr(layer, name) if name else layer).shape[dim]

    def resized(self, layer: nn.Module, side: str, size: int) -> dict[str, Any]:
        """What the attributes that repeat the width of a side become when `size` channels stay."""
        names = self.widths.get(side, ())
        return {n: (size,) if isinstance(getattr(layer, n), tuple) else size for n in names}


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

# More families by class, subclasses included: layers of one input and one output whose inside is
# their own. `norms` fills it, and so do rooms that know layers of other projects.
FAMILIES: dict[type[nn.Module], Callable[[Any], Kind | None]] = {}


def kind_of(layer: nn.Module | nn.Parameter) -> Kind | None:
    """The family of a layer or bare parameter; None where its channels cannot be removed."""
    if isinstance(layer, nn.Parameter):
        dim = _channels_of_parameter(tuple(layer.shape))
        return None if dim is None else Kind('parameter', {'out': {'': dim}}, {})
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
    if type(layer) in KINDS:
        return KINDS[type(layer)]
    family = next((FAMILIES[base] for base in type(layer).__mro__ if base in FAMILIES), None)
    return None if family is None else family(layer)


def _channels_of_parameter(shape: tuple[int, ...]) -> int | None:
    """The dimension of a bare parameter's channels: its only wide one, or a position embedding's.

    That is the last of (1, tokens, C), and of (1, H, W, C) or (1, C, H, W) the one beside two equal
    ones.
    """
    wide = [dim for dim, size in enumerate(shape) if size > 1]
    if len(wide) == 1:
        return wide[0]
    if len(shape) == 3 and wide == [1, 2]:
        return 2
    if len(shape) == 4 and wide == [1, 2, 3]:
        odd = [dim for dim in (1, 3) if shape.count(shape[dim]) == 1 < shape.count(shape[2])]
        return odd[0] if odd else None
    return None


def encloses(layer: nn.Module) -> bool:
    """Whether what happens between input and output of a layer is its own, in one piece."""
    known = isinstance(layer, tuple(FAMILIES)) and kind_of(layer) is not None
    return known or isinstance(layer, nn.Linear)


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
