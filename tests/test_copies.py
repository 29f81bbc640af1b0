"""Copies of networks that hold tensors of their last forward pass."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.copies import copied


class Keeps(nn.Module):
    """Remembers what it computed, in a list inside a dict."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.kept = {}

    def forward(self, x):
        self.kept['last'] = [self.layer(x)]
        return 2 * self.kept['last'][0]


def test_tensors_of_the_last_pass_are_copied_as_numbers():
    model = Keeps()
    model(torch.ones(1, 2))
    with pytest.raises(RuntimeError, match='deepcopy'):
        copy.deepcopy(model)
    twin = copied(model)
    ours = model.kept['last'][0]
    theirs = twin.kept['last'][0]
    assert torch.equal(ours, theirs) and theirs.is_leaf and not ours.is_leaf
    assert theirs.data_ptr() != ours.data_ptr()
    assert twin.layer.weight is not model.layer.weight
    assert torch.equal(twin.layer.weight, model.layer.weight)
    assert twin.layer.weight.requires_grad


def test_a_tensor_in_two_places_is_one_tensor_in_the_copy():
    kept = torch.ones(2, requires_grad=True) * 2
    first, second = copied((kept, [kept]))
    assert first is second[0] and first is not kept


def test_what_is_shared_is_not_copied():
    model = Keeps()
    weight = model.layer.weight
    assert copied(model, {id(weight): weight}).layer.weight is weight
