"""A gate for CI: bounds on the numbers of runs, one line for every number beyond its bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mmrobustprune.corruption.suites import SUITES
from mmrobustprune.naming import nearest

HIGH = ('P', 'mPC', 'rPC', 'R_C')
LOW = ('mCE', 'relative_mCE', 'params', 'macs', 'latency')  # better when low
_CELLS = dict.fromkeys(chain.from_iterable(suite.choose('all') for suite in SUITES.values()))
_KINDS = dict.fromkeys(cell.corruption for cell in _CELLS)
KNOWN = (*HIGH, *LOW, *_KINDS, *(f'{cell.corruption}-{cell.severity}' for cell in _CELLS))
EXIT_CODE = 3


def parse_bounds(texts: Sequence[str], over: bool = False) -> dict[str, float]:
    """'NAME=VALUE' texts as a mapping, lower bounds or (`over`) upper ones.

    Raises:
        ValueError: a text that is no NAME=VALUE, a value that is no finite number, a name given
            twice or that no run can have, or a bound in the wrong direction.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition('='))
        try:
            bound = float(value)
        except ValueError:
            bound = math.nan
        if not name or not math.isfinite(bound):
            raise ValueError(
                f"the bound '{text}' cannot be read; "
                'give NAME=VALUE with a number, such as rPC=0.55 or mCE=70.'
            )
        if name in found:
            raise ValueError(f"'{name}' has two bounds, {found[name]:g} and {bound:g}; give one.")
        if name not in KNOWN:
            raise ValueError(
                f"there is no '{name}' to bound{nearest(name, KNOWN)}; "
                f'bound one of {", ".join((*HIGH, *LOW))}, a corruption, '
                'or a cell as CORRUPTION-SEVERITY.'
            )
        _refuse_direction(name, over)
        found[name] = bound
    return found


def failures(
    results: Mapping[str, Mapping[str, Any]], under: Mapping[str, float], over: Mapping[str, float]
) -> list[str]:
    """One line for every number of every run that is below its lower bound or above its upper one.

    Args:
        results: run -> what results.json holds; it may hold params, macs and latency of cost.json.
        under: lower bounds of P, mPC, rPC, R_C, a corruption ('fog', its mean over severities) or a
            cell ('fog-3').
        over: upper bounds of mCE, relative_mCE, params, macs, latency.
    Raises:
        ValueError: a bound in the wrong direction, or a run without that number: that is no pass.
    """
    for bounds, low in ((under, False), (over, True)):
        for name in bounds:
            _refuse_direction(name, low)
    lines = []
    for run, content in results.items():
        numbers = _numbers(content)
        for name, bound in {**under, **over}.items():
            value = _value(run, name, numbers)
            if name in under and value < bound:
                lines.append(f'{run}: {name} is {value:.6g}, below {bound:g}')
            elif name in over and value > bound:
                lines.append(f'{run}: {name} is {value:.6g}, above {bound:g}')
    return lines


def _refuse_direction(name: str, over: bool) -> None:
    if (name in LOW) != over:
        raise ValueError(
            f'{name} is better when {"high" if over else "low"}; bound it with '
            f'{"--fail-under" if over else "--fail-over"}.'
        )


def _numbers(results: Mapping[str, Any]) -> dict[str, float | None]:
    """Every number that a bound may name; one that could not be taken is None."""
    found = {name: results[name] for name in (*HIGH, *LOW) if name in results}
    found |= results.get('per_corruption', {})
    cells = {
        f'{cell["corruption"]}-{cell["severity"]}': cell.get(results['metric'])
        for cell in results.get('cells', ())
    }
    return found | cells


def _value(run: str, name: str, numbers: Mapping[str, float | None]) -> float:
    if name not in numbers:
        known = [key for key in numbers if not key.rpartition('-')[2].isdigit()]
        raise ValueError(
            f"run '{run}' has no '{name}'{nearest(name, numbers)}; "
            f'bound one of {", ".join(known)}, or a cell as CORRUPTION-SEVERITY.'
        )
    value = numbers[name]
    if value is None or not math.isfinite(value):
        raise ValueError(
            f"'{name}' of run '{run}' could not be taken, because a cell or a baseline is missing; "
            'evaluate the missing cells or drop the bound.'
        )
    return value
