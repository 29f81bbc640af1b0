"""Runs of attentions in a forward pass: where their heads come from, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from .attention import HeadLayout, attentions


@dataclass(frozen=True, eq=False)
class AttentionRun:
    """One run of an attention in a forward pass.

    Attributes:
        name: of the module.
        layout: where the channels of its heads lie.
        given: the autograd nodes of what the module was called with.
        sources: submodule that the heads are taken from -> the node of its output.
        sink: the node of what the output projection reads.
        inside: the nodes from the sink back to the sources.
        beside: nodes of `given` that something inside reads, besides the sources.
    """

    name: str
    layout: HeadLayout
    given: set
    sources: dict[str, Any]
    sink: Any
    inside: set = field(init=False, default_factory=set)
    beside: set = field(init=False, default_factory=set)

    def __post_init__(self):
        sources = set(self.sources.values())
        stack = [self.sink]
        while stack:
            node = stack.pop()
            if node in self.given:
                self.beside.add(node)
            elif node is not None and node not in sources and node not in self.inside:
                self.inside.add(node)
                stack += [before for before, _ in node.next_functions]


def watch(model: nn.Module, runs: list[AttentionRun]) -> Iterator[RemovableHandle]:
    """Hooks that add every run of the model's attentions to `runs`."""
    for name, module, _, layout in attentions(model):
        given: set = set()
        made: dict[str, Any] = {}
        yield module.register_forward_pre_hook(partial(_open, given), with_kwargs=True)
        children = dict(module.named_modules())
        for source in {place.source for place in layout.places} & children.keys() - {''}:
            yield children[source].register_forward_hook(partial(_note, made, source))
        close = partial(_close, runs, partial(AttentionRun, name, layout), given, made)
        yield children[layout.output].register_forward_pre_hook(close)


def _open(given: set, module: nn.Module, args: tuple, kwargs: dict) -> None:
    given.clear()
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    given |= {leaf.grad_fn for leaf in leaves} - {None}


def _note(made: dict, source: str, module: nn.Module, args: tuple, output: Tensor) -> None:
    made[source] = output.grad_fn


def _close(
    runs: list, run: Callable, given: set, made: dict, module: nn.Module, args: tuple
) -> None:
    if args[0].grad_fn is not None:
        runs.append(run(set(given), dict(made), args[0].grad_fn))
