"""The page of an experiment: its table, what is said below it, and its figures."""

import numpy as np
import pytest

from mmrobustprune.records.files import write_json
from mmrobustprune.records.outcomes import pack_outcomes
from mmrobustprune.report.comparison.page import Page, read_records, write_page

ATTACK = dict(attack='pgd', eps=0.5, subset=dict(size=4))


def record(name, seed, right, **fields):
    value = 100 * float(np.mean(right))
    outcomes = {column: pack_outcomes(right, 'i') for column in ('clean, all', 'a pgd 0.5')}
    own = {
        'name': name,
        'seed': seed,
        'epochs': 3,
        'gradients': 3.0,
        'minutes': 1.0,
        'params': 10,
        'macs': 20 if name == 'ours' else 30,
        'latency': 1.5,
        'learning_rate': f'SGD of {name}',
        'clean': value,
        'a pgd 0.5': value / 2,
        'metric': 'accuracy/top1',
        'images': 4,
        'attacks': dict(a=[ATTACK]),
        'outcomes': outcomes,
    }
    return own | fields


@pytest.fixture
def records():
    few = [True, False, False, False]
    return [record('ours', seed, [True] * 3 + [False]) for seed in (0, 1)] + [
        record('theirs', seed, few) for seed in (0, 1)
    ]


def test_the_page(tmp_path, records):
    table = write_page(tmp_path, Page('Two methods', reference='theirs', budget='half'), records)
    text = (tmp_path / 'README.md').read_text()
    assert text.startswith('# Two methods\n')
    assert '| ours | 3 | 3.0 | 1.0 | 10 | 20 | 1.50 | **75.00** | **37.50** |' in text
    assert 'Removed: half. Images under attack: a pgd 4.' in text
    assert '- Learning rate of ours: SGD of ours\n' in text
    assert '| ours | +50.00 [0.00, 100.00] [50.00, 50.00] | +25.00' in text
    assert '| ours | **1.00** |' in text
    assert (tmp_path / 'ranks.png').is_file() and (tmp_path / 'pareto.png').is_file()
    assert table.title == 'Two methods'


def test_records_come_in_the_order_of_the_methods(tmp_path, records):
    for one in records:
        write_json(tmp_path / f'{one["name"]}-seed{one["seed"]}.json', one)
    found = read_records(tmp_path, ['theirs', 'ours'])
    assert [(one['name'], one['seed']) for one in found] == [
        ('theirs', 0),
        ('theirs', 1),
        ('ours', 0),
        ('ours', 1),
    ]
    with pytest.raises(ValueError, match="holds a record of 'ours', which the experiment does not"):
        read_records(tmp_path, ['theirs'])


def test_a_dense_network_that_withstands_nothing_fails_the_experiment(tmp_path, records):
    page = Page('x', robust=('a pgd 0.5', 20.0))
    write_page(tmp_path, page, [record('dense', 0, [True] * 4), *records])
    assert 'Failed' not in (tmp_path / 'README.md').read_text()
    dense = record('dense', 0, [True, False, False, False])
    write_page(tmp_path, page, [dense, *records])
    said = 'Failed: the dense network has 12.5 % under a pgd 0.5, below 20 %'
    assert said in (tmp_path / 'README.md').read_text()
