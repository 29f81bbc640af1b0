"""The report of several runs: table, curves and one page, in one folder."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .cards import Card, Column
from .curves import corruption_chart, severity_curve, training_curve
from .page import Part, write_page
from .runs import Run


def comparison(runs: Sequence[Run]) -> Card:
    """Parameters, MACs, latency, clean accuracy, mPC and rPC, one row per name.

    Raises:
        ValueError: the runs were evaluated by different metrics.
    """
    metrics = list(dict.fromkeys(run.metric for run in runs if run.metric))
    if len(metrics) > 1:
        raise ValueError(f'the runs are evaluated by {" and ".join(metrics)}; compare runs of one metric.')
    percent = any(run.results and run.results['P'] > 1 for run in runs)
    form = '.1f' if percent else '.3f'
    return Card([run.record() for run in runs], [
        Column('params', 'parameters', ',.0f', 'low'), Column('macs', 'MACs', ',.0f', 'low'),
        Column('latency', 'latency (ms)', '.1f', 'low'),
        Column('clean', f'{metrics[0] if metrics else "metric"} clean', form, 'high'),
        Column('mPC', 'mPC', form, 'high'), Column('rPC', 'rPC', '.3f', 'high')])


def write_report(runs: Sequence[Run], out: str | Path, title: str = 'Comparison', extra: Sequence[Part] = (),
                 foot: str = '') -> Path:
    """Write table.md, table.csv, table.json, the pictures and index.html into `out`; returns the page.

    Args:
        runs: repeats share a name; pictures show the first run of each.
        extra: more sections for the page, whose pictures lie in `out`.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    card = comparison(runs)
    (out / 'table.md').write_text(card.markdown(), encoding='utf-8')
    (out / 'table.csv').write_text(card.csv(), encoding='utf-8')
    (out / 'table.json').write_text(json.dumps(card.to_dict(), indent=1))
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.name, run)
    parts = [Part('Table', _explain(runs), table=card), *_accuracy(list(first.values()), out), *extra]
    for number, (name, run) in enumerate(first.items()):
        if len(run.log.loss) > 1:
            whole = 100 if run.results and run.results['P'] > 1 else 1   # per cent
            metric = [(at, value / whole) for at, value in run.log.metric]
            file = training_curve(out / f'training_{number}.png', run.log.loss, metric, run.log.phases,
                                  metric_name=run.metric or 'metric', share=run.log.share).name
            parts.append(Part(f'Training: {name}', picture=file))
    return write_page(out / 'index.html', title, parts, foot)


def _accuracy(runs: Sequence[Run], out: Path) -> list[Part]:
    """The pictures of accuracy under corruption, of the runs that were evaluated."""
    runs = [run for run in runs if run.results]
    cells = {run.name: run.cells() for run in runs}
    clean = {run.name: run.results['P'] for run in runs}
    severities = sorted(set.intersection(*(set(table) for table in cells.values()))) if runs else []
    if not severities:
        return []
    metric, middle = runs[0].metric, severities[len(severities) // 2]
    at_middle = {name: table[middle] for name, table in cells.items()}
    corruption_chart(out / 'corruptions.png', at_middle, clean, metric, str(middle))
    parts = [Part(f'Every corruption at severity {middle}', picture='corruptions.png')]
    if len(severities) > 1:
        severity_curve(out / 'severity.png', cells, clean, metric)
        parts.insert(0, Part('Accuracy against severity', picture='severity.png'))
    return parts


def _explain(runs: Sequence[Run]) -> str:
    results = next((run.results for run in runs if run.results), None)
    if results is None:
        return ''
    levels = ', '.join(map(str, results['severities']))
    return (f"mPC: mean over {len(results['corruptions'])} corruptions ({results['suite']}) at severity {levels}, on "
            f"{results['images']} images; rPC: mPC / clean.")
