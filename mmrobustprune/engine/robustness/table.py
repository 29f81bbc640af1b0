"""The result of a corruption suite as a table and as one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from mmrobustprune.corruption.suites import suite_of
from mmrobustprune.report.tables.cards import Card, Column


def table(results: Mapping[str, Any]) -> Card:
    """Corruptions down, severities across, the means at both ends.

    Args:
        results: what `run_suite` returns or results.json holds.
    """
    levels = [str(level) for level in results['severities']]
    metric = results['metric']
    rows = {
        name: dict(name=name, mean=results['per_corruption'][name])
        for name in results['corruptions']
    }
    for cell in results['cells']:
        rows[cell['corruption']][str(cell['severity'])] = cell.get(metric)
    # over the suite's own corruptions where there are any, as mPC is
    own = suite_of(results).corruptions
    counted = [row for name, row in rows.items() if name in own] or list(rows.values())
    means = {'name': 'mean'}
    for column in ('mean', *levels):
        means[column] = _mean(row.get(column) for row in counted)
    rows['mean'] = means
    form = '.3f' if results['P'] <= 1 else '.2f'  # a fraction, or per cent
    return Card(rows.values(), [Column(key, key, form) for key in (*levels, 'mean')])


def _mean(values: Iterable[float | None]) -> float | None:
    values = list(values)
    return None if None in values else fmean(values)


def verdict(results: Mapping[str, Any]) -> str:
    """P, mPC, rPC and R_C, what they are means of, and what is missing."""
    numbers = ', '.join(
        f'{key} {show(results[key])}'
        for key in ('P', 'mPC', 'rPC', 'R_C', 'mCE', 'relative_mCE')
        if key in results and (results[key] is not None or not key.endswith('mCE'))
    )
    levels = ' '.join(map(str, results['severities']))
    part = results.get('subset')
    if part is not None:
        interval = results['mPC_interval']
        where = f'{show(interval[0])} to {show(interval[1])}' if interval else 'not known'
        numbers += f'; of {part["size"]} images, mPC of all {part["of"]} at 95 %: {where}'
    kinds = suite_of(results).share(len(results['corruptions']))
    return (
        f'{results["suite"]}, {results["metric"]}: {numbers} ({kinds}, severities '
        f'{levels}, seed {results["seed"]}). {results["note"]}'
    ).rstrip()


def show(value: float | None) -> str:
    """Four digits, or '-' for what is not there."""
    return '-' if value is None else f'{value:.4g}'
