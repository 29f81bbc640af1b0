"""Which channels of which tensors disappear together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from .kinds import is_fixed, kind_of, produces


def weighted_layers(model: nn.Module, fixed: bool = False) -> dict[str, nn.Module]:
    """Every convolution and linear layer by name, in registration order.

    Args:
        fixed: also those whose weights are constants of the architecture.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if produces(module) and (fixed or not is_fixed(module))
    }


def learned(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a model, each once, without constants of the architecture."""
    constant: set[int] = set()
    for layer in model.modules():
        if is_fixed(layer):
            constant |= {id(p) for p in layer.parameters(recurse=False)}
    return [p for p in model.parameters() if id(p) not in constant]


def find_layer(model: nn.Module, name: str) -> nn.Module | nn.Parameter:
    """The module or bare parameter of that name.

    Raises:
        ValueError: the model has none.
    """
    found = model
    for part in name.split('.') if name else ():
        child = found._modules.get(part) if isinstance(found, nn.Module) else None
        found = getattr(found, part, None) if child is None else child
    if not isinstance(found, (nn.Module, nn.Parameter)):
        raise ValueError(f"the model has no layer '{name}'; give the model that was traced.")
    return found


def tensors(model: nn.Module, layer: str, side: str) -> Iterator[tuple[str, Tensor, int]]:
    """(full name, tensor, dimension) of every parameter and buffer with channels on that side."""
    found = find_layer(model, layer)
    kind = kind_of(found)
    for name, dim in kind.dims.get(side, {}).items():
        tensor = getattr(found, name, None) if name else found  # some have no bias at all
        if tensor is not None:
            yield (f'{layer}.{name}' if name else layer), tensor, dim


def loose_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """A module's own parameters that its kind does not know, which are layers by themselves."""
    kind = kind_of(module)
    known = set().union(*kind.dims.values()) if kind is not None else ()
    for name, parameter in module.named_parameters(recurse=False):
        if name not in known:
            yield name, parameter


def width(model: nn.Module, layer: str, side: str) -> int:
    """Number of channels of a layer's side."""
    found = find_layer(model, layer)
    return kind_of(found).width(found, side)


@dataclass(frozen=True, eq=False)
class Slice:
    """One tensor side that loses channels when a unit of the group goes.

    Attributes:
        layer: a name in `model.named_modules()` or the full name of a bare parameter.
        side: 'out' or 'in'; normalisations, depthwise convolutions and bare parameters only have
            'out'.
        index: (units, k) int64, the channels of that side that belong to each unit.
    """

    layer: str
    side: str
    index: Tensor

    def channels(self, units: Tensor) -> Tensor:
        """The channels (n,) of the units that a mask (units,) selects."""
        return self.index.to(units.device)[units].flatten()


@dataclass(frozen=True)
class Cut:
    """A place at which an operation splits, slices or folds channels, as a number in the model.

    Attributes:
        operation: its name.
        module: the module that ran it.
        attribute: of the module, the integer that says where; '' where there is none, the number
            may be computed from a width.
        place: which one it is, where the attribute is a list or tuple.
        channels: how many of the channels that it counts go with a unit.
    """

    operation: str
    module: str
    attribute: str = ''
    place: int | None = None
    channels: int = 0


@dataclass(frozen=True, eq=False)
class Group:
    """Slices that must shrink together.

    Attributes:
        name: the first layer that produces the channels.
        units: their number.
        slices: what a unit takes along.
        cuts: numbers that count its channels.
    """

    name: str
    units: int
    slices: tuple[Slice, ...]
    cuts: tuple[Cut, ...] = ()

    def explain(self) -> str:
        """The dependency chain, one line per tensor side."""
        lines = [f'{self.name}: {self.units} units, one unit is']
        for part in self.slices:
            count = part.index.shape[1]
            side = {'in': 'input', 'out': 'output'}[part.side]
            lines.append(f'  {count} {side} channel{"s" * (count > 1)} of {part.layer}')
        return '\n'.join(lines)


@dataclass(frozen=True, eq=False)
class Trace:
    """What can be pruned in a model.

    Attributes:
        groups: disjoint on every (layer, side, channel).
        unprunable: each layer whose width stays, with the reason.
        shapes: output positions of each convolution and linear layer that ran, summed over its
            calls (input positions for a transposed convolution), so that
            MACs = weights * positions; the mean over queries, keys and values where these share
            one weight.
    """

    groups: tuple[Group, ...]
    unprunable: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, float] = field(default_factory=dict)

    def explain(self) -> str:
        """Every dependency chain, then what is unprunable and why."""
        chains = [group.explain() for group in self.groups]
        left = [f'{layer}: unprunable, {why}' for layer, why in self.unprunable.items()]
        return '\n'.join(chains + left)


def matching(names: Iterable[str], patterns: Iterable[str]) -> dict[str, str]:
    """Name -> the first pattern that matches it: a name, a prefix, or an fnmatch pattern.

    Raises:
        ValueError: a pattern matches nothing; the nearest name is named.
    """
    names = list(names)
    found: dict[str, str] = {}
    for pattern in patterns:
        hits = [
            name
            for name in names
            if name == pattern or name.startswith(f'{pattern}.') or fnmatchcase(name, pattern)
        ]
        if not hits:
            near = ''.join(f' (nearest: {n})' for n in get_close_matches(pattern, names, 1, 0.3))
            raise ValueError(
                f"pattern '{pattern}' matches no layer{near}; give names of "
                "model.named_modules(), prefixes, or patterns such as '*.conv3'."
            )
        for name in hits:
            found.setdefault(name, pattern)
    return found


def spread(
    scores: dict[str, Tensor], groups: tuple[Group, ...], layers: dict[str, int]
) -> dict[str, Tensor]:
    """Unit scores laid out per output channel of each layer (name -> width).

    A channel that no unit takes along has the mean of its layer's others: it competes with none of
    them, and neither is the least nor the most of the layer.
    """
    out: dict[str, Tensor] = {}
    taken: dict[str, Tensor] = {}
    for group in groups:
        for part in group.slices:
            if part.side == 'out' and part.layer in layers:
                value = scores[group.name]
                index = part.index.to(value.device)
                row = out.setdefault(part.layer, value.new_zeros(layers[part.layer]))
                row[index] = value[:, None]
                taken.setdefault(part.layer, torch.zeros_like(row, dtype=torch.bool))[index] = True
    return {
        name: torch.where(taken[name], row, row[taken[name]].mean()) for name, row in out.items()
    }


def part_of(group: Group, units: Tensor) -> Group:
    """The group as if it had only the units that a mask, bool (units,), selects."""
    slices = tuple(replace(part, index=part.index[units]) for part in group.slices)
    return replace(group, units=int(units.sum()), slices=slices)


def full(groups: tuple[Group, ...]) -> dict[str, Tensor]:
    """The alive masks (units,) of a network from which nothing was removed."""
    return {group.name: torch.ones(group.units, dtype=torch.bool) for group in groups}


def numbers_left(
    model: nn.Module, groups: Iterable[Group], alive: dict[str, Tensor]
) -> dict[str, dict[str, int | list[int]]]:
    """module -> {attribute: its new value} of every cut through groups that lose units."""
    left: dict[str, dict[str, int | list[int]]] = {}
    for group in groups:
        lost = int((~alive[group.name]).sum())
        counted = {(cut.module, cut.attribute, cut.place): cut for cut in reversed(group.cuts)}
        for cut in counted.values() if lost else ():
            if cut.attribute:
                value = getattr(model.get_submodule(cut.module), cut.attribute)
                values = left.setdefault(cut.module, {})
                old = values.get(cut.attribute, list(value) if cut.place is not None else value)
                if cut.place is None:
                    old -= lost * cut.channels
                else:
                    old[cut.place] -= lost * cut.channels
                values[cut.attribute] = old
    return left


def halves(groups: tuple[Group, ...]) -> dict[str, Tensor]:
    """The masks (units,) that keep every second unit of each group."""
    return {group.name: torch.arange(group.units) % 2 == 0 for group in groups}


def shared_parameters(model: nn.Module) -> Iterator[list[tuple[nn.Module, str]]]:
    """Every parameter that several modules have: the modules, and its name in each."""
    users: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                users.setdefault(id(parameter), []).append((module, key))
    yield from (found for found in users.values() if len(found) > 1)
