"""Families through each step, goals, and what keeps most whole."""

from mmrobustprune.engine.coverage.totals import causes, goals, totals


def record(config, kind='cnn', **steps):
    return dict(config=config, kind=kind, steps=steps)


def share(params, cause='it is so', **more):
    return dict(params=params, macs=1.0, cause=cause, lost=1 - params, **more)


DONE = dict(seconds=1)
RECORDS = [
    record('mmdet::a/1.py', trace=share(0.95), prune=DONE, train=DONE),
    record('mmdet::a/2.py', trace=share(0.5), prune=dict(error='no', kind='refused')),
    record('mmdet::b/1.py', trace=share(0.8), prune=dict(error='no', kind='time')),
    record(
        'mmpretrain::c/1.py',
        'mlp',
        trace=share(1.0, tried=True),
        train=dict(error='n', kind='upstream'),
    ),
]


def test_families_are_counted_once_and_failures_told():
    head, mmdet, mmpretrain = totals(RECORDS)
    assert head[:4] == ['zoo', 'families', 'traced', 'MACs removed']
    assert mmdet[:4] == ['mmdet', '2', '2 of 2', '1 of 2 (1 not done in time)']
    assert mmdet[5:] == ['1 of 1', '0 of 0', '0 of 0']
    assert mmpretrain[5] == '0 of 0 (1 not trained by the zoo itself)'


def test_goals_name_what_is_below_them():
    told = list(goals(RECORDS))
    assert told[0] == 'mmdet, families that lose the MACs asked for: 1, at least 50 wanted.'
    assert '1 of 3 configurations; less: mmdet::a 50.0% (it is so), mmdet::b 80.0%' in told[2]
    assert told[4].endswith('1 of 1 configurations.')
    assert told[5].startswith('The shares of 3 configurations are upper limits')


def test_the_commonest_causes():
    more = [record('mmdet::d/1.py', trace=share(0.9, 'another'))]
    assert list(causes(RECORDS + more)) == ['3: it is so', '1: another']
    assert list(causes(RECORDS + more, 1)) == ['3: it is so']
