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
        if isinstance(layer, nn.Parameter):
            return layer.shape[self.dims[side]['']]
        value = getattr(layer, self.widths[side][0])
        return value[0] if isinstance(value, tuple) else value

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

# More families by class, subclasses included: layers of one input and one output whose inside is
# their own. `norms` fills it, and so do rooms that know layers of other projects.
FAMILIES: dict[type[nn.Module], Callable[[Any], Kind | None]] = {}


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
    family = next((FAMILIES[base] for base in type(layer).__mro__ if base in FAMILIES), None)
    return None if family is None else family(layer)


def encloses(layer: nn.Module) -> bool:
    """Whether what happens between input and output of a layer is its own, in one piece."""
    known = isinstance(layer, tuple(FAMILIES)) and kind_of(layer) is not None
    return known or isinstance(layer, nn.Linear)


def produces(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer computes channels of its own (convolution or linear)."""
    return isinstance(layer, (nn.modules.conv._ConvNd, nn.Linear))


def weights_used(layer: nn.Module | nn.Parameter) -> int:
    """Weights of a layer that multiply at every position; MACs = weights used * positions.

    Those of a convolution or linear layer, unless they are constants of the architecture.
    """
    return layer.weight.numel() if produces(layer) and not is_fixed(layer) else 0


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
