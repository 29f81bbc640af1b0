"""Work dirs of three runs that were trained and evaluated."""

import json

import pytest

from tests.report.records import results


def training_log(phases=(0, 0, 1, 1, 2, 2)):
    lines = []
    for at, phase in enumerate(phases, 1):
        removed = 0.5 * (phase == 2)
        lines.append(dict(loss=2 / at, iter=at, step=at, phase=phase, removed_params=removed))
    lines.insert(3, {'pascal_voc/AP50': 0.5, 'step': 1})
    return '\n'.join(map(json.dumps, lines))


@pytest.fixture
def work_dirs(tmp_path):
    for name, clean, params in (
        ('dense', 0.8, 100),
        ('adasap-seed0', 0.7, 50),
        ('adasap-seed1', 0.6, 50),
    ):
        folder = tmp_path / name
        (folder / 'corrupted').mkdir(parents=True)
        (folder / 'corrupted' / 'results.json').write_text(
            json.dumps(results(clean, classes=('cat', 'dog')))
        )
        (folder / 'cost.json').write_text(
            json.dumps(dict(params=params, macs=10 * params, latency=3.2))
        )
        (folder / '2024' / 'vis_data').mkdir(parents=True)
        (folder / '2024' / 'vis_data' / 'scalars.json').write_text(training_log())
    return tmp_path
