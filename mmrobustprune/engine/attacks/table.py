"""Attack results for people: one row per attack, its budget as it was set and in pixel levels."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

_COLUMNS = ('attack', 'eps', 'space', 'eps of 255', 'steps', 'label', 'right')


def table(results: Mapping[str, Any]) -> Table:
    """Rows of `evaluate_attacks`' results.

    'eps of 255' is the mean radius of the channels in pixel levels, and what can be reached.
    """
    title = f'{results["subset"]["size"]} of {results["subset"]["of"]} test images'
    shown = Table(
        title=title, title_justify='left', box=SIMPLE, padding=(0, 1, 0, 0), show_edge=False
    )
    for name in _COLUMNS:
        words = name in ('attack', 'space', 'label')
        shown.add_column(name, justify='left' if words else 'right', no_wrap=True)
    shown.add_row('none', *[''] * (len(_COLUMNS) - 2), f'{results["clean"]:.2%}')
    for one in results['attacks']:
        shown.add_row(*row(one))
        for step, accuracy in (one.get('breakdown') or {}).items():
            shown.add_row(
                f'  after {step}', *[''] * (len(_COLUMNS) - 2), f'{accuracy:.2%}', style='dim'
            )
    return shown


def row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of one attack."""
    radius, reach = (255 * fmean(one[key]) for key in ('eps_pixel', 'reach_pixel'))
    levels = f'{radius:.3g}' if reach >= radius * (1 - 1e-9) else f'{radius:.3g} ({reach:.3g})'
    start = ' random' if one.get('random_start') else ''
    steps = one.get('steps') or one.get('version') or 1
    return (
        one['attack'],
        f'{one["eps"]:.3g}',
        one['space'],
        levels,
        f'{steps}{start}',
        one['label'],
        f'{one["accuracy"]:.2%}',
    )


def verdict(results: Mapping[str, Any]) -> str:
    """Notes of the attacks and doubts about them, a line each."""
    lines = []
    for one in results['attacks']:
        lines += [f'{one["attack"]}: {note}' for note in one['notes']]
    lines += [f'Doubtful: {one}' for one in results['doubts']]
    return '\n'.join(lines)
