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
        widths: side -> the integer attributes of the module that follow the width: the first one is
            the width, the others stay in proportion to it.
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


def kind_of(layer: nn.Module | nn.Parameter) -> Kind | None:
    """The family of a layer or bare parameter; None where its channels cannot be removed."""
    if isinstance(layer, nn.Parameter):
        wide = [dim for dim, size in enumerate(layer.shape) if size > 1]
        if len(wide) != 1:
            return None
        return Kind('parameter', {'out': {'': wide[0]}}, {})
    if isinstance(layer, GroupedKernelConv2d):
        return None
    if is_convolution(layer):
        return _kind_of_convolution(layer)
    if isinstance(layer, nn.Linear):
        return LINEAR
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return NORM
    if isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
        return PRELU
    return None


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


def bias_of(layer: nn.Module) -> Tensor | None:
    """The bias of a convolution or linear layer; mmcv's deformable one lacks the attribute."""
    return getattr(layer, 'bias', None)


def blocks_of(layer: nn.Module | nn.Parameter, side: str) -> int:
    """How many blocks of filters each read a part of their own of that side's channels."""
    return layer.groups if side == 'in' and kind_of(layer) is GROUPED else 1


def by_channel(layer: nn.Module, side: str, tensor: Tensor) -> Tensor:
    """A tensor of the shape of a layer's weight as (channels of that side, all the rest)."""
    kind = kind_of(layer)  # None: its filters lie on dimension 0
    dim = kind.dims[side]['weight'] if kind else 0
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
    if getattr(layer, 'transposed', False):
        return inputs.numel() // layer.in_channels
    return output.numel() // layer.out_channels
