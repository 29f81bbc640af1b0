"""The largest fraction of its units that a group may lose, by patterns of layer names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import nn

from mmrobustprune.dependency.groups import Group, matching
from mmrobustprune.records.files import read_json

Ratios = Mapping[str, float] | str | os.PathLike


def read_ratios(ratios: Ratios) -> dict[str, float]:
    """Limits as {pattern: most}, from a JSON file where a path is given.

    Args:
        ratios: pattern (a name, a prefix or an fnmatch pattern of layers) -> the largest fraction
            removed, in [0, 1]; 0 leaves a group as it is. Or the path of a file that holds this, as
            `tools/analyze.py sensitivity` writes it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds something else, or a number is out of its range.
    """
    given = ratios
    if isinstance(ratios, (str, os.PathLike)):
        if not Path(ratios).is_file():
            raise FileNotFoundError(
                f"ratios='{ratios}' is not there; give {{pattern: most}}, or the ratios.json of "
                'tools/analyze.py sensitivity.'
            )
        given = read_json(ratios)
    if not isinstance(given, Mapping):
        raise ValueError(f"ratios={ratios!r} is no {{pattern: most}}; write {{'layer1': 0.3}}.")
    for pattern, most in given.items():
        number = isinstance(most, (int, float)) and not isinstance(most, bool)
        if not number or not 0 <= most <= 1:
            raise ValueError(
                f"ratios give '{pattern}' {most!r}, which is no fraction in [0, 1]; 0.3 lets three "
                'tenths of each of its groups go.'
            )
    return dict(given)


def limits_of(
    model: nn.Module, groups: Iterable[Group], ratios: Ratios, what: str = 'ratios'
) -> dict[str, float]:
    """{name of a group: the largest fraction of its units removed}, where a pattern matches it.

    A pattern matches a group when it matches a layer that makes its channels. One that matches only
    layers that lose nothing anyway changes nothing.

    Raises:
        FileNotFoundError, ValueError: as `read_ratios`; a pattern that matches no layer, or two
            that give a group different limits.
    """
    ratios = read_ratios(ratios)
    names = [name for name, _ in model.named_modules()]
    groups = tuple(groups)
    _refuse_another_network(names, ratios, what)
    found: dict[str, tuple[float, str]] = {}
    for pattern, most in ratios.items():
        layers = matching(names, [pattern])
        for group in groups:
            if not any(part.side == 'out' and part.layer in layers for part in group.slices):
                continue
            known, other = found.setdefault(group.name, (most, pattern))
            if known != most:
                raise ValueError(
                    f"{what} give the channels of '{group.name}' {known} by '{other}' and {most} "
                    f"by '{pattern}'; let one pattern match the layers that make them."
                )
    return {name: most for name, (most, _) in found.items()}


def _refuse_another_network(names: list[str], ratios: Mapping[str, float], what: str) -> None:
    strange = {}
    for pattern in ratios:
        try:
            matching(names, [pattern])
        except ValueError as problem:
            strange[pattern] = problem
    if len(strange) == 1:
        (problem,) = strange.values()
        raise ValueError(f'{what}: {problem}') from problem
    if strange:
        first = ', '.join(f"'{pattern}'" for pattern in list(strange)[:3])
        raise ValueError(
            f'{what} are those of another network: {len(strange)} of {len(ratios)} patterns match '
            f'no layer of this one ({first}, ...); let tools/analyze.py sensitivity write its own, '
            'or give patterns of the names in model.named_modules().'
        )
