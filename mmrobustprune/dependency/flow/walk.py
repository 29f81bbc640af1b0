"""From layer to layer: the channels of every producer, followed to what reads them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from mmrobustprune.dependency.groups import Cut, Trace, find_layer, shared_parameters
from mmrobustprune.dependency.heads import Heads
from mmrobustprune.dependency.kinds import SOURCES, Kind, encloses, is_deformable, kind_of, produces
from mmrobustprune.dependency.recording import ForwardPass, between

from .arithmetic import enter, is_view
from .coupling import Coupling
from .cuts import cuts_of, widths_given
from .layers import enter_layer, even_parts, layout_of, uses_weight, why_closed
from .layout import Layout, Passage, Unknown, guessed
from .products import Products, is_product
from .tables import pinned, staying, table_behind, turned
from .writes import enter_write, is_write

OUTPUT = 'it is an output of the model'
Slot = tuple[int, str]  # (index of a node, 'in' | 'out', of a split 'out 1' and so on, too)


class ChannelWalk:
    """Follows the channels of every producer to the layers that read them.

    Attributes:
        tables: views that make a table, both sides of which a product reads -> its slot.

    Args:
        turned: those of them that lose the other side.
    """

    def __init__(
        self, graph: Any, record: ForwardPass, names: dict, heads: Heads, turned: Iterable = ()
    ):
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
        self.ways: dict[Slot, list] = {}  # slot -> (autograd node, input position, graph node,
        #                                          autograd node that the channels come from)
        self.slots: dict = {node: {self._slot(node, 'out')} for node in self.nodes}  # its outputs
        self.products = Products(
            self.index[node]
            for fn, node in self.owner.items()  # a layer's own product is a layer
            if self.kinds[self.index[node]] is None and fn and is_product(fn.name())
        )
        for slot in self.products.slots():
            self.slots[self.nodes[slot[0]]].add(slot)
        self.layouts: dict[Slot, Layout | None] = {}
        self.turned = set(turned)
        self.tables: dict[Any, Slot] = {}
        self.staying: list[Cut] = []
        inside = set(heads.inside)  # and nodes that an enclosing layer makes of its own
        made = {fn for fn, layer in record.made.items() if produces(layer)}
        for fn, source in record.fed.items():
            inside |= between(fn, source, made)
        for node, fns in self.doors.items():
            for fn in fns:
                if fn not in inside:
                    self._add_ways(fn, node)
        for source, sink, position in heads.ways():
            if source in self.owner:
                slot = self._slot(self.owner[source], 'out')
                way = (sink, position, self.owner[sink], source)
                self.ways.setdefault(slot, []).append(way)

    def _add_ways(self, fn: Any, node: Any) -> None:
        """The ways by which channels enter a graph node through one of its autograd nodes."""
        sources = fn.next_functions
        if fn in self.record.fed:
            sources = [(self.record.fed[fn], 0)]
        for position, (source, output) in enumerate(sources):
            if source in self.owner:
                slot = self._slot(self.owner[source], 'out')
                if output and self.kinds[slot[0]] is None:
                    slot = slot[0], f'out {output}'
                    self.slots[self.owner[source]].add(slot)
                self.ways.setdefault(slot, []).append((fn, position, node, source))

    def solve(self, ignored: dict[str, str]) -> Trace:
        self._keep_what_must_stay(ignored)
        self._spread()
        self._tie_shared_parameters()
        sides = {
            slot: (self._layer(self.nodes[slot[0]]), slot[1])
            for slot in self.coupling.widths
            if slot not in self.coupling.cuts and self.kinds[slot[0]] is not None
        }
        sides |= self.heads.tie(self.coupling, self._slot_of, self.owner, self.record.outputs)
        makers = {self._layer(node): node for node in self.nodes if produces(node.module)}
        groups, unprunable = self.coupling.solve(sides, set(makers), self.order)
        groups = pinned(groups, self.staying)
        for name, node in makers.items():  # grouped convolutions have no side of their own
            slot = self._slot(node, 'out')
            if slot not in sides and slot in self.coupling.reasons:
                unprunable[name] = self.coupling.reasons[slot]
        return Trace(groups, unprunable)

    def stuck(self) -> list:
        """The tables, after `solve`, none of whose entries can go."""
        return [fn for fn, slot in self.tables.items() if self.coupling.stays(slot)]

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

    def _into(self, node) -> list[Slot]:
        """The slots that channels come to when they enter a node."""
        side = self._slot(node, 'in')
        return [side] if side[1] == 'in' else sorted(self.slots[node])

    def _width(self, node, side: str) -> int:
        return self.kinds[self.index[node]].width(node.module, side)

    def _keep_what_must_stay(self, ignored: dict[str, str]) -> None:
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            slot = self._slot(node, 'out')
            layer = node.module
            name = self.name.get(id(layer))
            if name in ignored:
                self.coupling.keep(slot, f"it matches ignore pattern '{ignored[name]}'")
            for own in self.slots[node]:
                if any(fn in self.record.outputs for fn in self.doors[node]):
                    self.coupling.keep(own, OUTPUT)
                for fn in self.record.blind.keys() & self.doors[node]:
                    reader = self.record.blind[fn]
                    self.coupling.keep(own, f"'{reader}' reads it without gradients")
            if node.grad_fn in self.record.inputs:
                self.coupling.keep(slot, "its channels are tied to the model's input")
            if self._closed(node):
                self._poison(self._slot(node, 'in'), why_closed(layer, name))
                self._poison(slot, why_closed(layer, name))
            elif isinstance(layer, nn.modules.conv._ConvNd) and not encloses(layer):
                if not all(uses_weight(fn, layer) for fn in self.doors[node]):
                    self._poison(self._slot(node, 'in'), f"the weight of '{name}' is computed")
                    self._poison(slot, f"the weight of '{name}' is computed from other tensors")
            for side, (parts, what) in even_parts(layer).items():
                why = f"too few of its channels can go from each of the {what} of '{name}'"
                self.coupling.even(self._slot(node, side), parts, why)
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
                for _, position, node, _ in self.ways.get(slot, ()):
                    i = self.index[node]
                    if i in self.products.numbers:
                        stack.append(self.products.doubt(i, position, reason))
                    else:
                        stack += self._into(node)

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
            if kind is not None and (produces(node.module) or kind.name in SOURCES):
                width = self._width(node, 'out')
            elif node.grad_fn in self.record.inputs:
                shape = self.record.inputs[node.grad_fn]
                width = shape[-1 if len(shape) == 3 else 1] if len(shape) > 1 else 0
            if width:
                arrive(self._slot(node, 'out'), np.arange(width), width)
        while queue:
            slot = queue.popleft()
            for way in self.ways.get(slot, ()):
                for into in self._into(way[2]):
                    passage = self._passage(slot, way, into)
                    if passage is not None and passage.stays:
                        self.coupling.keep(into, passage.stays)
                        arrive(into, np.arange(passage.width), passage.width)
                        self.layouts[into] = passage.layout
                    elif passage is not None:
                        here = reached[slot][passage.source]
                        source = passage.source[here]
                        target = passage.target[here]
                        arrive(into, target, passage.width)
                        self.coupling.link(slot, source, into, target)
                        self._bind(slot, way, into, passage)
        for slot, mask in reached.items():
            if self.kinds[slot[0]] is not None and not mask.all():
                name = self._layer(self.nodes[slot[0]])
                self._poison(slot, f"a part of what '{name}' reads could not be followed")
        self.products.tie(self.coupling, reached)
        for slot, why in self.products.doubtful(self.layouts):
            self._poison(slot, why)

    def _bind(self, slot: Slot, way: tuple, into: Slot, passage: Passage) -> None:
        """What else a passage says of the channels on both sides."""
        what = way[0].name()
        self.layouts[into] = passage.layout
        if passage.together is not None:
            self.coupling.together(into, passage.together)
        if passage.parts is not None:
            why = f'too few of its channels can go from each of the parts of {what}'
            self.coupling.even(slot, passage.parts, why)
        call = self.record.calls.get(way[0])
        if way[0] in self.turned:
            self.staying += staying(self.graph.model, way[0], call.module, passage.layout)
        if call is not None and is_view(what) and not passage.counts:
            for cut, first in widths_given(self.graph.model, what, call.module, passage):
                self.coupling.count(cut, slot, first)
        for count in passage.counts:
            for cut in cuts_of(self.graph.model, what, '' if call is None else call.module, count):
                self.coupling.count(cut, slot, count.channels)

    def _layout(self, slot: Slot, fn: Any) -> Layout | None:
        """Where the channels of a slot lie in the tensor that an autograd node made."""
        node = self.nodes[slot[0]]
        width = self.coupling.widths[slot]
        if self.kinds[slot[0]] is None and slot in self.layouts:
            return self.layouts[slot]
        if isinstance(node.module, nn.Parameter):
            kind = self.kinds[slot[0]]
            shape = node.module.shape
            if kind is not None:
                return Layout.along(shape, kind.dims['out'][''])
            return guessed(shape, width)
        shape = self.record.inputs.get(fn) or self.record.sizes.get(fn)
        if shape is None and fn in self.record.calls:
            shape = self.record.calls[fn].output
        known = self.layouts.get(slot)  # of a norm, which leaves channels where they are
        if known and shape and len(shape) == len(known.shape) and not produces(node.module):
            return replace(known, shape=tuple(shape))
        return layout_of(node.module, shape, width)

    def _passage(self, slot: Slot, way: tuple, into: Slot) -> Passage | None:
        """How the channels of a slot enter the next one; None where they end."""
        fn, position, target, source = way
        width = self.coupling.widths[slot]
        try:
            if self._closed(target):
                self.coupling.keep(slot, self.coupling.reasons[into])
                return None
            layout = self._layout(slot, source)
            if self.kinds[into[0]] is not None:
                name = self._layer(target)
                if position and is_deformable(target.module):
                    self.coupling.keep(slot, f"'{name}' takes it as offsets or masks")
                    return None
                return enter_layer(target.module, name, layout, width)
            if fn in self.heads.sinks:
                return self.heads.enter(fn, position, width)
            several = sum(f is not None for f, _ in fn.next_functions) > 1
            if width == 1 and several and 'cat' not in fn.name().lower():
                return None  # one channel that is broadcast over the others
            output = int(into[1].partition(' ')[2] or 0)
            call = self.record.calls.get(fn)
            if is_write(fn):
                step = enter_write(fn, call, position, width, layout)
            else:
                step = enter(fn, call, position, width, layout, output)
            if fn in self.turned:
                step = turned(step)
            if is_product(fn.name()) and (table := table_behind(source, layout)):
                self.tables[table] = self._slot(self.owner[table], 'out')
                self.products.has_table(into[0])
            if step and self.coupling.widths.get(into, step.width) != step.width:
                raise Unknown(
                    f'{fn.name()} joins {self.coupling.widths[into]} and {step.width} channels'
                )
            known = self.layouts.get(into)
            if step and known and step.layout and known.axes != step.layout.axes:
                raise Unknown(f'{fn.name()} joins channels that lie along different axes')
            return step
        except Unknown as error:
            self.coupling.keep(slot, str(error))
            self._poison(into, str(error))
            return None

    def _slot_of(self, source: Any, side: str = 'out') -> Slot | None:
        """A side of what made an autograd node, or of a bare parameter of this name."""
        if isinstance(source, str):
            node = self.graph.module2node.get(find_layer(self.graph.model, source))
        else:
            node = self.owner.get(source)
        return None if node is None else self._slot(node, side)

    def _tie_shared_parameters(self) -> None:
        """Layers that share a parameter lose the same channels of it."""
        for shared in shared_parameters(self.graph.model):
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
