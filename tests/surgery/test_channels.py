"""prune_channels from end to end."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.scores import Score
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import prune_channels
from mmrobustprune.surgery.followed import trace
from tests.support.networks import Between, Concat, Function, random_net

IMAGE = torch.randn(2, 3, 8, 8)


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 96, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, 10),
    )


@pytest.mark.parametrize('budget', ['channels', 'params', 'macs'])
@pytest.mark.parametrize('scope', ['network', 'layer'])
def test_a_budget_is_met_within_one_percent(budget, scope):
    model = net()
    dense = count(model, IMAGE)
    structure = prune_channels(model, IMAGE, 0.5, budget=budget, scope=scope)
    small = count(model, IMAGE)
    real = dict(
        channels=1 - (model[0].out_channels + model[3].out_channels) / 160,
        params=1 - small.params / dense.params,
        macs=1 - small.macs / dense.macs,
    )
    assert structure.achieved == pytest.approx(real)
    assert 0.5 <= real[budget] <= 0.51


def test_a_known_trace_is_not_made_again():
    calls = []

    def forward(model, images):
        calls.append(images)
        return model(images)

    structure = prune_channels(net(), IMAGE, forward=forward)
    whole = len(calls)
    model = net()
    found = trace(model, IMAGE, forward)
    calls.clear()
    assert prune_channels(model, IMAGE, forward=forward, found=found) == structure
    assert 0 < len(calls) < whole


def test_the_lowest_scores_go():
    class Index(Score):
        def __call__(self, model, groups):
            return {group.name: torch.arange(group.units) + 1.0 for group in groups}

    model = net()
    structure = prune_channels(model, IMAGE, 0.25, score=Index(), scope='layer')
    assert structure.layers['0']['out'] == list(range(16, 64))
    assert structure.layers['7']['in'] == list(range(24, 96))
    assert structure.method == 'Index'


def test_the_record_rebuilds_the_pruned_model():
    model, fresh = net(), net()
    structure = prune_channels(model, IMAGE, 0.4, round_to=8)
    assert model[0].out_channels % 8 == model[3].out_channels % 8 == 0
    rebuild(fresh, structure).load_state_dict(model.state_dict())
    assert torch.equal(fresh.eval()(IMAGE), model.eval()(IMAGE))


def test_pruning_twice():
    model = net()
    prune_channels(model, IMAGE, 0.3)
    prune_channels(model, IMAGE, 0.3)
    assert model[0].out_channels + model[3].out_channels < 80
    assert model(IMAGE).shape == (2, 10)


@pytest.mark.parametrize('scope', ['network', 'isomorphic'])
@pytest.mark.parametrize('per', ['unit', 'cost'])
@pytest.mark.parametrize('weigh', ['scores', 'reads', 'none'])
def test_every_ranking_meets_the_budget(scope, per, weigh):
    structure = prune_channels(
        net(), IMAGE, 0.5, budget='params', scope=scope, per=per, weigh=weigh
    )
    assert 0.5 <= structure.achieved['params'] <= 0.51


def test_the_group_that_the_loss_needs_keeps_more():
    def kept(needed):
        model = net()

        def loss(twin):
            return float((twin[needed].weight == 0).flatten(1).all(1).sum())

        prune_channels(model, IMAGE, 0.2, weigh='loss', loss=loss)
        return model[0].out_channels, model[3].out_channels

    first = kept(0)
    last = kept(3)
    assert first[0] > last[0] and first[1] < last[1]


def test_parameters_that_go_with_few_macs():
    model = net()
    free = prune_channels(net(), IMAGE, 0.5, budget='params').achieved
    limit = free['macs'] - 0.01
    structure = prune_channels(model, IMAGE, 0.5, budget='params', macs=limit)
    assert structure.achieved['params'] >= 0.5 and structure.achieved['macs'] <= limit


def test_named_layers_only():
    model = net()
    prune_channels(model, IMAGE, 0.5, layers=['3'])
    assert (model[0].out_channels, model[3].out_channels) == (64, 48)


def test_ignored_layers_keep_their_width():
    model = net()
    prune_channels(model, IMAGE, 0.5, ignore=['3'])
    assert (model[0].out_channels, model[3].out_channels) == (32, 96)


def test_several_inputs_and_a_forward_of_ones_own():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, left, right, mode='none'):
            if mode == 'none':
                raise RuntimeError('needs a mode')
            return dict(out=self.c(self.a(left) + self.b(right)))

    model = Two()
    prune_channels(model, (IMAGE, IMAGE), 0.5, forward=lambda m, x: m(*x, mode='tensor'))
    assert model.a.out_channels == model.b.out_channels == model.c.in_channels == 4
    prune_channels(model, dict(left=IMAGE, right=IMAGE, mode='tensor'), 0.5)
    assert model.a.out_channels == 2


REFUSED = {
    'ratio 0': (dict(ratio=0.0), 'in .0, 1., not 0'),
    'ratio 1': (dict(ratio=1.0), 'in .0, 1., not 1'),
    'too much': (dict(ratio=0.99, budget='params'), r'the nearest feasible value is 0\.9\d+'),
    'budget': (dict(budget='parms'), "unknown budget 'parms' .*did you mean 'params'"),
    'scope': (dict(scope='networks'), "unknown scope 'networks'"),
    'round_to': (dict(round_to=64, ratio=0.3), 'nearest feasible value is'),
    'loss': (dict(weigh='loss'), "measured on training batches.*choose 'scores'"),
    'a loss for nothing': (dict(loss=float), "loss goes with weigh='loss', not with .*'scores'"),
    'weigh': (dict(weigh='read'), "unknown weigh 'read'.*did you mean 'reads'"),
    'macs': (dict(macs=2, budget='params'), 'in .0, 1., not 2'),
    'pattern': (dict(ignore=['backbone.*']), "pattern 'backbone..' matches no layer"),
    'output': (dict(layers=['7']), "'7' cannot be pruned: it is an output of the model"),
    'all whole': (dict(ignore=['0', '3']), 'nothing can be pruned: every layer is unprunable'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_a_refusal_is_one_sentence_and_changes_nothing(name):
    fields, message = REFUSED[name]
    model = net()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message) as error:
        prune_channels(model, IMAGE, **fields)
    assert '\n' not in str(error.value)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_failed_certificate_changes_nothing():
    model = Between(Function(lambda x: x.view(2, 8, 8, 8)))  # a width in the code
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=r"the surgery was refused.*ignore=\['first'\]"):
        prune_channels(model, IMAGE, 0.5)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_every_kind_of_layer_at_once():
    model = random_net(
        [
            ('conv', 12),
            ('gate', 0),
            ('join', 8),
            ('depthwise', 0),
            ('sum', 16),
            ('same', 0),
            ('norm', 0),
            ('transposed', 12),
        ],
        True,
    )
    prune_channels(model, IMAGE, 0.4, min_keep=0.3)
    assert prune_channels(Concat(120, 200), IMAGE, 0.5, budget='macs').achieved['macs'] >= 0.5
