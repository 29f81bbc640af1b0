"""Scores of a small network, written out."""

import pytest
import torch
from torch import nn

from mmrobustprune.scores import (
    FPGM,
    SCORES,
    BNScale,
    HALPTaylor,
    Magnitude,
    Random,
    Score,
    Taylor,
    TaylorBN,
    build_score,
)
from mmrobustprune.surgery import Group, Slice

TWO = torch.arange(2)[:, None]


def net():
    """conv(1 -> 2) - bn - conv(2 -> 1), and its one group."""
    model = nn.Sequential(nn.Conv2d(1, 2, (1, 2)), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 4.0], [-1.0, 1.0]]).view(2, 1, 1, 2))
        model[0].bias.copy_(torch.tensor([5.0, 6.0]))
        model[1].weight.copy_(torch.tensor([-0.5, 0.25]))
        model[2].weight.copy_(torch.tensor([12.0, -1.0]).view(1, 2, 1, 1))
    group = Group('0', 2, (Slice('0', 'out', TWO), Slice('1', 'out', TWO), Slice('2', 'in', TWO)))
    return model, (group,)


def close(ours, theirs):
    return torch.allclose(ours, torch.tensor(theirs))


def test_magnitude_sums_over_all_coupled_weights():
    model, groups = net()
    assert close(Magnitude(2)(model, groups)['0'], [13.0, 3**0.5])
    assert close(Magnitude(1)(model, groups)['0'], [19.0, 3.0])
    filters = Magnitude(2).filters(model)
    assert set(filters) == {'0', '2'}
    assert close(filters['0'], [5.0, 2**0.5]) and close(filters['2'], [145**0.5])
    with pytest.raises(ValueError, match='p=1 or p=2'):
        Magnitude(3)


def test_magnitude_of_units_with_several_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 1, 1))
    pairs = torch.tensor([[0, 2], [1, 3]])
    group = Group('0', 2, (Slice('0', 'out', pairs), Slice('1', 'in', pairs)))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 2, 3, 4]).view(4, 1, 1, 1))
        model[1].weight.zero_()
    assert close(Magnitude()(model, [group])['0'], [10**0.5, 20**0.5])


def test_transposed_convolutions_are_read_along_their_own_axes():
    layer = nn.ConvTranspose2d(3, 2, 2)
    norms = Magnitude().filters(nn.Sequential(layer))['0']
    assert torch.allclose(norms, layer.weight.square().sum((0, 2, 3)).sqrt())
    assert Random().filters(nn.Sequential(layer))['0'].shape == (2,)


def test_batch_normalisation_scale():
    model, groups = net()
    assert close(BNScale()(model, groups)['0'], [0.5, 0.25])
    assert close(BNScale().filters(model, groups)['0'], [0.5, 0.25])
    with pytest.raises(ValueError, match='call filters.model, groups.'):
        BNScale().filters(model)
    bare = Group('2', 1, (Slice('2', 'out', TWO[:1]),))
    with pytest.raises(ValueError, match="group '2' has no batch normalisation"):
        BNScale()(model, [bare])


def test_fpgm_measures_the_filters_themselves():
    # Opposite filters are far apart; by absolute values they would be twins and go first.
    rows = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, 0.8]])
    layer = nn.Linear(2, 4)
    with torch.no_grad():
        layer.weight.copy_(rows)
    scores = FPGM().filters(nn.Sequential(layer))['0']
    a, b, c = 5**0.5, 4.64**0.5, 0.2
    assert close(scores, [4 + a + b, 4 + a + b, 2 * a + c, 2 * b + c])
    assert scores.argsort()[:2].sort().values.tolist() == [2, 3]


def test_fpgm_leaves_removed_filters_out():
    layer = nn.Linear(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]]))
    assert close(FPGM().filters(nn.Sequential(layer))['0'], [5.0, 0.0, 5.0])
    index = torch.arange(3)[:, None]
    assert close(
        FPGM()(nn.Sequential(layer), [Group('0', 3, (Slice('0', 'out', index),))])['0'],
        [5.0, 0.0, 5.0],
    )


def test_random_is_fixed_by_seed_and_name():
    model, groups = net()
    one = Random(1)(model, groups)['0']
    assert torch.equal(one, Random(1)(model, groups)['0'])
    assert not torch.equal(one, Random(2)(model, groups)['0'])
    assert not torch.equal(Random(1).filters(model)['0'], Random(1).filters(model)['2'][:1])


def gradients(model, scale=1.0):
    with torch.no_grad():
        model[0].weight.grad = scale * torch.tensor([[1.0, -1.0], [2.0, 1.0]]).view(2, 1, 1, 2)
        model[0].bias.grad = scale * torch.tensor([1.0, 0.0])
        model[1].weight.grad = scale * torch.tensor([2.0, 4.0])
        model[1].bias.grad = scale * torch.tensor([1.0, 1.0])
        model[2].weight.grad = torch.zeros_like(model[2].weight)
        model[2].bias.grad = torch.zeros_like(model[2].bias)


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
    """Two normalisations lose a unit together: |2 - 3| = 1 and |-2 - 4| = 6; the second batch has twice that."""
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


def test_build_score():
    assert build_score(dict(type='Magnitude', p=1)) == Magnitude(1)
    assert build_score('Random') == Random(0)
    score = FPGM()
    assert build_score(score) is score
    config = dict(type='Random', seed=3)
    build_score(config)
    assert config == dict(type='Random', seed=3)
    with pytest.raises(ValueError, match="unknown score 'Tailor' .*did you mean 'Taylor'"):
        build_score('Tailor')
    with pytest.raises(ValueError, match="unknown field of score Random 'sed' .*you mean 'seed'"):
        build_score(dict(type='Random', sed=1))
    with pytest.raises(ValueError, match="unknown score 'None'"):
        build_score(dict(p=2))


@pytest.mark.parametrize('name', SCORES)
def test_every_score_ranks_units_and_filters(name):
    model, groups = net()
    gradients(model)
    score = SCORES[name]()
    if score.needs_gradient:
        optimizer = torch.optim.SGD(model.parameters(), 0.0)
        score.watch(model, optimizer, groups)
        optimizer.step()
    assert isinstance(score, Score)
    assert score(model, groups)['0'].shape == (2,) and not score(model, groups)['0'].requires_grad
    assert score.filters(model, groups)['0'].shape == (2,)
