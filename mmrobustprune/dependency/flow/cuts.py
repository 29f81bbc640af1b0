"""The attribute of a module that says where its forward pass cuts channels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from inspect import isfunction
from types import CodeType

from torch import nn

from mmrobustprune.dependency.groups import Cut

from .layout import Count


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
