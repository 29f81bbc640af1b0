"""Copies of networks that hold tensors of their last forward pass."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.copies import copied, in_precision, shell


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


def test_a_copy_of_another_precision():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model[0].weight.requires_grad_(False)
    twin = in_precision(model, torch.float64)
    assert twin[0].weight.dtype == twin[1].running_mean.dtype == torch.float64
    assert twin[1].num_batches_tracked.dtype == torch.int64
    assert torch.equal(twin[0].weight, model[0].weight.double())
    assert not twin[0].weight.requires_grad and twin[0].bias.requires_grad
    same = in_precision(model, torch.float32)
    for one, other in zip(model.state_dict().values(), same.state_dict().values(), strict=True):
        assert torch.equal(one, other) and one.data_ptr() != other.data_ptr()


def test_a_shell_holds_the_tensors_of_the_network():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    twin = shell(model)
    assert twin[0] is not model[0] and twin[0].weight is model[0].weight
    assert twin[1].running_var is model[1].running_var
    twin[0].weight = nn.Parameter(torch.zeros(1))
    assert model[0].weight.numel() == 12
