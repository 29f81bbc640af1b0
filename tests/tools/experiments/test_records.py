"""The tables in docs/results are what their records give."""

import shutil
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[3] / 'docs' / 'results'


@pytest.mark.parametrize('name', ['bccd', 'bccd_latency', 'cifar_jpeg', 'sr_gkp', 's2ap'])
def test_the_written_table_is_that_of_the_records(name, tmp_path):
    from arms import EXPERIMENTS
    from records import summary

    for file in (RESULTS / name).glob('*.json'):
        shutil.copy(file, tmp_path)
    summary(EXPERIMENTS[name], tmp_path)
    assert (tmp_path / 'README.md').read_text() == (RESULTS / name / 'README.md').read_text()


def test_a_dense_network_that_withstands_nothing_fails_the_experiment():
    from arms import EXPERIMENTS
    from records import judged

    experiment = EXPERIMENTS['s2ap']
    column, least = experiment.robust
    dense = {'name': 'dense', column: least}
    assert judged(experiment, [dense]) == ''
    said = judged(experiment, [dense, {'name': 'dense', column: 12.34}])
    assert said.startswith(
        '\nFailed: the dense network has 12.3 % under pgd10 pgd 0.0314, below 20 %'
    )
