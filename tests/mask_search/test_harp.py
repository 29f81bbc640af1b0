"""Learned layer rates: bounds, gradients, penalty, constraint; and input channels."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mmrobustprune.mask_search import HARP, HYDRA, rates
from mmrobustprune.mask_search.reads import find_reads
from tests.mask_search.nets import batch, search, small

LAYERS = ['stem', 'one.conv1', 'one.conv2', 'two.conv1', 'two.conv2', 'two.short', 'fc']


def scored(target=0.8, **fields):
    model = small()
    return model, HARP(target, **dict(dict(input_shape=(3, 8, 8)), **fields)).attach(model)


def set_rates(network, value):
    with torch.no_grad():
        for layer in network.layers.values():
            layer.logit.fill_(network._rates.logit(value))


def test_at_the_target_the_first_masks_are_hydras():
    _, ours = scored(start=0.2)
    theirs = HYDRA(0.8).attach(small())
    differing = sum(
        int((a != b).sum())
        for a, b in zip(ours.masks().values(), theirs.masks().values(), strict=True)
    )
    assert differing <= len(LAYERS)  # a rate is a float and may round to one more
    assert ours.meets_target() and float(ours.excess().detach()) < 1e-6


def test_rates_stay_inside_their_bounds_and_masks_follow_them():
    _, network = scored(floor=0.1)
    for logit, expected in ((-60.0, 0.02), (0.0, 0.51), (60.0, 1.0)):
        with torch.no_grad():
            network.layers['fc'].logit.fill_(logit)
        assert float(network._rates.values()[-1].detach()) == pytest.approx(expected)
        kept = 48 - math.floor((1 - expected) * 48)
        assert network.kept()['fc'] == kept == int(network.masks()['fc'].sum())


def test_the_gradient_of_a_rate_is_the_sum_over_all_entries():
    model, network = scored(target=0.5)
    x, y = batch()
    layer, weight = network.layers['two.conv1'], network.weights()['two.conv1'].requires_grad_()
    cross_entropy(model(x), y).backward()
    k_min = 0.05
    sigma = layer.logit.detach().sigmoid()
    # dL/ds = sign(s) w G for all entries, so sum(w G) is sum(sign(s) dL/ds)
    by_rate = (layer.scores.grad * layer.scores.detach().sign()).sum()
    torch.testing.assert_close(layer.logit.grad, by_rate * (1 - k_min) * sigma * (1 - sigma))
    assert weight.grad[~layer.hard].eq(0).all()


def test_penalty_by_hand_growing_and_held():
    _, network = scored(target=0.8, start=0.4, growth=0.5)
    excess = sum(network.kept().values()) / sum(HYDRA(0.8).attach(small()).kept().values()) - 1
    assert excess == pytest.approx(0.4 / 0.2 - 1, rel=0.01)
    assert float(network.penalty().detach()) == pytest.approx(0.5 * excess, rel=1e-5)
    network.begin_epoch(3)
    assert float(network.penalty().detach()) == pytest.approx(4 * 0.5 * excess, rel=1e-5)
    network.end_epoch()
    network.begin_epoch(4)
    assert network.state_dict() == dict(strength=2.5, frozen=False) and not network.meets_target()
    set_rates(network, 0.19)
    network.end_epoch()
    network.begin_epoch(5)
    assert (
        network.state_dict() == dict(strength=2.5, frozen=True)
        and float(network.penalty().detach()) == 0
    )
    assert network.meets_target()
    set_rates(network, 0.4)  # the constraint is judged anew, the strength is not
    assert not network.meets_target()
    other = scored(target=0.8, start=0.4, growth=0.5)[1]
    other.load_state_dict(network.state_dict())
    other.begin_epoch(9)
    assert float(other.penalty().detach()) == pytest.approx(2.5 * excess, rel=1e-5)


def test_nothing_pulls_at_rates_that_meet_the_target_exactly():
    _, network = scored(target=0.8)
    assert float(network.excess().detach()) == 0 and network.meets_target()
    network.penalty().backward()
    assert all(float(layer.logit.grad) == 0 for layer in network.layers.values())


def test_a_search_brings_the_rates_down_to_the_target():
    model, network = scored(target=0.7, start=0.9, growth=2.0)
    assert not network.meets_target()
    for epoch in range(6):
        network.begin_epoch(epoch)
        search(model, network, 6)
        network.end_epoch()
    assert network.meets_target() and len({round(rate, 3) for rate in network.rates().values()}) > 3


def test_counts_are_read_from_the_device_once_per_change():
    model, network = scored()
    reads, whole = [], network._rates.whole
    network._rates.whole = lambda *args: reads.append(1) or whole(*args)
    x, _ = batch()
    with torch.no_grad():
        network.layers['fc'].logit.add_(0.1)
    for _ in range(3):
        model(x).sum().backward()
    with torch.no_grad():
        for layer in network.layers.values():
            layer.scores.mul_(1.5)
    model(x)
    assert reads == [1]


@pytest.mark.parametrize(
    'strategy, start', [('uniform', 0.3), ('erk', 0.3), ('lamp', 0.3), ('original', 0.9905)]
)
def test_first_rates_have_the_mean_asked_for(strategy, start):
    _, network = scored(strategy=strategy, start=None if strategy == 'original' else start)
    sizes = torch.tensor([w.numel() for w in network.weights().values()], dtype=torch.float64)
    found = network._rates.values().detach().double()
    mean = float((sizes * found).sum() / sizes.sum())
    assert mean == pytest.approx(start, abs=2e-3) and mean >= start - 1e-3
    assert found.min() > 0.02 and found.max() <= 1


def test_erk_and_lamp_by_hand():
    weights = {'a': torch.ones(2, 2), 'b': torch.ones(4, 4, 2, 2)}
    assert rates.STRATEGIES['erk'](weights, 0.1, 0.001)['a'] / rates.STRATEGIES['erk'](
        weights, 0.1, 0.001
    )['b'] == pytest.approx((4 / 4) / (12 / 64))
    weights = {'a': torch.tensor([[1.0, 2.0]]), 'b': torch.tensor([[10.0, 10.0, 10.0, 30.0]])}
    # LAMP scores: a 1/5, 1; b 1/12, 1/11, 1/10, 1; the upper half is 1, 1 and 1/5
    assert rates.STRATEGIES['lamp'](weights, 0.5, 0.001) == pytest.approx(
        {'a': 0.99, 'b': 0.255}, abs=2e-3
    )


def test_given_rates():
    given = dict.fromkeys(LAYERS, 0.3) | {'fc': 1.0}
    _, network = scored(strategy=given)
    assert network.rates()['fc'] > 0.97 and network.rates()['two.conv2'] == pytest.approx(
        0.3, abs=1e-3
    )
    with pytest.raises(ValueError, match="every layer a rate in .0.02, 1., and 'fc' has none"):
        scored(strategy={name: 0.3 for name in LAYERS[:-1]})
    with pytest.raises(ValueError, match=r'first rates come to 0.5\d* of what the target allows'):
        scored(strategy=dict.fromkeys(LAYERS, 0.1))


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(start=0.1), r'start=0.1 is not in \[0.2, 1\]; below the target nothing'),
        (dict(form='kernel'), "form='kernel' is not allowed"),
        (dict(strategy='best'), "strategy='best' is not one of uniform"),
        (dict(floor=0), 'floor=0 is not in'),
        (dict(growth=0), 'growth=0 is not a number > 0'),
    ],
)
def test_fields_out_of_range(fields, words):
    with pytest.raises(ValueError, match=words):
        HARP(0.8, **fields)


def test_the_default_start_is_never_below_the_target():
    assert scored(0.8)[1].ratio() == pytest.approx(0.8, abs=0.01)
    assert scored(0.95)[1].ratio() == pytest.approx(0.9, abs=0.01)


# --- input channels -------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match='cannot be called with one picture of shape .1, 8, 8.'):
        find_reads(model, (1, 8, 8))


def test_channel_scores_rates_and_masks():
    model, network = scored(0.5, form='channel')
    assert list(network.layers) == LAYERS[1:]  # colours have no score
    dense = small()
    for name, layer in network.layers.items():
        norms = (
            dense.get_submodule(name)
            .weight.abs()
            .sum([d for d in range(dense.get_submodule(name).weight.dim()) if d != 1])
        )
        torch.testing.assert_close(layer.scores.flatten(), math.sqrt(6) * norms / norms.max())
        keep = norms.topk(len(norms) // 2).indices.sort().values
        mask = network.masks()[name]
        assert (
            mask.view(*mask.shape[:2], -1).any(2).any(0).nonzero().flatten().tolist()
            == keep.tolist()
        )
        assert (mask == mask[:1]).all() and network.kept()[name] == int(mask.sum())
    assert network.layers['two.short'].logit is network.layers['two.conv1'].logit
    assert len(network.trained_parameters()) == 6 + 5 + 10
    assert network.rates() == dict.fromkeys(LAYERS[1:], 0.5) and network.meets_target()


def test_flops_by_hand():
    model, network = scored(0.5, form='channel', strategy='original')
    dense = [
        64 * 8 * 55,
        64 * 8 * 145,
        64 * 8 * 145,
        16 * 12 * 145,
        16 * 12 * 217,
        16 * 12 * 17,
        1 * 4 * 25,
    ]
    budget = network._form.budget
    assert float(budget(torch.ones(6))) == sum(dense)
    half = [
        64 * 4 * 55,
        64 * 4 * 73,
        64 * 4 * 73,
        16 * 6 * 73,
        16 * 6 * 109,
        16 * 6 * 9,
        1 * 4 * 13,
    ]
    assert network._form.allowed == sum(half)
    assert float(network.excess().detach()) > 2 and not network.meets_target()
    with torch.no_grad():
        network.layers['two.conv1'].logit.fill_(-60)  # k_min = 0.05 rounds to no channel of 8
    assert network.rates()['two.conv1'] == 1 / 8 == network.rates()['two.short']


def test_what_has_no_input_channels():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten(), nn.Linear(8 * 16, 2)
    )
    with pytest.raises(
        ValueError,
        match="input channels of '1' cannot be scored, since it is a grouped convolution",
    ):
        HARP(0.5, form='channel', input_shape=(3, 8, 8)).attach(model)
    network = HARP(0.5, form='channel', ignore=['1'], input_shape=(3, 8, 8)).attach(model)
    assert list(network.layers) == ['3'] and network.kept() == {'3': 128}
    with pytest.raises(ValueError, match='every layer reads the picture itself'):
        HARP(0.5, form='channel', input_shape=(3,)).attach(nn.Linear(3, 2))


def test_a_channel_search_meets_its_flops():
    model, network = scored(0.5, form='channel', strategy='original', growth=2.0)
    for epoch in range(10):
        network.begin_epoch(epoch)
        search(model, network, 6)
        network.end_epoch()
    assert network.meets_target()
    assert float(network.excess().detach()) < 5e-5 and all(
        kept >= 1 for kept in network.kept().values()
    )


def test_rounding_alone_does_not_put_a_start_below_the_target():
    for target in (0.5, 0.7, 0.9):
        for width in (5, 7):
            model = nn.Sequential(
                nn.Conv2d(3, width, 3),
                nn.ReLU(),
                nn.Conv2d(width, 6, 3),
                nn.Flatten(),
                nn.Linear(96, 2),
            )
            for form in ('weight', 'channel'):
                network = HARP(target, form=form, start=1 - target, input_shape=(3, 8, 8)).attach(
                    copy.deepcopy(model)
                )
                assert network.ratio() == pytest.approx(target, abs=0.1)
