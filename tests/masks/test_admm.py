"""Filters that the loss pulls to zero."""

import pytest
import torch

from mmrobustprune.dependency.groups import full
from mmrobustprune.masks import ADMMMaskSet
from mmrobustprune.surgery import certify, trace
from tests.support.networks import Residual

IMAGE = torch.randn(4, 3, 6, 6)
RHO = 0.5


def setup():
    torch.manual_seed(0)
    model = Residual()
    found = trace(model, IMAGE)
    masks = ADMMMaskSet(model, found.groups, RHO)
    masks.attach()
    return model, masks


def without(masks, *gone):
    alive = full(masks.groups)
    alive['conv1'][list(gone)] = False
    return alive


def test_the_pull_is_that_of_the_projection_and_its_residue():
    """z = w but for dead filters, where u = w: w - z + u is 2 w there and 0 elsewhere."""
    model, masks = setup()
    assert masks.penalty() is None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    masks.remove(without(masks, 1))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    weight = model.conv1.weight
    dead = weight[1].square().sum()
    assert torch.isclose(masks.penalty(), RHO / 2 * 4 * dead)
    masks.penalty().backward()
    assert torch.allclose(weight.grad[1], 2 * RHO * weight[1])
    assert not weight.grad[[0, 2, 3]].any()


def test_residues_add_up_and_are_ranked_with_the_weights():
    model, masks = setup()
    masks.remove(without(masks, 1))
    dense = model.conv1.weight.detach().clone()
    with masks.revived():
        assert torch.allclose(model.conv1.weight[1], 2 * dense[1])
        assert torch.equal(model.conv1.weight[0], dense[0])
    assert torch.equal(model.conv1.weight, dense)
    masks.remove(without(masks, 2))  # filter 1 may stay: z = w + u = 2 w, u = 0
    rest = model.conv1.weight[1] - 2 * dense[1]
    expected = RHO / 2 * (rest.square().sum() + 4 * dense[2].square().sum())
    assert torch.isclose(masks.penalty(), expected)
    assert all(mask.all() for mask in masks.candidates().values())


def test_once_settled_they_are_zero_and_nothing_pulls():
    model, masks = setup()
    masks.remove(without(masks, 1))
    masks.settle()
    assert masks.penalty() is None and not model.conv1.weight[1].any()
    assert certify(masks, IMAGE) < 1e-6
    model(IMAGE).square().sum().backward()
    assert not model.conv1.weight.grad[1].any()


def test_a_saved_pull_is_taken_up():
    model, masks = setup()
    masks.remove(without(masks, 1))
    other = ADMMMaskSet(model, masks.groups, RHO)
    other.load_state_dict(masks.state_dict())
    assert torch.equal(other.penalty(), masks.penalty())
    with pytest.raises(ValueError, match='masks are of another model'):
        other.load_state_dict(dict(masks.state_dict(), alive={}))
