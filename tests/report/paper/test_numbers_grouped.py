"""Numbers that grouped kernels bring: sizes by a paper's rule, seconds, bands of frequencies."""

import pytest

from mmrobustprune.report.paper.numbers import Number, attacked, cost, decided, filtered


def test_sizes_by_the_rule_of_a_paper():
    rules = {'sr-gkp': dict(params=482_074, macs=71_854_730)}
    found = dict(attacked(dict(attacks=[], cost=rules)))
    assert found == {'params sr-gkp': Number(482_074), 'macs sr-gkp': Number(71_854_730)}
    both = {'sr-gkp': dict(dense=dict(params=1, macs=2), pruned=rules['sr-gkp'])}
    assert dict(cost(dict(rules=both))) == found


def test_seconds_of_a_removal():
    layers = [dict(seconds=2.0, grouping=0.5), dict(seconds=1.0, grouping=0.25)]
    assert dict(decided(layers)) == {'grouping in all': Number(0.75), 'seconds in all': Number(3.0)}
    assert dict(decided([dict(seconds=1.0)])) == {'seconds in all': Number(1.0)}


def test_accuracy_on_a_band_of_frequencies():
    band = dict(part='high', theta=0.5, shape='circle', normaliser='half_side', accuracy=0.5077)
    under = 'circle, theta of the half_side, normalised images'
    found = dict(filtered(dict(bands=[band | dict(space='normalised')])))
    assert found == {'high@0.5': Number(pytest.approx(50.77), under)}
