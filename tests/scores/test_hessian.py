"""Second-order scores on losses whose Hessian can be written down."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import Group, Slice
from mmrobustprune.scores import Hessian

TWO = torch.arange(2)[:, None]


def net():
    """conv(1 -> 2) of two weights a filter, (1 2) and (3 -1), read by a convolution of ones."""
    model = nn.Sequential(nn.Conv2d(1, 2, (1, 2), bias=False), nn.Conv2d(2, 1, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2], [3, -1]]).view(2, 1, 1, 2))
        model[1].weight.fill_(1.0)
    return model, (Group('0', 2, (Slice('0', 'out', TWO), Slice('1', 'in', TWO))),)


def diagonal(model):
    """L = 1/2 sum h w^2 with h = (2 4), (6 8)."""
    return (torch.tensor([[2.0, 4], [6, 8]]).view(2, 1, 1, 2) * model[0].weight.square()).sum() / 2


def blocks(model):
    """L = sum over filters of (w_1 + w_2)^2: a Hessian of 2 2 2 2 for each."""
    return model[0].weight.flatten(1).sum(1).square().sum()


def score(loss, batches=1, **fields):
    model, groups = net()
    found = Hessian(**fields)
    assert not found.ready
    found.look(model, groups, [lambda: loss(model)] * batches)
    assert found.ready and model[0].weight.grad is None
    return found(model, groups)['0'].tolist()


def test_of_a_diagonal_hessian_any_signs_give_the_exact_score():
    """1/2 (2 1 + 4 4) = 9 and 1/2 (6 9 + 8 1) = 31."""
    for per in ('weight', 'unit'):
        assert score(diagonal, per=per) == pytest.approx([9.0, 31.0])


def test_the_block_of_a_unit_is_what_its_removal_costs():
    """1/2 w' H w = (1 + 2)^2 and (3 - 1)^2, exactly what the loss loses without the filter."""
    assert score(blocks, per='unit') == pytest.approx([9.0, 4.0])


def test_the_diagonal_leaves_pairs_out_on_average():
    """1/2 (2 1 + 2 4) = 5 and 1/2 (2 9 + 2 1) = 10; pairs add 2 2 z z' = +-4 and -+6."""
    found = score(blocks, batches=400, per='weight')
    assert found == pytest.approx([5.0, 10.0], abs=1.0)
    (first, second) = score(blocks, per='weight')
    assert first in (1.0, 9.0) and second in (4.0, 16.0)


def test_what_was_seen_is_kept_and_forgotten():
    model, groups = net()
    one = Hessian()
    one.look(model, groups, [lambda: diagonal(model)])
    other = Hessian()
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(model, groups)['0'], one(model, groups)['0'])
    one.reset()
    assert not one.ready and not one.can_score(model, groups[0]) and not one.state_dict()['sums']
    with pytest.raises(ValueError, match='of Hessian per weight and Hessian per unit is asked'):
        Hessian('unit').load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="'weight' or 'unit', not 'layer'"):
        Hessian(per='layer')
