"""What a record says of a grouped convolution."""

import pytest
import torch
from torch import nn

from mmrobustprune.structure.grouped_record import GroupedRecord

SHAPE = [4, 3, 1, 1]
ENTRY = dict(
    kind='conv',
    shape=SHAPE,
    groups=2,
    kept=[[0, 2], [1, 2]],
    out_index=[2, 0, 3, 1],
    restored=True,
)


def test_there_and_back():
    assert GroupedRecord.read('a', ENTRY).write(SHAPE) == ENTRY
    arriving = ENTRY | {'in': [2, 0, 1], 'restored': False}
    assert GroupedRecord.read('a', arriving).write(SHAPE) == arriving


def test_kernels_that_stay_and_the_new_order():
    """Filters 1 and 3 stand first, in the block that reads channels 0 and 2."""
    record = GroupedRecord.read('a', ENTRY)
    assert record.order.tolist() == [1, 3, 0, 2]
    first, second = [True, False, True], [False, True, True]
    assert record.alive(3).tolist() == [second, first, second, first]


def test_channels_that_arrive_in_another_order_are_found_there():
    record = GroupedRecord.read('a', ENTRY | {'in': [2, 0, 1], 'restored': False})
    conv = nn.Conv2d(3, 4, 1)
    conv.weight = nn.Parameter(torch.zeros(4, 2, 1, 1))
    layer = record.replace(conv)
    assert layer.in_index.tolist() == [1, 0, 2, 0] and layer.out_index is None


@pytest.mark.parametrize(
    'wrong',
    [
        dict(kept=[[0, 3], [1, 2]]),
        dict(kept=[0, 1]),
        dict(groups=3),
        dict(out_index=[0, 0, 1, 2]),
        dict(restored='yes'),
        {'in': [0, 1]},
        dict(shape=[3, 3, 1, 1]),
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(ValueError, match="kept channels, orders and groups of 'a' do not fit"):
        GroupedRecord.read('a', ENTRY | wrong)


def test_what_lacks_a_key_is_refused():
    entry = {key: value for key, value in ENTRY.items() if key != 'restored'}
    with pytest.raises(ValueError, match='do not fit its 4 filters of 3 channels'):
        GroupedRecord.read('a', entry)
