"""How channels pass through one operation: which become which, or why nobody can tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .recording import Call

_GEOMETRY = ('roialign', 'roi_align', 'roipool', 'roi_pool', 'gridsampl', 'grid_sampl')
_NORMS = ('layernorm', 'groupnorm', 'instancenorm', 'batchnorm', 'batch_norm', 'layer_norm')
_SPLITS = {'split', 'splitwithsizes', 'unsafesplit', 'unbind'}
_SUMS = {'sum', 'nansum', 'norm', 'linalgvectornorm'}
_REDUCERS = {
    'mean',
    'max',
    'min',
    'amax',
    'amin',
    'aminmax',
    'var',
    'varmean',
    'std',
    'stdmean',
    'prod',
    'logsumexp',
    'softmax',
    'logsoftmax',
    'cumsum',
    'cumprod',
    'sort',
    'topk',
    'median',
    'gather',
    'flip',
    'roll',
}
_EACH = set(
    """
    abs add addcdiv addcmul adaptiveavgpool2d adaptiveavgpool3d adaptivemaxpool2d adaptivemaxpool3d
    alias avgpool2d avgpool3d celu clamp clampmax clampmin clone constantpadnd copy copybackwards
    div elu erf exp expand expm1 fmod gelu hardsigmoid hardswish hardtanh leakyrelu lerp log log1p
    logsigmoid maskedfill maximum maxpool2dwithindices maxpool3dwithindices minimum mish
    mkldnnmaxpool2d mul nativedropout neg permute pow prelukernel reciprocal reflectionpad1d
    reflectionpad2d relu repeat replicationpad2d rrelu rsqrt rsub sigmoid silu softplus softshrink
    sqrt squeeze stack sub t tanh threshold tocopy transpose unsqueeze upsamplebicubic2d
    upsamplebilinear2d upsamplelinear1d upsamplenearest1d upsamplenearest2d upsamplenearest3d
    upsamplenearestexact2d upsampletrilinear3d where
""".split()
)


class Unknown(Exception):
    """The operation mixes channels in a way that cannot be followed; its text says how."""


@dataclass(frozen=True)
class Passage:
    """Channel `source[i]` of the input becomes `target[i]` of an output of `width` channels."""

    source: np.ndarray
    target: np.ndarray
    width: int


def axis_of(shape: tuple[int, ...], width: int) -> int | None:
    """The axis that holds `width` channels: the second, else the last."""
    if len(shape) > 1 and shape[1] == width:
        return 1
    return len(shape) - 1 if shape and shape[-1] == width else None


def enter(node, call: Call | None, position: int, width: int) -> Passage | None:
    """What `width` channels at input `position` of an operation become; None where they end.

    Args:
        node: the autograd node of the operation.
        call: the recorded shapes, where the operation was seen from Python.
        position: which of the node's inputs it is.
        width: number of channels.
    Raises:
        Unknown: it mixes channels in a way that cannot be followed.
    """
    name = node.name().lower()
    base = name.rstrip('0123456789').removesuffix('backward')
    same = Passage(np.arange(width), np.arange(width), width)
    if any(word in name for word in _GEOMETRY):
        return same if position == 0 else None  # the rest are coordinates
    if any(word in name for word in _NORMS):
        raise Unknown(f'{node.name()} normalises over its channels')
    if base == 'cat':
        return _concatenated(node, call, position, width)
    if 'view' in base or 'reshape' in base:
        return same if call is None else _reshaped(call, width)
    if base == 'slice' or base.startswith(('select', 'index')):
        return _indexed(node, base, width)
    if base == 'im2col':
        return _unfolded(call, width)
    if base in _SPLITS:
        if _touches(node, width):  # at numbers in the model's code, which do not follow a removal
            raise Unknown(f'{node.name()} splits its channels at fixed places')
        return same
    if base in _SUMS:
        return None if _touches(node, width) else same  # a channel of zeros adds nothing
    if base in _REDUCERS and _touches(node, width, call):
        raise Unknown(f'{node.name()} works across its channels')
    if base not in _EACH | _REDUCERS:
        raise Unknown(f'{node.name()} is not known to keep channels apart')
    _check_shapes(node, call, width)
    return same


def _signed(value: int, ndim: int) -> int:
    value = value - 2**64 if value >= 2**63 else value  # autograd keeps -1 unsigned
    return value % ndim if ndim else value


def _dims(node, ndim: int) -> list[int]:
    saved = getattr(node, '_saved_dim', getattr(node, '_saved_dims', None))
    if saved is None:
        return list(range(ndim))
    saved = saved if isinstance(saved, (tuple, list)) else (saved,)
    return [_signed(d, ndim) for d in saved] or list(range(ndim))


def _touches(node, width: int, call: Call | None = None) -> bool:
    shape = getattr(node, '_saved_self_sym_sizes', None)
    if shape is None:
        saved = getattr(node, '_saved_self', getattr(node, '_saved_result', None))
        if saved is None and call is None:
            return True
        shape = call.inputs[0][0] if saved is None else saved.shape
    axis = axis_of(shape, width)
    return axis is None or axis in _dims(node, len(shape))


def _concatenated(node, call: Call | None, position: int, width: int) -> Passage:
    if call is None:
        raise Unknown(f'{node.name()} was not seen from Python')
    shapes = [shape for shape, _ in call.inputs]
    axis = axis_of(shapes[position], width)
    if axis is None:
        raise Unknown(f'{node.name()} joins tensors whose channels cannot be told apart')
    if axis != _signed(node._saved_dim, len(call.output)):
        return Passage(np.arange(width), np.arange(width), width)
    start = sum(shape[axis] for shape in shapes[:position])
    return Passage(np.arange(width), np.arange(width) + start, call.output[axis])


def _reshaped(call: Call, width: int) -> Passage:
    before = call.inputs[0][0]
    after = call.output
    own = np.arange(width)
    first = len(before) > 1 and before[1] == width
    if first and after[1:2] == (width,) and (after[0] == before[0] or after[1:] == before[1:]):
        return Passage(own, own, width)  # (N, C, H, W) -> (N, C, H * W)
    if first and len(after) == 2 and after == (before[0], math.prod(before[1:])):
        target = np.arange(after[1])  # (N, C, H, W) -> (N, C * H * W)
        return Passage(target // (after[1] // width), target, after[1])
    if first and len(before) == 2 and math.prod(after[1:]) == width and after[0] == before[0]:
        return Passage(own, own // (width // after[1]), after[1])  # and back
    if before == (width,) and sorted(after) == [1] * (len(after) - 1) + [width]:
        return Passage(own, own, width)  # a parameter (C,) -> (1, C, 1, 1)
    if before[-1:] == (width,) == after[-1:] and (not first or len(before) == 2):
        return Passage(own, own, width)  # channels last: (N, H, W, C) -> (N, H * W, C)
    raise Unknown(f'a reshape of {tuple(before)} to {tuple(after)} rearranges its channels')


def _unfolded(call: Call | None, width: int) -> Passage:
    if call is None:
        raise Unknown('windows were not cut out from Python')
    target = np.arange(call.output[-2])  # (N, C, H, W) -> (N, C * window, positions)
    return Passage(target // (len(target) // width), target, len(target))


def _indexed(node, base: str, width: int) -> Passage:
    own = np.arange(width)
    shape = getattr(node, '_saved_self_sym_sizes', None)
    axis = None if shape is None else axis_of(shape, width)
    if base.startswith('indexput'):
        if node.next_functions[0][0] is None:
            raise Unknown(f'{node.name()} writes it into a tensor of fixed width')
        return Passage(own, own, width)
    if axis is not None and hasattr(node, '_saved_indices'):
        indices = node._saved_indices
        if axis >= len(indices) or indices[axis] is None:
            return Passage(own, own, width)
    elif axis is not None and axis not in _dims(node, len(shape)):
        return Passage(own, own, width)
    raise Unknown(f'{node.name()} picks channels at fixed places')


def _check_shapes(node, call: Call | None, width: int) -> None:
    if call is None or width == 1:
        return
    if math.prod(call.output) == width:
        return  # a parameter (C,) -> (C, 1, 1)
    axis = axis_of(call.output, width)
    if axis is None:
        raise Unknown(f'{node.name()} makes a tensor of {tuple(call.output)} of {width} channels')
    for shape, live in call.inputs:
        at = axis - len(call.output) + len(shape)
        if not live and 0 <= at < len(shape) and shape[at] == width:  # it would not shrink
            raise Unknown(f'{node.name()} combines it with a constant that has a value per channel')
