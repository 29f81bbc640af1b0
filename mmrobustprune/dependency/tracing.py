"""What must shrink together: torch-pruning's dependency graph, turned into groups.

torch-pruning links layers, bare parameters and operations through autograd. Which channel becomes
which is worked out here, from recorded shapes: its own index maps guess the order of chunks and
the width of inputs that carry no gradient.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch_pruning
from torch import nn
from torch_pruning.ops import OPTYPE

from mmrobustprune.flags import flags_restored

from .arithmetic import Passage, Unknown, enter
from .attention import spelled_out
from .coupling import Coupling
from .groups import Group, Trace, find_layer, loose_parameters, matching
from .heads import Heads
from .kinds import FAMILIES, Kind, kind_of, produces
from .packed_attention import packed
from .partial import PartialForward, uses
from .recording import Forward, ForwardPass, between, default_forward

Slot = tuple[int, str]  # (index of a node, 'in' | 'out')


def trace(
    model: nn.Module,
    example: Any,
    forward: Forward | None = None,
    ignore: Iterable[str] = (),
    attention: str = 'dims',
) -> Trace:
    """Find the groups of channels that can be removed together (DepGraph, arXiv:2301.12900).

    The model is left as it was.

    Args:
        model: the network.
        example: one batch of inputs.
        forward: `forward(model, example)` returns the outputs that must keep their meaning; by
            default the model is called with the example.
        ignore: layers whose widths stay: names, prefixes or fnmatch patterns.
        attention: what a unit of an attention is: 'dims' (one dimension of every head, of queries
            and keys or of values) or 'heads'.
    Raises:
        ValueError: a pattern matches nothing, the model cannot be traced, or there is no such unit
            of an attention.
    """
    with spelled_out(model):
        return packed(model, _trace(model, example, forward, ignore, attention))


def _trace(model: nn.Module, example: Any, forward: Forward | None, ignore, attention) -> Trace:
    names = _names(model)
    ignored = matching(names, [ignore] if isinstance(ignore, str) else ignore)
    record = ForwardPass()
    graph = _Graph(model)

    def run(model: nn.Module, example: Any) -> Any:
        return record.run(model, example, forward or default_forward)

    with flags_restored(model):
        graph.read(run, example)
        heads = Heads(record.attentions, attention)
        groups, unprunable = _ChannelWalk(graph, record, names, heads).solve(ignored)
    for name, layer in names.items():
        if produces(layer) and layer not in graph.module2node:
            ran = layer in record.ran
            why = 'it ran without gradients' if ran else 'it did not run in the traced forward'
            unprunable[name] = why
    in_order = {name: unprunable[name] for name in names if name in unprunable}
    shapes = record.shapes
    if isinstance(forward, PartialForward):
        shapes = uses(model, example, forward)
    return Trace(groups, in_order, shapes)


class _Graph(torch_pruning.DependencyGraph):
    """The graph alone, without torch-pruning's index maps."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.verbose = False
        self.ignored_params = []
        self.CUSTOMIZED_PRUNERS = dict.fromkeys(FAMILIES)  # layers that it need not know itself
        del self.REGISTERED_PRUNERS[OPTYPE.MHA]  # spelled out, it is linear layers
        self._module2name = {module: name for name, module in model.named_modules()}

    def read(self, forward: Forward, example: Any) -> None:
        found = self._detect_unwrapped_parameters(None)
        self._param_to_name, self.unwrapped_parameters = found
        self.module2node = self._trace(self.model, example, forward, None)


def _names(model: nn.Module) -> dict[str, nn.Module | nn.Parameter]:
    """Every module, and every parameter of a module whose kind is not known, by name."""
    names: dict[str, nn.Module | nn.Parameter] = {}
    for name, module in model.named_modules():
        names[name] = module
        for key, parameter in loose_parameters(module):
            names[f'{name}.{key}' if name else key] = parameter
    return names


class _ChannelWalk:
    """Follows the channels of every producer to the layers that read them."""

    def __init__(self, graph: _Graph, record: ForwardPass, names: dict, heads: Heads):
        self.graph = graph
        self.record = record
        self.heads = heads
        self.coupling = Coupling()
        self.nodes = list(graph.module2node.values())
        self.index = {node: i for i, node in enumerate(self.nodes)}
        self.name = {id(layer): name for name, layer in reversed(names.items())}
        self.order = list(names)
        self.kinds: list[Kind | None] = [
            kind_of(node.module) if id(node.module) in self.name else None for node in self.nodes
        ]
        self.owner = {node.grad_fn: node for node in self.nodes}  # autograd node -> graph node
        self.owner |= {
            fn: graph.module2node[m] for fn, m in record.made.items() if m in graph.module2node
        }
        self.doors: dict = {node: [] for node in self.nodes}  # node -> its autograd nodes
        for fn, node in self.owner.items():
            self.doors[node].append(fn)
        self.ways: dict[Slot, list] = {}  # slot -> (autograd node, input position, graph node)
        inside = set(heads.inside)  # and nodes that an enclosing layer makes of its own
        for fn, source in record.fed.items():
            inside |= between(fn, source)
        for node, fns in self.doors.items():
            for fn in fns:
                if fn not in inside:
                    self._add_ways(fn, node)
        for source, sink, position in heads.ways():
            if source in self.owner:
                slot = self._slot(self.owner[source], 'out')
                self.ways.setdefault(slot, []).append((sink, position, self.owner[sink]))

    def _add_ways(self, fn: Any, node: Any) -> None:
        """The ways by which channels enter a graph node through one of its autograd nodes."""
        sources = [source for source, _ in fn.next_functions]
        if fn in self.record.fed:
            sources = [self.record.fed[fn]]
        for position, source in enumerate(sources):
            if source in self.owner:
                slot = self._slot(self.owner[source], 'out')
                self.ways.setdefault(slot, []).append((fn, position, node))

    def solve(self, ignored: dict[str, str]) -> tuple[tuple[Group, ...], dict[str, str]]:
        self._keep_what_must_stay(ignored)
        self._spread()
        self._tie_shared_parameters()
        self._tie_blocks()
        sides = {
            slot: (self._layer(self.nodes[slot[0]]), slot[1])
            for slot in self.coupling.widths
            if self.kinds[slot[0]] is not None
        }
        sides |= self.heads.tie(self.coupling, self._slot_of, self.owner, self.record.outputs)
        makers = {self._layer(node): node for node in self.nodes if produces(node.module)}
        groups, unprunable = self.coupling.solve(sides, set(makers), self.order)
        for name, node in makers.items():  # grouped convolutions have no side of their own
            slot = self._slot(node, 'out')
            if slot not in sides and slot in self.coupling.reasons:
                unprunable[name] = self.coupling.reasons[slot]
        return groups, unprunable

    def _layer(self, node) -> str:
        return self.name[id(node.module)]

    def _closed(self, node) -> bool:
        """A layer or parameter whose channels cannot be removed."""
        layer = node.module
        one = isinstance(layer, nn.PReLU) and layer.num_parameters == 1
        one |= isinstance(layer, nn.Parameter) and layer.numel() == 1
        return id(layer) in self.name and kind_of(layer) is None and not one

    def _slot(self, node, side: str) -> Slot:
        kind = self.kinds[self.index[node]]
        two_sided = 'in' in kind.dims if kind is not None else self._closed(node)
        return self.index[node], side if two_sided else 'out'

    def _width(self, node, side: str) -> int:
        return self.kinds[self.index[node]].width(node.module, side)

    def _keep_what_must_stay(self, ignored: dict[str, str]) -> None:
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            slot = self._slot(node, 'out')
            layer = node.module
            name = self.name.get(id(layer))
            if name in ignored:
                self.coupling.keep(slot, f"it matches ignore pattern '{ignored[name]}'")
            if any(fn in self.record.outputs for fn in self.doors[node]):
                self.coupling.keep(slot, 'it is an output of the model')
            for fn in self.record.blind.keys() & self.doors[node]:
                reader = self.record.blind[fn]
                self.coupling.keep(slot, f"'{reader}' reads it without gradients")
            if node.grad_fn in self.record.inputs:
                self.coupling.keep(slot, "its channels are tied to the model's input")
            if self._closed(node):
                self._poison(self._slot(node, 'in'), _why_closed(layer, name))
                self._poison(slot, _why_closed(layer, name))
            elif isinstance(layer, nn.modules.conv._ConvNd):
                if not all(_uses_weight(fn, layer) for fn in self.doors[node]):
                    self._poison(self._slot(node, 'in'), f"the weight of '{name}' is computed")
                    self._poison(slot, f"the weight of '{name}' is computed from other tensors")
            if produces(layer) and kind is not None and self._width(node, 'out') == 1:
                self.coupling.keep(slot, 'it has a single channel')

    def _poison(self, start: Slot, reason: str) -> None:
        """Keep what is tied to a slot and to everything after it, up to the next layers."""
        stack = [start]
        seen = set()
        while stack:
            slot = stack.pop()
            if slot not in seen:
                seen.add(slot)
                self.coupling.keep(slot, reason)
                stack += [self._slot(way[-1], 'in') for way in self.ways.get(slot, ())]

    def _spread(self) -> None:
        """Let the channels of every source flow on to the layers that read them, and link them."""
        reached: dict[Slot, np.ndarray] = {}
        queue: deque[Slot] = deque()

        def arrive(slot: Slot, channels: np.ndarray, width: int) -> None:
            self.coupling.widths.setdefault(slot, width)
            mask = reached.setdefault(slot, np.zeros(width, bool))
            if not mask[channels].all():
                mask[channels] = True
                queue.append(slot)

        for node, kind in zip(self.nodes, self.kinds, strict=True):
            width = 0
            if kind is not None and (produces(node.module) or kind.name == 'parameter'):
                width = self._width(node, 'out')
            elif node.grad_fn in self.record.inputs:
                shape = self.record.inputs[node.grad_fn]
                width = shape[-1 if len(shape) == 3 else 1] if len(shape) > 1 else 0
            if width:
                arrive(self._slot(node, 'out'), np.arange(width), width)
        while queue:
            slot = queue.popleft()
            for way in self.ways.get(slot, ()):
                into = self._slot(way[-1], 'in')
                passage = self._passage(slot, way)
                if passage is not None:
                    here = reached[slot][passage.source]
                    source = passage.source[here]
                    target = passage.target[here]
                    arrive(into, target, passage.width)
                    self.coupling.link(slot, source, into, target)
        for slot, mask in reached.items():
            if self.kinds[slot[0]] is not None and not mask.all():
                name = self._layer(self.nodes[slot[0]])
                self._poison(slot, f"a part of what '{name}' reads could not be followed")

    def _passage(self, slot: Slot, way: tuple) -> Passage | None:
        """How the channels of a slot enter the next one; None where they end."""
        fn, position, target = way
        width = self.coupling.widths[slot]
        into = self._slot(target, 'in')
        every = np.arange(width)
        same = Passage(every, every, width)
        try:
            if self._closed(target):
                self.coupling.keep(slot, self.coupling.reasons[into])
                return None
            if self.kinds[into[0]] is not None:
                if self._width(target, into[1]) != width:
                    raise Unknown(
                        f"'{self._layer(target)}' reads {self._width(target, into[1])} "
                        f'channels where {width} arrive'
                    )
                return same
            if fn in self.heads.sinks:
                return self.heads.enter(fn, position, width)
            several = sum(f is not None for f, _ in fn.next_functions) > 1
            if width == 1 and several and 'cat' not in fn.name().lower():
                return None  # one channel that is broadcast over the others
            step = enter(fn, self.record.calls.get(fn), position, width)
            if step and self.coupling.widths.get(into, step.width) != step.width:
                raise Unknown(
                    f'{fn.name()} joins {self.coupling.widths[into]} and {step.width} channels'
                )
            return step
        except Unknown as error:
            self.coupling.keep(slot, str(error))
            self._poison(into, str(error))
            return None

    def _tie_blocks(self) -> None:
        """Blocks of channels that must stay equally large lose the same positions."""
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            blocks = 1 if kind is None else kind.blocks
            slot = self._slot(node, 'out')
            if blocks > 1 and slot in self.coupling.widths:
                first, *others = np.arange(self.coupling.widths[slot]).reshape(blocks, -1)
                for other in others:
                    self.coupling.link(slot, first, slot, other)

    def _slot_of(self, source: Any, side: str = 'out') -> Slot | None:
        """A side of what made an autograd node, or of a bare parameter of this name."""
        if isinstance(source, str):
            node = self.graph.module2node.get(find_layer(self.graph.model, source))
        else:
            node = self.owner.get(source)
        return None if node is None else self._slot(node, side)

    def _tie_shared_parameters(self) -> None:
        """Layers that share a parameter lose the same channels of it."""
        users: dict[int, list[tuple[nn.Module, str]]] = {}
        for module in self.graph.model.modules():
            for key, parameter in module._parameters.items():
                if parameter is not None:
                    users.setdefault(id(parameter), []).append((module, key))
        for shared in (u for u in users.values() if len(u) > 1):
            slots: dict[str, list[tuple[Slot, int]]] = {}
            for module, key in shared:
                node = self.graph.module2node.get(module)
                kind = None if node is None else self.kinds[self.index[node]]
                for side in () if kind is None else kind.dims:
                    if key in kind.dims[side]:
                        slot = self._slot(node, side)
                        self.coupling.widths.setdefault(slot, self._width(node, side))
                        slots.setdefault(side, []).append((slot, kind.dims[side][key]))
            for tied in slots.values():
                first, dim = tied[0]
                every = np.arange(self.coupling.widths[first])
                for slot, other in tied:
                    if len(tied) < len(shared) or other != dim:
                        self.coupling.keep(slot, 'it shares a parameter with another kind of layer')
                    else:
                        self.coupling.link(first, every, slot, every)


def _uses_weight(fn, conv: nn.Module) -> bool:
    if len(fn.next_functions) < 2:
        return False
    return getattr(fn.next_functions[1][0], 'variable', None) is conv.weight


def _why_closed(layer: nn.Module | nn.Parameter, name: str) -> str:
    if isinstance(layer, nn.Parameter):
        return f"the channels of parameter '{name}' {tuple(layer.shape)} are not known"
    if isinstance(layer, nn.modules.conv._ConvNd):
        return f"'{name}' is a grouped convolution ({layer.groups} groups)"
    if isinstance(layer, (nn.LayerNorm, nn.RMSNorm)):
        shape = tuple(layer.normalized_shape)
        return f"{type(layer).__name__} '{name}' normalises over {shape}, channels and positions"
    return f"'{name}' ({type(layer).__name__}) is not a layer whose channels can be removed"
