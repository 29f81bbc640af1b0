"""Integers that repeat a width: attributes of a changed layer, and of the modules around it.

A block may keep `in_channels` for a method that is not a part of the forward pass, such as
RepVGG's `switch_to_deploy`; no certificate would see that it is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from inspect import isfunction
from types import CodeType
from typing import Any

from torch import nn

from mmrobustprune.dependency.attention import form_of
from mmrobustprune.dependency.flow.cuts import speaks_of_count, speaks_of_width
from mmrobustprune.dependency.groups import find_layer, loose_parameters, width
from mmrobustprune.dependency.kinds import GROUPS, KINDS, kind_of

from .record import Structure

_BUILDERS = {'build_conv_layer', 'build_norm_layer', 'build_linear_layer'}  # mmcv's
_INPUT = {'in', 'input', 'inputs', 'inp', 'inc', 'cin', 'inplanes'}
_OUTPUT = {'out', 'output', 'outputs', 'oup', 'outc', 'cout', 'outplanes'}
_EMBEDDING = {'embed', 'embedding'}  # what the norms of a transformer normalise
_OUTPUT |= {'feat', 'features'} | _EMBEDDING  # what a backbone gives


@dataclass(frozen=True)
class Side:
    """One side of a layer, with its dense and its new width.

    Attributes:
        reads: whether it is an input; a layer of one width, such as a normalisation, has both.
        makes: whether it is an output.
        normed: whether the layer is a norm across channels.
    """

    layer: str
    reads: bool
    makes: bool
    dense: int
    new: int
    normed: bool = False


def repeated_widths(model: nn.Module, structure: Structure) -> Iterator[tuple[nn.Module, str, Any]]:
    """(module, attribute, new value) of every attribute that repeats a changed width.

    Of a layer these are the attributes of its kind. Of the modules around it: every attribute
    that equals a dense width below it, and whose name speaks of a width or which a method reads
    that makes layers anew; and the `groups` of a layer that loses some. It repeats the first input
    or the last output of that width, where its name says which, and an embedding what all norms
    across channels of that width became; else the only width that the old one has become below the
    module, if there is only one. Lists of widths follow number by number.

    Args:
        model: the dense network.
        structure: the record of what it loses.
    """
    for name, record in structure.layers.items():
        layer = find_layer(model, name)
        if isinstance(layer, nn.Module):
            kind = kind_of(layer)
            for side in [side for side in kind.widths if side in record]:
                for attribute, value in kind.resized(layer, side, len(record[side])).items():
                    yield layer, attribute, value
                    if attribute == 'groups':
                        yield from _around(model, name, layer.groups, value)
    sides = list(_sides(model, structure))
    changed = {side.dense for side in sides if side.new != side.dense}
    for name, module in model.named_modules():
        if name in structure.layers or form_of(module) is not None:
            continue  # an attention's numbers are those of its training, such as its scale
        below = partial(_below, sides, module, name)
        attributes = {key: value for key, value in vars(module).items() if type(value) is int}
        for attribute, value in attributes.items():
            if value in changed and _may_be_width(module, attribute):
                new = _follow(attribute, value, below(attribute, value))
                if new != value:
                    yield module, attribute, new
        for attribute, values in vars(module).items():
            if _are_widths(attribute, values) and changed.intersection(values):
                new = type(values)(
                    _follow(attribute, value, below(attribute, value)) for value in values
                )
                if new != values:
                    yield module, attribute, new


def _around(
    model: nn.Module, name: str, groups: int, new: int
) -> Iterator[tuple[nn.Module, str, int]]:
    """The modules around a layer that lost groups which repeat their number."""
    while name:
        name = name.rpartition('.')[0]
        module = model.get_submodule(name)
        if vars(module).get('groups') == groups:
            yield module, 'groups', new


def _sides(model: nn.Module, structure: Structure) -> Iterator[Side]:
    """The sides of all layers whose channels can be removed, in the order of the modules."""
    for name in _layer_names(model):
        layer = find_layer(model, name)
        if type(layer) in KINDS:  # its numbers are none of the modules around it
            continue
        kind = kind_of(layer)
        for side in kind.dims if kind is not None else ():
            record = structure.layers.get(name, {})
            dense = width(model, name, side)
            new = len(record[side]) if side in record else dense
            alone = len(kind.dims) == 1
            yield Side(name, alone or side == 'in', alone or side == 'out', dense, new, kind.aware)
            if kind is GROUPS:  # what it reads is in proportion
                reads = find_layer(model, name).in_channels
                yield Side(name, True, False, reads, new * reads // dense)


def _layer_names(model: nn.Module) -> Iterator[str]:
    """Every module, and every parameter of a module that is no layer of a known kind."""
    for name, module in model.named_modules():
        yield name
        for key, _ in loose_parameters(module):
            yield f'{name}.{key}' if name else key


def _below(
    sides: list[Side], module: nn.Module, name: str, attribute: str, width: int
) -> list[Side]:
    """Those of a dense width below a module, or below a child that an attribute is named after.

    `encoder_embed_dims` beside `encoder` speaks of that one.
    """
    named = [child for child, _ in module.named_children() if attribute.startswith(f'{child}_')]
    child = max(named, key=len, default='')
    for path in (f'{name}.{child}', name):
        prefix = f'{path.strip(".")}.' if path.strip('.') else ''
        found = [side for side in sides if side.dense == width and side.layer.startswith(prefix)]
        if found:
            return found
    return []


def _follow(attribute: str, value: int, below: list[Side]) -> int:
    """What becomes of an attribute that equals the dense width of the sides below its module."""
    words = set(attribute.lower().split('_'))
    if words & _INPUT:
        reading = [side for side in below if side.reads]
        return next((side.new for side in _clear(reading)), value)
    normed = {side.new for side in below if side.normed}
    if words & _EMBEDDING and len(normed) == 1:
        return normed.pop()
    if words & _OUTPUT:
        making = [side for side in below if side.makes]
        return next((side.new for side in reversed(_clear(making))), value)
    found = {side.new for side in below}
    return found.pop() if len(found) == 1 else value


def _are_widths(attribute: str, values: Any) -> bool:
    """Whether an attribute lists widths: integers, under a name that speaks of one."""
    if type(values) not in (list, tuple) or not all(type(value) is int for value in values):
        return False
    return speaks_of_width(attribute)


def _clear(sides: list[Side]) -> list[Side]:
    """Those that are an input or an output alone, where there are any.

    A normalisation may stand before or behind what it is registered with.
    """
    return [side for side in sides if side.reads != side.makes] or sides


def _may_be_width(module: nn.Module, attribute: str) -> bool:
    if attribute.lower() == 'groups':  # they follow those of a layer
        return False
    if speaks_of_count(attribute):
        return False
    if speaks_of_width(attribute):
        return True
    return any(attribute in names for names in _building_methods(type(module)))


def _building_methods(kind: type) -> list[set[str]]:
    """The names in each method that makes layers, the constructor and the forward pass aside.

    A method that makes none, a loss for instance, may read numbers that happen to be as large.
    """
    methods = _names_in_methods(kind).values()
    return [names for names in methods if any(map(_makes_a_layer, names))]


def _makes_a_layer(name: str) -> bool:
    made = getattr(nn, name, None)
    return name in _BUILDERS or isinstance(made, type) and issubclass(made, nn.Module)


def _names_in_methods(kind: type) -> dict[str, set[str]]:
    """The names in each method of a module's own classes, save those that make or run it."""
    found: dict[str, set[str]] = {}
    for one in kind.__mro__:
        if one.__module__.partition('.')[0] not in ('torch', 'builtins'):
            for name, method in vars(one).items():
                if isfunction(method):
                    found.setdefault(name, set()).update(_names(method.__code__))
    excluded = {'__repr__', 'extra_repr'}
    reached = ['__init__', 'forward']
    while reached:
        name = reached.pop()
        excluded.add(name)
        reached += [inner for inner in found.get(name, ()) if inner in found.keys() - excluded]
    return {name: names for name, names in found.items() if name not in excluded}


def _names(code: CodeType) -> set[str]:
    """The names of attributes that a function reads, inner functions included."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found
