"""Which layer reads what."""

import copy

import pytest
import torch

from mmrobustprune.mask_search.reads import find_reads
from tests.mask_search.nets import small


def test_who_reads_what():
    model = small().train()
    before = copy.deepcopy(model.state_dict())
    reads = find_reads(model, (3, 8, 8))
    assert model.training and all(
        torch.equal(value, before[name]) for name, value in model.state_dict().items()
    )
    assert {
        name: (read.positions, read.sources, read.consumer) for name, read in reads.items()
    } == {
        'stem': (64, set(), 'one.conv1'),
        'one.conv1': (64, {'stem'}, 'one.conv2'),
        'one.conv2': (64, {'one.conv1'}, 'two.conv1'),
        'two.conv1': (16, {'stem', 'one.conv2'}, 'two.conv2'),
        'two.conv2': (16, {'two.conv1'}, 'fc'),
        'two.short': (16, {'stem', 'one.conv2'}, 'fc'),
        'fc': (1, {'two.conv2', 'two.short'}, None),
    }
    assert reads['two.short'].twin == 'two.conv1' and reads['two.conv2'].twin == 'two.conv2'
    with pytest.raises(ValueError, match='cannot be called with one image of shape .1, 8, 8.'):
        find_reads(model, (1, 8, 8))
