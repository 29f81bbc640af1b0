"""Where the new order of a layer's filters can be written into the layers behind it.

That saves a gather.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from mmrobustprune.copies import copied
from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.dependency.kinds import (
    CONV,
    DEPTHWISE,
    NORM,
    PRELU,
    TRANSPOSED,
    is_fixed,
    kind_of,
    produces,
)

# layers with a value per channel, reordered with it
_PER_CHANNEL = {NORM.name, DEPTHWISE.name, PRELU.name}
_READERS = {CONV.name, TRANSPOSED.name}
_ALIKE = (  # layers that treat every channel alike
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.PReLU,
    nn.Dropout,
    nn.Dropout2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Upsample,
    nn.ZeroPad2d,
)
_SAME = {
    'relu',
    'relu_',
    'sigmoid',
    'tanh',
    'clone',
    'contiguous',
    'clamp',
    'clamp_',
    'silu',
    'gelu',
    'hardswish',
    'relu6',
    'leaky_relu',
    'elu',
    'max_pool2d',
    'avg_pool2d',
    'adaptive_avg_pool2d',
    'adaptive_max_pool2d',
    'dropout',
    'interpolate',
}
_FUNCTIONS = {
    getattr(room, name) for room, name in product((torch, F), _SAME) if hasattr(room, name)
}


@dataclass(frozen=True, eq=False)
class Fold:
    """The layers that have to follow a layer's new order of filters.

    Attributes:
        through: layers with a value per channel (batch normalisation).
        readers: convolutions that read the channels.
        steps: everything between the layer and its readers, in order.
        scope: name of the traced module that they belong to.
    """

    layer: str
    through: tuple[str, ...]
    readers: tuple[str, ...]
    steps: tuple[fx.Node, ...]
    scope: str


def find_folds(model: nn.Module, layers: Collection[str]) -> dict[str, Fold]:
    """The layers whose order can be folded, among these.

    Every path from the layer must end in a convolution and pass only through operations that treat
    channels alike or have a value per channel. The network is traced symbolically, without an
    input; where that is not possible its largest parts that can be traced are taken, which are
    assumed to be used as a whole.
    """
    places = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    for module in model.modules():
        places.update(id(parameter) for parameter in module.parameters(recurse=False))
    tied = {key for key, count in places.items() if count > 1}
    # tracing may leave traces in attributes: on a copy, of all but the tensors
    shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
    twin = copied(model, shared)
    folds = {}
    for scope, graph in _graphs(twin, '', set(layers)):
        walk = _FoldWalk(model, scope, graph, tied)
        for layer in layers:
            fold = walk.fold(layer)
            if fold is not None:
                folds[layer] = fold
    return folds


def _graphs(module: nn.Module, name: str, layers: set[str]) -> Iterator[tuple[str, fx.Graph]]:
    """(name, graph) of the largest parts that can be traced and hold one of the layers."""
    prefix = f'{name}.' if name else ''
    if name in layers or not any(layer.startswith(prefix) for layer in layers):
        return
    try:
        yield name, _Tracer().trace(module)
    except Exception:  # control flow that depends on data, however the model's code meets it
        for child, part in module.named_children():
            yield from _graphs(part, prefix + child, layers)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return (
            produces(module) or kind_of(module) is not None or super().is_leaf_module(module, name)
        )


class _FoldWalk:
    """Follows the outputs of a layer through one graph.

    Args:
        model: the network.
        scope: name of the traced module.
        graph: of that module.
        tied: ids of the modules and parameters that have several places in the model.
    """

    def __init__(self, model: nn.Module, scope: str, graph: fx.Graph, tied: set[int]):
        self.model = model
        self.scope = scope
        self.tied = tied
        self.calls: dict[str, list[fx.Node]] = {}
        for node in graph.nodes:
            if node.op == 'call_module':
                self.calls.setdefault(full_name(scope, node), []).append(node)
        self.touched = {
            full_name(scope, node).rpartition('.')[0]
            for node in graph.nodes
            if node.op == 'get_attr'
        }

    def fold(self, layer: str) -> Fold | None:
        """The layer's fold; None where its order cannot be followed."""
        if layer not in self.calls or not self._alone(layer):
            return None
        through: list[str] = []
        readers: list[str] = []
        steps: list[fx.Node] = []
        queue = list(self.calls[layer])
        filters = find_layer(self.model, layer).out_channels
        while queue:
            node = queue.pop(0)
            for user in node.users:
                if user.all_input_nodes != [node] or user in steps:
                    return None
                steps.append(user)
                part = self._part(user, filters)
                if part is None:
                    return None
                if part == 'reader':
                    readers.append(full_name(self.scope, user))
                    continue
                if part == 'through':
                    through.append(full_name(self.scope, user))
                queue.append(user)
        if not readers:
            return None
        return Fold(layer, tuple(through), tuple(readers), tuple(steps), self.scope)

    def _part(self, user: fx.Node, filters: int) -> str | None:
        """'reader', 'through' or 'alike': what a step does with channels; None: another thing."""
        if user.op == 'call_function':
            return 'alike' if user.target in _FUNCTIONS else None
        if user.op == 'call_method':
            return 'alike' if user.target in _SAME else None
        if user.op != 'call_module':
            return None
        name = full_name(self.scope, user)
        module = find_layer(self.model, name)
        kind = kind_of(module)
        if kind is None:
            return 'alike' if isinstance(module, _ALIKE) else None
        if kind.name in _READERS | _PER_CHANNEL and not self._alone(name):
            return None
        if kind.name in _PER_CHANNEL:
            return 'through'
        reads = kind.name in _READERS and module.in_channels == filters
        return 'reader' if reads and not is_fixed(module) else None

    def _alone(self, name: str) -> bool:
        """Whether the layer is called once and neither it nor its parameters have another place."""
        module = find_layer(self.model, name)
        parts = (module, *module.parameters(recurse=False))
        return (
            len(self.calls[name]) == 1
            and name not in self.touched
            and not any(id(part) in self.tied for part in parts)
        )


def full_name(scope: str, node: fx.Node) -> str:
    """Name in the whole model of the module that a node of a traced part calls."""
    return f'{scope}.{node.target}' if scope else node.target
