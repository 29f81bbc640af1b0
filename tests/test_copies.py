"""Copies of networks that hold tensors of their last forward pass."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.copies import convert_buffers, copied, in_precision, shell


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


class Knows(nn.Module):
    """Holds a module that is not its own, an empty list that two know, and a state of its own."""

    def __init__(self, layer, names):
        super().__init__()
        self.layer = layer
        self.names = names
        self.others = (layer, {'same': layer})

    def __deepcopy__(self, memo):
        twin = Knows(copy.deepcopy(self.layer, memo), copy.deepcopy(self.names, memo))
        twin.own = True
        return twin


def test_references_between_modules_are_those_of_the_copy():
    layer = nn.Linear(2, 2)
    names = []
    layer.names = names
    layer.others = [(layer,), {'all': nn.ModuleList([layer])}]
    model = nn.Sequential(layer, nn.BatchNorm1d(2), Knows(layer, names))
    model[0].register_forward_hook(lambda module, args, output: 2 * output)
    twin = copied(model)
    assert twin[0] is not layer and twin[0].others[0][0] is twin[0]
    assert twin[0].others[1]['all'][0] is twin[0]
    assert twin[0].names is twin[2].names is not names
    assert twin[2].layer is twin[0] and twin[2].own
    assert twin[1].running_mean is not model[1].running_mean
    image = torch.randn(3, 2)
    assert torch.equal(twin[:2].eval()(image), model[:2].eval()(image))


def test_buffers_alone_change_their_precision():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert convert_buffers(model, torch.float64) is model
    assert model[0].weight.dtype == torch.float32
    assert model[1].running_var.dtype == torch.float64
    assert model[1].num_batches_tracked.dtype == torch.int64
