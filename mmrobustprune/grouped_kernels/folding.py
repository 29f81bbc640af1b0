"""Where the new order of a layer's filters can be written into the layers behind it, which saves a gather."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from mmrobustprune.dependency.groups import (
    CONV,
    DEPTHWISE,
    NORM,
    PRELU,
    TRANSPOSED,
    find_layer,
    is_fixed,
    kind_of,
    produces,
)

_PER_CHANNEL = {
    NORM.name,
    DEPTHWISE.name,
    PRELU.name,
}  # layers with a value per channel, reordered with it
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
_FUNCTIONS = {getattr(room, name) for room in (torch, F) for name in _SAME if hasattr(room, name)}


@dataclass(frozen=True, eq=False)
class Fold:
    """The layers that have to follow a layer's new order of filters.

    Attributes:
        through: layers with a value per channel (batch normalisation).
        readers: convolutions that read the channels.
        steps: everything between the layer and its readers, in order, of the traced module named ``scope``.
    """

    layer: str
    through: tuple[str, ...]
    readers: tuple[str, ...]
    steps: tuple[fx.Node, ...]
    scope: str


def find_folds(model: nn.Module, layers: Collection[str]) -> dict[str, Fold]:
    """The layers whose order can be folded, among these.

    Every path from the layer must end in a convolution and pass only through operations that treat channels alike or have a
    value per channel. The network is traced symbolically, without an input; where that is not possible its largest parts that
    can be traced are taken, which are assumed to be used as a whole.
    """
    tied = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    tied.update(id(module) for _, module in model.named_modules(remove_duplicate=False))
    # tracing may leave traces in attributes: on a copy, of all but the tensors
    shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    folds = {}
    for scope, graph in _graphs(twin, '', set(layers)):
        walk = _Walk(model, scope, graph, {key for key, count in tied.items() if count > 1})
        folds |= {layer: fold for layer in layers if (fold := walk.fold(layer)) is not None}
    return folds


def _graphs(module: nn.Module, name: str, layers: set[str]) -> Iterator[tuple[str, fx.Graph]]:
    """(name, graph) of the largest parts that can be traced and hold one of the layers."""
    if not any(layer.startswith(f'{name}.' if name else '') for layer in layers) or name in layers:
        return
    try:
        yield name, _Tracer().trace(module)
    except (
        Exception
    ):  # control flow that depends on data, in whatever way the model's code meets it
        for child, part in module.named_children():
            yield from _graphs(part, f'{name}.{child}' if name else child, layers)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return (
            produces(module) or kind_of(module) is not None or super().is_leaf_module(module, name)
        )


class _Walk:
    """Follows the outputs of a layer through one graph."""

    def __init__(self, model: nn.Module, scope: str, graph: fx.Graph, tied: set[int]):
        self.model, self.scope, self.tied = model, scope, tied
        self.calls = {}
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
        through, readers, steps = [], [], []
        queue = list(self.calls[layer])
        filters = find_layer(self.model, layer).out_channels
        while queue:
            node = queue.pop(0)
            for user in node.users:
                if user.all_input_nodes != [node] or user in steps:
                    return None
                steps.append(user)
                if user.op == 'call_module':
                    name = full_name(self.scope, user)
                    module = find_layer(self.model, name)
                    kind = getattr(kind_of(module), 'name', None)
                    if kind in _READERS | _PER_CHANNEL and not self._alone(name):
                        return None
                    if kind in _READERS and module.in_channels == filters and not is_fixed(module):
                        readers.append(name)
                        continue
                    if kind in _PER_CHANNEL:
                        through.append(name)
                    elif kind is not None or not isinstance(module, _ALIKE):
                        return None
                elif not (
                    user.op == 'call_function'
                    and user.target in _FUNCTIONS
                    or user.op == 'call_method'
                    and user.target in _SAME
                ):
                    return None
                queue.append(user)
        return (
            Fold(layer, tuple(through), tuple(readers), tuple(steps), self.scope)
            if readers
            else None
        )

    def _alone(self, name: str) -> bool:
        """Whether the layer is called once, has one place in the model, and its parameters belong to nobody else."""
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
