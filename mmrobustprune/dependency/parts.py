"""Layers that multiply by one weight in several ways, traced as the convolutions they consist of.

A class of such layers is made known by its written-out form, which says what these are and runs
them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from torch import nn

from .groups import Group, Slice, Trace


class LayerPart:
    """Mixed into a convolution that is one of the ways in which a layer uses its weight.

    It has the layer's own parameters, so that all parts lose the same channels.

    Attributes:
        whole: the layer, in a tuple, so that it is no submodule of its own.
    """

    whole: tuple[nn.Module]


class InParts(nn.Module):
    """What such a layer is while it is traced or counted; it has no parameters of its own then."""

    def parts(self) -> dict[str, nn.Module]:
        """The convolutions that run in a test, by names that the layer has not taken."""
        raise NotImplementedError


_FORMS: dict[type[nn.Module], type[InParts]] = {}


def register_parts(layer: type[nn.Module], form: type[InParts]) -> None:
    """Make a class of layers known; its subclasses, which may compute otherwise, are not.

    Args:
        layer: the class.
        form: computes the same with its `parts`, and is no subclass of it.
    """
    _FORMS[layer] = form


@contextmanager
def in_parts(model: nn.Module) -> Iterator[dict[str, str]]:
    """Inside, every such layer runs its parts; gives the name of each -> the layer's."""
    found = [(name, one) for name, one in model.named_modules() if type(one) in _FORMS]
    names: dict[str, str] = {}
    with ExitStack() as stack:
        for name, layer in found:
            for part in stack.enter_context(_written_out(layer)):
                names[f'{name}.{part}' if name else part] = name
        yield names


@contextmanager
def _written_out(layer: nn.Module) -> Iterator[list[str]]:
    own = type(layer)
    modules = dict(layer._modules)
    parameters = dict(layer._parameters)
    layer.__class__ = _FORMS[own]
    try:
        parts = layer.parts()
        layer._modules.update(parts)
        layer._parameters.clear()
        yield list(parts)
    finally:
        layer.__class__ = own
        layer._parameters.update(parameters)
        layer._modules.clear()
        layer._modules.update(modules)


def joined(found: Trace, names: Mapping[str, str]) -> Trace:
    """What was traced of parts, as of the layers they belong to.

    Args:
        found: of a network in parts.
        names: of each part -> of its layer.
    """
    groups = tuple(_joined_group(group, names) for group in found.groups)
    unprunable: dict[str, str] = {}
    for layer, why in found.unprunable.items():
        unprunable.setdefault(names.get(layer, layer), why)
    shapes: dict[str, float] = {}
    for layer, used in found.shapes.items():
        layer = names.get(layer, layer)
        shapes[layer] = shapes.get(layer, 0) + used
    return Trace(groups, unprunable, shapes)


def _joined_group(group: Group, names: Mapping[str, str]) -> Group:
    sides: dict[tuple[str, str], Slice] = {}
    for part in group.slices:
        layer = names.get(part.layer, part.layer)
        sides.setdefault((layer, part.side), replace(part, layer=layer))  # all parts lose the same
    name, mark, number = group.name.partition('#')
    return replace(group, name=names.get(name, name) + mark + number, slices=tuple(sides.values()))
