"""Ranks: ties, means, methods that are not everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.report.tables.ranks import competition_ranks, rank_chart

SCORES = {
    'ResNet-32': {
        'ours': dict(benign=93.0, PGD=33.0),
        'dense': dict(benign=92.8, PGD=35.4),
        'old': dict(benign=92.0, PGD=33.0),
        'new': dict(benign=91.0, PGD=20.0),
    },
    'ResNet-56': {
        'ours': dict(benign=94.0, PGD=45.0),
        'dense': dict(benign=93.2, PGD=42.6),
        'old': dict(benign=92.0, PGD=30.0),
    },
}
# SR-GKP's own rows and the dense networks, as printed: benign, FGSM .01, FGSM .1, PGD
PRINTED = {
    'ResNet-32': {'SR-GKP': (92.97, 71.52, 31.32, 33.36), 'dense': (92.80, 71.93, 31.35, 35.40)},
    'ResNet-56': {'SR-GKP': (94.08, 76.40, 45.17, 44.85), 'dense': (93.24, 75.15, 39.64, 42.58)},
    'ResNet-110': {'SR-GKP': (95.00, 79.14, 49.09, 50.01), 'dense': (94.26, 78.56, 48.83, 50.85)},
}


def test_equal_values_share_the_better_rank():
    assert competition_ranks(dict(a=3, b=5, c=3, d=1)) == dict(a=2, b=1, c=2, d=4)


def test_a_single_network_has_no_column_of_its_own():
    one = {'ResNet-32': SCORES['ResNet-32']}
    assert [column.key for column in rank_chart(one).card().columns] == ['mean rank']
    several = [column.key for column in rank_chart(SCORES).card().columns]
    assert several == ['ResNet-32', 'ResNet-56', 'mean rank']


def test_single_and_double_precision_of_one_value_are_equal():
    chart = rank_chart({'net': {'a': dict(clean=82.37999725341797), 'b': dict(clean=82.38)}})
    assert chart.per_net == {'net': {'a': 1, 'b': 1}}


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 5), min_size=1))
def test_competition_ranks(values):
    ranks = competition_ranks(values)
    assert min(ranks.values()) == 1 and max(ranks.values()) <= len(values)
    for one in values:
        for other in values:
            assert (values[one] > values[other]) == (ranks[one] < ranks[other])


def test_a_chart_written_out():
    chart = rank_chart(SCORES)
    assert chart.absent == {'new': ('ResNet-56',)}
    assert chart.ranks['ResNet-32'] == {
        'ours': dict(benign=1, PGD=2),
        'dense': dict(benign=2, PGD=1),
        'old': dict(benign=3, PGD=2),
    }
    assert chart.per_net == {
        'ResNet-32': dict(ours=1.5, dense=1.5, old=2.5),
        'ResNet-56': dict(ours=1.0, dense=2.0, old=3.0),
    }
    assert list(chart.overall.items()) == [('ours', 1.25), ('dense', 1.75), ('old', 2.75)]
    assert chart.ties == ('ResNet-32, PGD: ours and old share rank 2 at 33.',)
    assert '| ours | **1.50** | **1.00** | **1.25** |' in chart.card().markdown()


def test_who_is_left_out_takes_no_rank():
    chart = rank_chart(SCORES, exclude=('dense', 'new'))
    assert chart.overall == {'ours': 1.0, 'old': 1.75} and not chart.absent
    with pytest.raises(ValueError, match="method to exclude 'densee'.*did you mean 'dense'"):
        rank_chart(SCORES, exclude=('densee',))


def test_printed_rows_of_the_paper():
    """All that is at hand of its tables of 43.75 %."""
    names = ('benign', 'FGSM .01', 'FGSM .1', 'PGD')
    scores = {}
    for net, rows in PRINTED.items():
        scores[net] = {
            method: dict(zip(names, values, strict=True)) for method, values in rows.items()
        }
    chart = rank_chart(scores)
    assert chart.per_net == {
        'ResNet-32': {'SR-GKP': 1.75, 'dense': 1.25},
        'ResNet-56': {'SR-GKP': 1.0, 'dense': 2.0},
        'ResNet-110': {'SR-GKP': 1.25, 'dense': 1.75},
    }
    assert list(chart.overall) == ['SR-GKP', 'dense'] and not chart.ties


@pytest.mark.parametrize(
    'scores, sentence',
    [
        ({}, 'no network'),
        ({'A': {'m': dict(a=1)}, 'B': {'m': dict(b=1)}}, 'B has the metrics b and others have a'),
        ({'A': {'m': dict(a=1)}, 'B': {'n': dict(a=1)}}, 'no method has every metric'),
    ],
)
def test_wrong_input_is_one_sentence(scores, sentence):
    with pytest.raises(ValueError, match=sentence):
        rank_chart(scores)
