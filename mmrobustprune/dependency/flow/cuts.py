"""The attribute of a module that says where its forward pass cuts channels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from inspect import isfunction
from types import CodeType

import numpy as np
from torch import nn

from mmrobustprune.dependency.attention import form_of
from mmrobustprune.dependency.groups import Cut

from .layout import Count, Passage

_WIDTH = re.compile('channel|feat|dim|plane|width|embed|hidden|unit|neuron|filter')
_COUNT = {'class', 'classes', 'cls', 'heads', 'layers', 'level', 'levels', 'blocks', 'stages'}
_COUNT |= {'stride', 'strides', 'size', 'area', 'ratio', 'max'}


def cuts_of(model: nn.Module, operation: str, name: str, count: Count) -> Iterator[Cut]:
    """Every attribute that may be the number: of its value, and read by the module's own methods.

    One without an attribute where there is none.

    Args:
        model: the network.
        operation: what cuts.
        name: of the module that ran it.
        count: the number.
    """
    module = model.get_submodule(name)
    read = names_read(type(module))
    found = False
    for key, value in vars(module).items():
        if key not in read:
            continue
        if type(value) is int and value == count.value:
            found = True
            yield Cut(operation, name, key)
        elif count.sizes and isinstance(value, (list, tuple)) and tuple(value) == count.sizes:
            found = True
            yield Cut(operation, name, key, count.place)
    if not found:
        yield Cut(operation, name)


def widths_given(
    model: nn.Module, operation: str, name: str, passage: Passage
) -> Iterator[tuple[Cut, np.ndarray]]:
    """Every attribute that a view may have taken a width from, with the channels that it counts.

    Its name speaks of one; an attention's numbers are those of its training.

    Args:
        model: the network.
        operation: the view.
        name: of the module that ran it.
        passage: of the channels through it.
    """
    layout = passage.layout
    if layout is None or form_of(model.get_submodule(name)) is not None:
        return
    _, first = np.unique(layout.index(layout.free), return_index=True)
    count = Count(layout.shape[layout.free], passage.source[first])
    for cut in cuts_of(model, operation, name, count):
        if speaks_of_width(cut.attribute):
            yield cut, count.channels


def speaks_of_count(attribute: str) -> bool:
    """Whether the name of an attribute says that it counts something else than channels."""
    return bool(_COUNT & set(attribute.lower().split('_')))


def speaks_of_width(attribute: str) -> bool:
    """Whether the name of an attribute says that it counts channels."""
    return bool(_WIDTH.search(attribute.lower())) and not speaks_of_count(attribute)


@cache
def names_read(kind: type) -> frozenset[str]:
    """The names of attributes that a class's methods read, its constructor aside."""
    found: set[str] = set()
    for one in kind.__mro__:
        if one.__module__.partition('.')[0] not in ('torch', 'builtins'):
            for name, method in vars(one).items():
                if isfunction(method) and name != '__init__':
                    found |= _names(method.__code__)
    return frozenset(found)


def _names(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found
