"""Families of layers: which dimension of which tensor holds their channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from .grouped_conv import GroupedKernelConv2d


@dataclass(frozen=True)
class Kind:
    """A family of layers: which dimension of which tensor holds the channels of a side.

    Attributes:
        name: what a structure record calls it.
        dims: side -> {name of a tensor inside the module: the dimension of its channels}.
        widths: side -> the attributes of the module that follow the width, integers or tuples of
            one: the first one is the width, the others stay in proportion to it.
        aware: whether the layer computes across its channels, or its weight across the channels
            that it reads, so that masked ones must be left out while they are there (see
            `structure.masked_norm`).
        blocks: the channels stand in this many blocks of one size, which lose equally many.
        inside: layers inside an `aware` one that have the channels that it counts -> their sides.
    """

    name: str
    dims: dict[str, dict[str, int]]
    widths: dict[str, tuple[str, ...]]
    aware: bool = False
    blocks: int = 1
    inside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def counted(self) -> str:
        """The side whose masked channels are left out, where the layer is `aware`."""
        return 'in' if 'in' in self.dims else 'out'

    def width(self, layer: nn.Module | nn.Parameter, side: str) -> int:
        """Number of channels on a side of a layer of this family."""
        for attribute in self.widths.get(side, ()):
            value = getattr(layer, attribute)
            return value[0] if isinstance(value, tuple) else value
        name, dim = next(iter(self.dims[side].items()))
        return (getattr(layer, name) if name else layer).shape[dim]

    def resized(self, layer: nn.Module, side: str, size: int) -> dict[str, Any]:
        """What the attributes that repeat the width of a side become when `size` channels stay."""
        dense = self.width(layer, side)
        found = {}
        for name in self.widths.get(side, ()):
            value = getattr(layer, name)
            found[name] = (size,) if isinstance(value, tuple) else value * size // dense
        return found


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
# Every group of filters reads as many channels of its own part of the input as the others.
GROUPED = Kind('grouped', CONV.dims, CONV.widths)
# The channels that one group reads and those that it makes go together, and the group with them.
GROUPS = Kind('groups', DEPTHWISE.dims, DEPTHWISE.widths)
LINEAR = Kind('linear', CONV.dims, {'out': ('out_features',), 'in': ('in_features',)})
NORM = Kind(
    'norm',
    {'out': {'weight': 0, 'bias': 0, 'running_mean': 0, 'running_var': 0}},
    {'out': ('num_features',)},
)
_DEFORMABLE = {'DeformConv2d', 'ModulatedDeformConv2d'}
PRELU = Kind('prelu', {'out': {'weight': 0}}, {'out': ('num_parameters',)})
PACKED = Kind(  # nn.MultiheadAttention: queries, keys and values of one weight
    'packed', {'out': {'in_proj_weight': 0, 'in_proj_bias': 0}, 'in': {'in_proj_weight': 1}}, {}
)
BRANCHED = Kind('branched', CONV.dims, CONV.widths)  # several convolutions by one weight
SOURCES = {'parameter', 'embedding'}  # begin a stream of channels, without filters
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
    family = next((FAMILIES[base] for base in type(layer).__mro__ if base in FAMILIES), None)
    if family is not None:
        return family(layer)
    if is_convolution(layer):
        return _kind_of_convolution(layer)
    if isinstance(layer, nn.Linear):
        return LINEAR
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return NORM
    if isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
        return PRELU
    return KINDS.get(type(layer))


def is_batch_norm(layer: nn.Module) -> bool:
    """Whether a layer is a batch normalisation, of torch or of another project."""
    return kind_of(layer) is NORM


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


def _kind_of_convolution(conv: nn.Module) -> Kind | None:
    transposed = getattr(conv, 'transposed', False)  # no attribute of torchvision's deformable one
    if conv.groups == 1:
        return TRANSPOSED if transposed else CONV
    if conv.groups == conv.in_channels == conv.out_channels:
        return DEPTHWISE
    if transposed:
        return None  # its weight has a dimension for the outputs of one group, its bias for all
    whole = loses_groups(conv.in_channels, conv.out_channels, conv.groups)
    return GROUPS if whole else GROUPED


def loses_groups(inputs: int, outputs: int, groups: int) -> bool:
    """Whether a grouped convolution loses whole groups, or equal numbers of channels of each.

    Whatever leaves more choice: `groups` units, or inputs / groups and outputs / groups of them.
    """
    reads = inputs // groups
    return reads == 1 or reads + outputs // groups <= groups


def is_convolution(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer is a convolution, a deformable one included."""
    return isinstance(layer, nn.modules.conv._ConvNd) or is_deformable(layer)


def is_deformable(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer is a deformable convolution: torchvision's, or one of mmcv's, by name."""
    return any(kind.__name__ in _DEFORMABLE for kind in type(layer).__mro__)


def produces(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer computes channels of its own (convolution or linear)."""
    return is_convolution(layer) or isinstance(layer, nn.Linear)


def blocks_of(layer: nn.Module | nn.Parameter, side: str) -> int:
    """How many blocks of filters each read a part of their own of that side's channels."""
    return layer.groups if side == 'in' and kind_of(layer) is GROUPED else 1


def by_channel(layer: nn.Module, side: str, tensor: Tensor) -> Tensor:
    """A tensor of the shape of a layer's weight as (channels of that side, all the rest)."""
    kind = kind_of(layer)  # None: its filters lie on dimension 0
    dim = kind.dims[side][weight_name(layer)] if kind else 0
    blocks = blocks_of(layer, side)
    if blocks > 1:  # (O, C / n, ...) -> (C, O / n, ...)
        return tensor.unflatten(0, (blocks, -1)).transpose(1, 2).flatten(0, 1).flatten(1)
    return tensor.movedim(dim, 0).flatten(1)


def over_tensor(flags: Tensor, like: Tensor, dim: int, blocks: int = 1) -> Tensor:
    """Flags (channels,) in a shape that broadcasts over a tensor with channels on `dim`.

    Args:
        flags: one a channel.
        like: the tensor, of shape (O, C / blocks, ...) where there are several blocks.
        dim: the dimension of the channels.
        blocks: of filters, see `blocks_of`.
    """
    if blocks > 1:
        rows = flags.view(blocks, -1).repeat_interleave(len(like) // blocks, 0)
        return rows.view(*rows.shape, *[1] * (like.dim() - 2))
    shape = [1] * like.dim()
    shape[dim] = -1
    return flags.view(shape)


def makes(layer: nn.Module | nn.Parameter) -> bool:
    """Whether the layer has filters: it produces channels, or has the weight of layers that do."""
    return produces(layer) or KINDS.get(type(layer)) in (PACKED, BRANCHED)


def weight_name(layer: nn.Module) -> str:
    """The name of the weight of a layer that makes channels."""
    return 'in_proj_weight' if KINDS.get(type(layer)) is PACKED else 'weight'


def weight_of(layer: nn.Module) -> Tensor:
    """The weight of a layer that makes channels."""
    return getattr(layer, weight_name(layer))


def bias_of(layer: nn.Module) -> Tensor | None:
    """The bias of a layer that makes channels; mmcv's deformable convolution has no such name."""
    return getattr(layer, weight_name(layer).replace('weight', 'bias'), None)


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
    if getattr(layer, 'transposed', False):
        return inputs.numel() // layer.in_channels
    return output.numel() // layer.out_channels
