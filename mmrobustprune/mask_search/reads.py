"""Which layer reads what, found by one forward pass: the widths that FLOPs depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from mmrobustprune.dependency.groups import weighted_layers
from mmrobustprune.dependency.kinds import blocks_of, kind_of, positions
from mmrobustprune.flags import flags_restored


@dataclass
class Read:
    """What one layer does in a forward pass of one image.

    Attributes:
        positions: how often its weights are used.
        sources: the layers whose outputs reach it with no other layer in between (none: it reads
            the image).
        twin: the first layer that reads the very same tensor.
        consumer: the first layer that reads its output (None: an output).
    """

    positions: int = 0
    sources: set[str] = field(default_factory=set)
    twin: str | None = None
    consumer: str | None = None


def find_reads(model: nn.Module, input_shape: tuple[int, ...]) -> dict[str, Read]:
    """{layer: Read} in the order of execution, for one image of shape (C, H, W).

    The model is called in evaluation mode and left as it was.

    Raises:
        ValueError: it cannot be called with one tensor of that shape, or no layer ran.
    """
    reads = _Reads(model)
    try:
        reads.run(input_shape)
    except (RuntimeError, TypeError, ValueError) as problem:
        raise ValueError(
            f'the network cannot be called with one image of shape {tuple(input_shape)} '
            f'({str(problem).strip().splitlines()[0]}); give the input_shape (C, H, W) it is '
            'trained on.'
        ) from problem
    for name, read in reads.found.items():
        for source in read.sources:
            maker = reads.found[source]
            maker.consumer = maker.consumer or name
    return reads.found


def first_of_stream(sources: Mapping[str, set[str]]) -> dict[str, str]:
    """{layer: the first layer that reads of the same stream}.

    Two layers read of one stream where a layer's output reaches both, with none in between, or
    both are joined by others in that way: all readers of a residual stream, up to the shortcut that
    begins the next one.

    Args:
        sources: {layer: the layers whose outputs it reads}, in the order of execution.
    """
    streams: list[tuple[set[str], list[str]]] = []
    for name, own in sources.items():
        joined = [one for one in streams if one[0] & own]
        merged = set(own).union(*(found for found, _ in joined))
        readers = list(chain.from_iterable(names for _, names in joined))
        streams = [one for one in streams if one not in joined] + [(merged, [*readers, name])]
    order = list(sources)
    firsts = {}
    for _, readers in streams:
        first = min(readers, key=order.index)
        firsts.update(dict.fromkeys(readers, first))
    return firsts


def input_dim(layer: nn.Module) -> int | None:
    """The dimension of a layer's weight with its input channels; None in grouped convolutions."""
    kind = kind_of(layer)
    alone = kind and 'in' in kind.dims and blocks_of(layer, 'in') == 1
    return kind.dims['in']['weight'] if alone else None


class _Reads:
    """One forward pass, watched."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.names = {module: name for name, module in weighted_layers(model).items()}
        self.found: dict[str, Read] = {}
        self.made: dict[Node, str] = {}  # the layer whose output a node of the graph is
        self.inputs: dict[str, Tensor] = {}  # the tensor that a layer reads

    def run(self, input_shape: tuple[int, ...]) -> None:
        handles = [module.register_forward_hook(self._after) for module in self.names]
        try:
            with torch.enable_grad(), flags_restored(self.model):
                self.model.eval()
                image = next(self.model.parameters()).new_zeros(1, *input_shape)
                self.model(image.requires_grad_() * 1)
        finally:
            for handle in handles:
                handle.remove()

    def _after(self, module: nn.Module, args: tuple, output: Tensor) -> None:
        name = self.names[module]
        given = args[0]
        read = self.found.setdefault(name, Read())
        read.positions += positions(module, given, output)
        read.sources |= _sources(given.grad_fn, self.made)
        read.twin = read.twin or self._reader_of(given) or name
        self.inputs[name] = given
        self.made[output.grad_fn] = name

    def _reader_of(self, tensor: Tensor) -> str | None:
        for name, seen in self.inputs.items():
            if seen is tensor:
                return name
        return None


def _sources(start: Node | None, made: Mapping[Node, str]) -> set[str]:
    """The layers whose outputs an autograd node is made of, looking no further than each."""
    found = set()
    seen = set()
    stack = [start]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in made:
            found.add(made[node])
        else:
            stack += [before for before, _ in node.next_functions]
    return found
