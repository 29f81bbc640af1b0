"""How channels pass through one operation: which become which, or why nobody can tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch.autograd.function import BackwardCFunction

from mmrobustprune.dependency.recording import Call

from .layout import Count, Layout, Passage, Unknown, guessed, regrouped, unchanged
from .moves import MOVES, signed
from .products import is_product, multiplied, plain_name

_GEOMETRY = ('roialign', 'roi_align', 'roipool', 'roi_pool', 'gridsampl', 'grid_sampl')
_NORMS = ('layernorm', 'groupnorm', 'instancenorm', 'batchnorm', 'batch_norm', 'layer_norm')
_SUMS = {'sum', 'nansum', 'norm', 'linalgvectornorm'}
_REDUCERS = _SUMS | {
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
    'median',
    'topk',
    'gather',
}
_ALONG = {'softmax', 'logsoftmax', 'cumsum', 'cumprod', 'sort', 'flip', 'roll'}
_VIEWS = {'squeeze', 'unsqueeze', 'flatten', 'unflatten'}
_EACH = set(
    """
    abs add addcdiv addcmul adaptiveavgpool2d adaptiveavgpool3d adaptivemaxpool2d adaptivemaxpool3d
    alias avgpool2d avgpool3d celu clamp clampmax clampmin clone constantpadnd copy copybackwards
    div elu erf exp expand expm1 fmod gelu hardsigmoid hardswish hardtanh leakyrelu lerp log log1p
    logsigmoid maskedfill maximum maxpool2dwithindices maxpool3dwithindices minimum mish
    mkldnnmaxpool2d mul nativedropout neg pow prelukernel reciprocal reflectionpad1d
    reflectionpad2d relu repeat replicationpad2d rrelu rsqrt rsub sigmoid silu softplus softshrink
    sqrt sub tanh threshold tocopy upsamplebicubic2d
    upsamplebilinear2d upsamplelinear1d upsamplenearest1d upsamplenearest2d upsamplenearest3d
    upsamplenearestexact2d upsampletrilinear3d where
""".split()
)


def enter(
    node, call: Call | None, position: int, width: int, layout: Layout | None, output: int = 0
) -> Passage | None:
    """What the channels at input `position` of an operation become; None where they end.

    Args:
        node: the autograd node of the operation.
        call: the recorded shapes, where the operation was seen from Python.
        position: which of the node's inputs it is.
        width: number of channels.
        layout: where they lie, None where the shape is not known.
        output: which of the node's outputs is asked for.
    Raises:
        Unknown: it mixes channels in a way that cannot be followed.
    """
    name = node.name().lower()
    base = plain_name(name)
    if any(word in name for word in _GEOMETRY):  # the rest are coordinates
        return unchanged(width) if position == 0 else None
    if any(word in name for word in _NORMS):
        raise Unknown(f'{node.name()} normalises over its channels')
    if isinstance(node, BackwardCFunction):
        raise Unknown(f"the function '{node.name().removesuffix('Backward')}' is not known")
    if base == 'cat':
        return _concatenated(node, call, position, width, layout)
    if is_product(name):
        return multiplied(node, position, width, layout, output)
    if base.startswith('indexput'):
        if node.next_functions[0][0] is None:
            raise Unknown(f'{node.name()} writes it into a tensor of fixed width')
        return unchanged(width, layout)
    layout = layout or guessed(getattr(node, '_saved_self_sym_sizes', None), width)
    rule = _rule(base)
    if rule is None:
        raise Unknown(f'{node.name()} is not known to keep channels apart')
    if layout is None:
        if rule in (_each, _viewed):
            return unchanged(width)
        raise Unknown(f'{node.name()} reads a tensor whose shape was not seen')
    return rule(node, call, layout, output)


def is_view(name: str) -> bool:
    """Whether the autograd node of that name gives a tensor a shape that the code spells out."""
    base = plain_name(name)
    return 'view' in base or 'reshape' in base


def _rule(base: str) -> Callable | None:
    if is_view(base) or base in _VIEWS:
        return _viewed
    if base in _REDUCERS:
        return _reduced
    if base in _EACH:
        return _each
    if base in _ALONG:
        return _along
    return MOVES.get(base.removeprefix('unsafe'))


def _dims(node, ndim: int) -> list[int]:
    saved = getattr(node, '_saved_dim', getattr(node, '_saved_dims', None))
    if saved is None:
        return list(range(ndim))
    saved = saved if isinstance(saved, (tuple, list)) else (saved,)
    return [signed(d, ndim) for d in saved] or list(range(ndim))


def _concatenated(
    node, call: Call | None, position: int, width: int, layout: Layout | None
) -> Passage:
    if call is None:
        raise Unknown(f'{node.name()} was not seen from Python')
    shapes = [shape for shape, _ in call.inputs]
    layout = layout or guessed(shapes[position], width)
    if layout is None or len(layout.shape) != len(call.output):
        raise Unknown(f'{node.name()} joins tensors whose channels cannot be told apart')
    axis = signed(node._saved_dim, len(call.output))
    after = replace(layout, shape=tuple(call.output))
    if axis not in layout.axes:
        return unchanged(width, after)
    start = sum(shape[axis] for shape in shapes[:position])
    places = np.arange(start, start + layout.shape[axis])
    target = after.grid().take(places, layout.axes.index(axis)).flatten()
    return Passage(np.arange(width), target, after.width, after)


def _viewed(node, call: Call | None, layout: Layout, output: int) -> Passage:
    before = layout.shape
    if call is None:
        return unchanged(layout.width)
    shape = tuple(call.output)
    if math.prod(shape) != math.prod(before) or not math.prod(shape):
        raise Unknown(f'{node.name()} of {before} to {shape} cannot be followed')
    if len(before) == 2 and len(shape) == 4 and layout.axes == (1,) and shape[0] == before[0]:
        own = np.arange(before[1])  # features of a linear layer become an image (N, C, H, W)
        image = Layout.along(shape, 1)
        return Passage(own, own // (before[1] // shape[1]), shape[1], image)
    after, source, split = regrouped(layout, shape)
    if after.free is None:
        if layout.width > 1:
            raise Unknown(f'{node.name()} of {before} to {shape} cannot be followed')
        return unchanged(1)  # an axis of one channel is gone
    own = np.arange(after.width)
    passage = Passage(source, own, after.width, after)
    if not split:
        return passage
    index = after.index(after.free)
    _, first = np.unique(index, return_index=True)
    count = Count(shape[after.free], source[first])
    return replace(passage, together=index, counts=(count,))


def _each(node, call: Call | None, layout: Layout, output: int) -> Passage:
    """Channel by channel, with the broadcasting of elementwise operations."""
    if call is None:
        return unchanged(layout.width, layout)
    shape = tuple(call.output)
    shift = len(shape) - len(layout.shape)
    after = layout.moved(shape, {axis: axis + shift for axis in layout.axes})
    if layout.width == 1:
        return unchanged(1, after) if after.width == 1 else unchanged(1)
    if after.sizes != layout.sizes:
        raise Unknown(f'{node.name()} makes a tensor of {shape} of {layout.width} channels')
    for given, live in call.inputs:
        for axis, size in zip(after.axes, after.sizes, strict=True):
            at = axis - len(shape) + len(given)
            if not live and 0 <= at < len(given) and given[at] == size > 1:  # it would not shrink
                raise Unknown(
                    f'{node.name()} combines it with a constant that has a value per channel'
                )
    return unchanged(layout.width, after)


def _along(node, call: Call | None, layout: Layout, output: int) -> Passage:
    """Along some axes, without a change of shape."""
    if layout.free in _dims(node, len(layout.shape)):
        raise Unknown(f'{node.name()} works across its channels')
    return unchanged(layout.width, layout)


def _reduced(node, call: Call | None, layout: Layout, output: int) -> Passage | None:
    ndim = len(layout.shape)
    over = set(_dims(node, ndim))
    base = plain_name(node.name())
    if layout.free in over:
        if base in _SUMS:
            return None  # a channel of zeros adds nothing
        raise Unknown(f'{node.name()} works across its channels')
    if call is None:
        return unchanged(layout.width) if not over & set(layout.axes) else None
    if len(call.output) == ndim:
        places = {axis: axis for axis in range(ndim)}
    else:
        gone = np.cumsum([axis in over for axis in range(ndim)])
        places = {axis: axis - int(gone[axis]) for axis in range(ndim)}
    left = [axis for axis in layout.axes if axis not in over]
    kept = Layout(layout.shape, tuple(left), layout.free)
    target = np.zeros(layout.width, int)
    for axis in left:
        target = target * layout.shape[axis] + layout.index(axis)
    after = kept.moved(call.output, places)
    if after.sizes == kept.sizes:
        return Passage(np.arange(layout.width), target, after.width, after)
    raise Unknown(f'{node.name()} makes a tensor of {tuple(call.output)}')
