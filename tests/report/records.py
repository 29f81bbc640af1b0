"""Results of evaluations as tools/robustness.py writes them, of any size, without any model."""

import json
from itertools import product, starmap
from pathlib import Path

import numpy as np

from mmrobustprune.corruption import ALL, Cell, summarize
from mmrobustprune.corruption.evidence import Hits
from mmrobustprune.report.runs import Run


def results(
    clean=0.8,
    slope=0.1,
    kinds=('fog', 'snow'),
    levels=(1, 3),
    whole=1,
    drop=(),
    classes=(),
    **changes,
):
    """The metric falls by `slope` per severity and a little per corruption.

    Args:
        drop: (corruption, severity) that are not there.
    """
    metric = changes.pop('metric', 'pascal_voc/AP50')
    asked = list(starmap(Cell, product(kinds, levels)))
    values = {}
    cells = []
    for cell in asked:
        kind = cell.corruption
        level = cell.severity
        if (kind, level) not in drop:
            fallen = clean - slope * level - 0.01 * ALL.index(kind) / 2
            values[cell] = whole * max(0.01, fallen)
        value = values.get(cell)
        found = {metric: value, 'per_class': dict.fromkeys(classes, value)}
        cells.append(dict(corruption=kind, severity=level, **found))
    summary = summarize(whole * clean, values, asked)
    return dict(
        summary.to_dict(),
        metric=metric,
        suite='voc-c',
        seed=0,
        data='d1',
        images=10,
        corruptions=list(kinds),
        severities=list(levels),
        cells=cells,
        clean_per_class=dict.fromkeys(classes, whole * clean),
        versions=dict(torch='2'),
        command='python tools/robustness.py a b',
        checkpoint='a.pth',
        **changes,
    )


def run(name='dense', cost=None, folder=Path(), **changes):
    return Run(name, results(**changes), cost, folder=folder)


def save_hits(folder: Path, name: str, hits: dict) -> Run:
    """A classifier's work dir made from (corruption, severity) -> which images were right."""
    (folder / 'cells').mkdir(parents=True)
    cells = []
    values = {}
    for (kind, level), right in hits.items():
        evidence = Hits(np.array(right, bool))
        evidence.save(folder / 'cells' / f'{kind}-{level}.npz')
        value = float(evidence.metric(np.ones((1, len(right))))[0])
        values[Cell(kind, level)] = value
        cells.append({'corruption': kind, 'severity': level, 'accuracy/top1': value})
    kinds = list(dict.fromkeys(kind for kind, _ in hits))
    levels = list(dict.fromkeys(level for _, level in hits))
    content = dict(
        summarize(90.0, values, list(values)).to_dict(),
        metric='accuracy/top1',
        suite='imagenet-c',
        seed=0,
        data='d1',
        images=len(right),
        corruptions=kinds,
        severities=levels,
        cells=cells,
    )
    (folder / 'results.json').write_text(json.dumps(content))
    return Run(name, content, folder=folder)
