"""What must shrink together: torch-pruning's dependency graph, turned into groups.

torch-pruning links layers, bare parameters and operations through autograd. Which channel becomes
which is worked out here, from recorded shapes: its own index maps guess the order of chunks and
the width of inputs that carry no gradient.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch_pruning
from torch import nn
from torch_pruning.ops import OPTYPE

from mmrobustprune.flags import flags_restored

from .attention import spelled_out
from .embeddings import read_as_they_are
from .flow.walk import ChannelWalk
from .groups import Trace, loose_parameters, matching
from .heads import Heads
from .kinds import FAMILIES, is_deformable, produces
from .packed_attention import packed
from .partial import PartialForward, uses
from .parts import in_parts, joined
from .recording import Forward, ForwardPass, default_forward


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
    with spelled_out(model), in_parts(model) as parts:
        found = _trace(model, example, forward, ignore, attention)
        return joined(packed(model, found), parts)


def _trace(model: nn.Module, example: Any, forward: Forward | None, ignore, attention) -> Trace:
    names = _names(model)
    ignored = matching(names, [ignore] if isinstance(ignore, str) else ignore)
    record = ForwardPass()
    graph = _Graph(model)

    def run(model: nn.Module, example: Any) -> Any:
        made = record.run(model, example, forward or default_forward)
        return iter(made)  # torch-pruning takes lists apart, down to tensors

    with flags_restored(model):
        graph.read(run, example)
        read_as_they_are(model, graph.module2node, record)
        heads = Heads(record.attentions, attention)
        found = _followed(graph, record, names, heads, ignored)
    for name, layer in names.items():
        if produces(layer) and layer not in graph.module2node:
            ran = layer in record.ran
            why = 'it ran without gradients' if ran else 'it did not run in the traced forward'
            found.unprunable[name] = why
    in_order = {name: found.unprunable[name] for name in names if name in found.unprunable}
    shapes = record.shapes
    if isinstance(forward, PartialForward):
        shapes = uses(model, example, forward)
    return Trace(found.groups, in_order, shapes)


def _followed(graph: _Graph, record: ForwardPass, names: dict, heads: Heads, ignored) -> Trace:
    """Follow all channels; where no entry of a table can go, once more along its other side."""
    walk = ChannelWalk(graph, record, names, heads)
    found = walk.solve(ignored)
    stuck = walk.stuck()
    if not stuck:
        return found
    other = ChannelWalk(graph, record, names, heads, stuck).solve(ignored)
    return min(found, other, key=lambda trace: len(trace.unprunable))


class _Graph(torch_pruning.DependencyGraph):
    """The graph alone, without torch-pruning's index maps."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.verbose = False
        self.ignored_params = []
        self._module2name = {module: name for name, module in model.named_modules()}
        del self.REGISTERED_PRUNERS[OPTYPE.MHA]  # spelled out, it is linear layers
        deformable = [type(module) for module in model.modules() if is_deformable(module)]
        self.CUSTOMIZED_PRUNERS = dict.fromkeys([*FAMILIES, *deformable])  # not known to it

    def read(self, forward: Forward, example: Any) -> None:
        found = self._detect_unwrapped_parameters(None)
        self._param_to_name, self.unwrapped_parameters = found
        tables = [m.weight for m in self.model.modules() if isinstance(m, nn.Embedding)]
        self.unwrapped_parameters += [(weight, 1) for weight in tables]
        self.module2node = self._trace(self.model, example, forward, None)


def _names(model: nn.Module) -> dict[str, nn.Module | nn.Parameter]:
    """Every module, and every parameter of a module whose kind is not known, by name."""
    names: dict[str, nn.Module | nn.Parameter] = {}
    for name, module in model.named_modules():
        names[name] = module
        for key, parameter in loose_parameters(module):
            names[f'{name}.{key}' if name else key] = parameter
    return names
