"""The record of a surgery: plain JSON, enough to rebuild the pruned network from the dense one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from mmrobustprune.dependency.groups import find_layer
from mmrobustprune.dependency.kinds import Kind, kind_of
from mmrobustprune.records.files import write_file
from mmrobustprune.records.stamp import own_versions

FORMAT = 1


@dataclass
class Structure:
    """Which channels every changed layer keeps.

    Attributes:
        layers: name -> its `kind`, the dense `shape` of its weight, and the kept indices `out` and
            `in` of the sides that lost channels. A grouped-kernel layer has `groups`, its `kept`
            input channels per group, and the new places `out_index` of its filters, which the
            layer itself undoes where `restored` (see `GroupedRecord`); a permutation that it does
            not undo stands as `out` and `in` with the layers behind it.
        method: how they were chosen.
        achieved: which fraction was removed ('channels', 'params', 'macs').
        versions: of the libraries that wrote the record.
        numbers: module -> {attribute: new value} of integers, and lists of them, at which the
            forward pass splits, slices or folds channels.
    """

    layers: dict[str, dict]
    method: str
    achieved: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=own_versions)
    numbers: dict[str, dict[str, int | list[int]]] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Plain JSON types only."""
        return dict(
            format=FORMAT,
            method=self.method,
            achieved=dict(self.achieved),
            versions=dict(self.versions),
            layers={name: dict(record) for name, record in self.layers.items()},
            numbers={name: dict(values) for name, values in self.numbers.items()},
        )

    @classmethod
    def from_dict(cls, data: dict) -> Structure:
        """The record that `to_dict` wrote.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(data, dict) or not isinstance(data.get('layers'), dict):
            raise ValueError(
                f"a structure record is a dict with 'layers', not {type(data).__name__}; "
                'give the structure.json that the pruning run wrote.'
            )
        if data.get('format') != FORMAT:
            raise ValueError(
                f'structure format {data.get("format")!r} is not known to this '
                f'version (it reads {FORMAT}); use the version that wrote it.'
            )
        lacking = [key for key in ('method', 'achieved', 'versions') if key not in data]
        if lacking:
            raise ValueError(
                f"the structure record lacks '{lacking[0]}'; "
                'give the structure.json that the pruning run wrote.'
            )
        numbers = data.get('numbers', {})  # records of earlier versions have none
        return cls(data['layers'], data['method'], data['achieved'], data['versions'], numbers)

    def summary(self) -> str:
        """Method and removed fractions in a few words."""
        shares = ', '.join(f'{share:.1%} of {what}' for what, share in self.achieved.items())
        return f'{self.method}: {shares} removed'

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Structure:
        """The record that `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f'the structure record is not JSON ({error}); '
                'give the structure.json that the pruning run wrote.'
            ) from None
        return cls.from_dict(data)

    def check(self, model: nn.Module) -> None:
        """Refuse a dense model that is not the one that was pruned.

        Sides that nothing was removed from may have another width: the head of another task.

        Raises:
            ValueError: a layer of the record does not fit; the first one is named.
        """
        for name, record in self.layers.items():
            try:
                layer = find_layer(model, name)
            except ValueError:
                raise ValueError(
                    'the structure does not fit this model: it has no layer '
                    f"'{name}'; give the record of this model."
                ) from None
            kind = kind_of(layer)
            shape = dense_shape(layer)
            if kind is None or record['kind'] != kind.name or not _fits(record, kind, shape):
                found = f'{kind.name if kind else type(layer).__name__} {shape}'
                raise ValueError(
                    f"the structure does not fit this model at '{name}': recorded "
                    f'{record["kind"]} {record["shape"]}, found {found}; give the dense model that '
                    'was pruned.'
                )
        modules = dict(model.named_modules())
        for name, values in self.numbers.items():
            lacking = [key for key in values if key not in vars(modules.get(name, self))]
            if name not in modules or lacking:
                raise ValueError(
                    f"the structure does not fit this model: its module '{name}' has no number "
                    f"'{next(iter(lacking or values))}'; give the dense model that was pruned."
                )


def _fits(record: dict, kind: Kind, shape: list[int]) -> bool:
    """Whether a weight has the recorded shape, but for the sides that keep all of theirs."""
    free = set()
    if 'kept' not in record:
        free = {next(iter(dims.values())) for side, dims in kind.dims.items() if side not in record}
    expected = record['shape']
    return len(shape) == len(expected) and all(
        ours == theirs or dim in free
        for dim, (ours, theirs) in enumerate(zip(shape, expected, strict=True))
    )


def dense_shape(layer: nn.Module | nn.Parameter) -> list[int]:
    """Shape of a layer's weight (of what a normalisation has instead, or its width)."""
    if isinstance(layer, nn.Parameter):
        return list(layer.shape)
    for name in ('weight', 'in_proj_weight', 'running_mean'):
        if getattr(layer, name, None) is not None:
            return list(getattr(layer, name).shape)
    kind = kind_of(layer)
    return [0] if kind is None else [kind.width(layer, 'out')]


def save_structure(path: str | os.PathLike, structure: Structure) -> None:
    """Write the record as JSON, whole or not at all."""
    write_file(path, structure.to_json().encode())


def load_structure(path: str | os.PathLike) -> Structure:
    """Read a record.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no record.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no structure file '{path}'; "
            'it lies beside the pruned checkpoint as structure.json.'
        )
    return Structure.from_json(path.read_text())
