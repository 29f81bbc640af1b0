"""The tables in docs/results are what their records give, and the tool makes them."""

import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / 'docs' / 'results'


def compare(*words):
    runpy.run_path(str(ROOT / 'tools' / 'compare.py'))['main']([str(word) for word in words])


@pytest.mark.parametrize(
    'name', ['bccd', 'bccd_latency', 'bccd_pretrained', 'cifar_jpeg', 'sr_gkp', 's2ap']
)
def test_the_written_table_is_that_of_the_records(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / name).mkdir()
    for file in (RESULTS / name).glob('*.json'):
        shutil.copy(file, tmp_path / name)
    experiment = ROOT / 'configs' / 'comparisons' / f'{name}.py'
    compare(experiment, '--table', '--results', tmp_path)
    page = (tmp_path / name / 'README.md').read_text()
    assert page == (RESULTS / name / 'README.md').read_text()


def test_nothing_recorded_is_said(tmp_path):
    experiment = ROOT / 'configs' / 'comparisons' / 'bccd.py'
    with pytest.raises(ValueError, match='holds no record; run the experiment first'):
        compare(experiment, '--table', '--results', tmp_path)
