"""What the loss would lose, written out."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency import Group, Slice
from mmrobustprune.scores import (
    HALPTaylor,
    InputTaylor,
    Magnitude,
    Taylor,
    TaylorBN,
)
from tests.scores.nets import TWO, close, gradients, net


def test_taylor_squares_the_sum_per_filter_and_batch():
    model, groups = net()
    score = Taylor()
    assert score.needs_gradient and not Magnitude().needs_gradient
    gradients(model)  # 3 - 4 + 5 = 4 and -2 + 1 + 0 = -1
    score.observe(model)
    gradients(model, -2.0)  # -8 and 2
    score.observe(model)
    assert close(score(model, groups)['0'], [40.0, 2.5])
    assert close(score.filters(model)['0'], [40.0, 2.5])


def test_taylor_of_batch_normalisation():
    model, groups = net()
    with torch.no_grad():
        model[1].bias.copy_(torch.tensor([3.0, -3.0]))
    gradients(model)  # -1 + 3 and 1 - 3
    score = TaylorBN()
    score.observe(model)
    assert close(score(model, groups)['0'], [4.0, 4.0])
    assert close(score.filters(model, groups)['0'], [4.0, 4.0])


def test_halps_taylor_sums_what_is_coupled_before_the_absolute_value():
    """Two normalisations lose a unit together: |2 - 3| = 1 and |-2 - 4| = 6.

    The second batch has twice that.
    """
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
    )
    group = Group('g', 2, tuple(Slice(layer, 'out', TWO) for layer in '0123'))
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    score = HALPTaylor()
    handle = score.watch(model, optimizer, [group])
    for scale in (1.0, 2.0):
        for layer, products in (
            (model[1], [2.0, -2.0]),
            (model[3], [-3.0, -4.0]),
        ):  # gamma is 1, beta 0
            layer.weight.grad, layer.bias.grad = scale * torch.tensor(products), torch.ones(2)
        optimizer.step()
    handle.remove()
    assert close(score(model, [group])['g'], [1.5, 9.0])
    assert close(score.filters(model, [group])['2'], [1.5, 9.0])
    again = HALPTaylor()
    again.load_state_dict(score.state_dict())
    assert close(again(model, [group])['g'], [1.5, 9.0])
    with pytest.raises(ValueError, match='scores are of TaylorBN and HALPTaylor is asked for'):
        again.load_state_dict(TaylorBN().state_dict())
    with pytest.raises(ValueError, match='tell it the groups by watch'):
        HALPTaylor().observe(model)
    with pytest.raises(ValueError, match="HALPTaylor saw no gradient in group 'h'"):
        score(model, [Group('h', 2, group.slices)])


def test_taylor_of_groups_without_batch_normalisation_is_that_of_their_filters():
    model, _ = net()
    bare = Group('2', 1, (Slice('2', 'out', TWO[:1]),))
    gradients(model)
    both = TaylorBN(), Taylor()
    for score in both:
        score.observe(model)
    assert torch.equal(*(score(model, [bare])['2'] for score in both))


def test_taylor_watches_an_optimizer():
    model, groups = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    score = Taylor()
    handle = score.watch(model, optimizer)
    gradients(model)
    optimizer.step()
    handle.remove()
    optimizer.step()
    assert score.batches == 1 and close(score(model, groups)['0'], [16.0, 1.0])


def test_taylor_state_and_reset():
    model, groups = net()
    score, again = Taylor(), Taylor()
    gradients(model)
    score.observe(model)
    again.load_state_dict(score.state_dict())
    assert torch.equal(again(model, groups)['0'], score(model, groups)['0'])
    score.reset()
    with pytest.raises(ValueError, match="Taylor saw no gradient in group '0'; call observe"):
        score(model, groups)
    assert again.batches == 1


def test_taylor_leaves_out_a_batch_that_overflowed():
    model, groups = net()
    score = Taylor()
    gradients(model)
    score.observe(model)
    gradients(model, float('inf'))
    score.observe(model)
    assert score.batches == 1 and close(score(model, groups)['0'], [16.0, 1.0])


def test_frozen_layers_leave_the_word_to_the_others():
    model, groups = net()
    gradients(model)
    model[0].weight.grad = None
    score = Taylor()
    score.observe(model)
    assert set(score.filters(model)) == {'2'}
    with pytest.raises(ValueError, match='saw no gradient'):
        score(model, groups)


def test_taylor_of_what_reads_a_channel_is_summed_over_its_readers():
    """Two layers read two channels: |1 - 2 + 3| and |4 + 0 - 6|."""
    model = nn.ModuleList([nn.Linear(1, 2), nn.Linear(2, 1), nn.Linear(2, 2)])
    readers = tuple(Slice(layer, 'in', TWO) for layer in '12')
    group = Group('0', 2, (Slice('0', 'out', TWO), *readers))
    with torch.no_grad():
        model[1].weight.fill_(1.0)
        model[2].weight.fill_(2.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    score = InputTaylor()
    score.watch(model, optimizer, [group])
    model[1].weight.grad = torch.tensor([[1.0, 4.0]])
    model[2].weight.grad = torch.tensor([[-1.0, 0.0], [1.5, -3.0]])
    optimizer.step()
    assert close(score(model, [group])['0'], [2.0, 2.0])
    assert score.can_score(model, group)
    assert not score.can_score(model, Group('0', 2, group.slices[:1]))
