"""Chance, by seed and name."""

import torch

from mmrobustprune.scores import (
    Random,
)
from tests.scores.nets import net


def test_random_is_fixed_by_seed_and_name():
    model, groups = net()
    one = Random(1)(model, groups)['0']
    assert torch.equal(one, Random(1)(model, groups)['0'])
    assert not torch.equal(one, Random(2)(model, groups)['0'])
    assert not torch.equal(Random(1).filters(model)['0'], Random(1).filters(model)['2'][:1])
