"""Columns are those that the records have numbers for."""

from mmrobustprune.report.comparison.columns import attack_sizes, columns, with_rounds

ROW = dict(metric='accuracy/top1', clean=80.0, params=1, macs=1, epochs=1, minutes=1)
ATTACK = dict(attack='pgd', eps=0.031, subset=dict(size=200))


def keys(records, suite=''):
    return [column.key for column in columns(records, suite)]


def test_old_records_and_new_ones():
    assert keys([ROW]) == ['epochs', 'minutes', 'params', 'macs', 'clean']
    new = dict(ROW, gradients=2.0, latency=1.0, **{'clean, all': 81.0})
    assert keys([new], 'voc-c') == [
        *('epochs', 'gradients', 'minutes', 'params', 'macs', 'latency'),
        *('clean, all', 'clean', 'mPC', 'rPC'),
    ]


def test_masks_attacks_and_rounds():
    masked = dict(ROW, removed=0.9, mask_attacks=dict(p=[ATTACK]), attacks=dict(p=[ATTACK]))
    assert keys([masked])[2:] == ['removed', 'clean', 'mask p pgd 0.031', 'p pgd 0.031']
    assert attack_sizes([masked]) == {'p pgd': 200}
    rounds = [dict(), dict(metric_after={'accuracy/top1': 12.0})]
    found = with_rounds(dict(ROW, rounds=rounds))
    assert found['after the cut'] == 12.0 and found['recalibrated'] is None
    assert 'after the cut' in keys([found]) and 'recalibrated' not in keys([found])
