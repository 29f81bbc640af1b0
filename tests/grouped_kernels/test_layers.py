"""What cannot be pruned is refused in one sentence: the layer and the nearest possible value."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from mmrobustprune.grouped_kernels.layers import check_groups, check_ratio, choose_layers
from mmrobustprune.surgery import prune_grouped_kernels
from tests.support.resnets import BottleneckNet, CIFARResNet


def net():
    return nn.Sequential(
        nn.Conv2d(3, 12, 3),
        nn.Conv2d(12, 12, 3),
        nn.BatchNorm2d(12),
        nn.Conv2d(12, 18, 1),
        nn.Conv2d(18, 6, 3),
    )


def depthwise():
    return nn.Sequential(nn.Conv2d(12, 12, 3), nn.Conv2d(12, 12, 3, groups=12))


def nan():
    model = net()
    model[4].weight.data[1, 2, 0, 0] = float('nan')
    return model


def tied():
    model = net()
    model.append(nn.Conv2d(12, 12, 3))
    model[5].weight = model[1].weight
    return model


def parametrised():
    model = net()
    parametrizations.weight_norm(model[1])
    return model


def cut_already():
    model = net()
    prune_grouped_kernels(model, 0.5, 6, ['1'])
    return model


REFUSED = {
    'groups': (
        net,
        dict(groups=8),
        "groups=8 does not divide the 12 filters of '1'; the nearest .* is 6",
    ),
    'too many groups': (net, dict(groups=100), "'1'; the nearest .* is 6"),
    'no groups': (net, dict(groups=0), "'1'; the nearest .* is 1"),
    'half a group': (net, dict(groups=2.5), "'1'; the nearest .* is (2|3)"),
    'fraction': (
        net,
        dict(ratio=0.4),
        r"ratio=0.4 keeps 7.2 of the 12 input channels of '1', not a whole.* is 0.333333 \(2/6\)",
    ),
    'fraction of another layer': (
        net,
        dict(ratio=0.25, layers=['1', '4']),
        r"keeps 13.5 of the 18 input channels of '4'.*\((1|2)/6\)",
    ),
    'nothing left': (
        net,
        dict(ratio=1),
        r'keeps 0 of the 12 input .* all chosen layers is 0.833333 \(5/6\)',
    ),
    'more than everything': (net, dict(ratio=1.5), r'\(5/6\)'),
    'nothing removed': (
        net,
        dict(ratio=0),
        r"keeps 12 of the 12 input channels of '1'.* is 0.166667 \(1/6\)",
    ),
    'no number': (net, dict(ratio=float('nan')), "'1'"),
    'no common ratio': (
        lambda: nn.Sequential(nn.Conv2d(5, 6, 3), nn.Conv2d(6, 6, 3)),
        dict(),
        r"keeps 2.5 of the 5 input channels of '0'.*\((2|3)/5\)",
    ),
    'depthwise': (
        depthwise,
        {},
        "'1' is a depthwise convolution already, with groups=12, and only groups=1",
    ),
    'grouped': (
        lambda: nn.Sequential(nn.Conv2d(12, 12, 3, groups=3)),
        {},
        "'0' is a grouped convolution already, with groups=3",
    ),
    'cut already': (cut_already, {}, "'1' has grouped kernels already"),
    'nan': (nan, {}, "the weight of '4' holds NaN"),
    'tied': (tied, {}, "'1' shares a parameter"),
    'parametrised': (parametrised, {}, "the weight of '1' is computed"),
    'transposed': (
        lambda: nn.Sequential(nn.ConvTranspose2d(8, 8, 3)),
        dict(layers=['0']),
        "'0' is a ConvTranspose2d",
    ),
    'linear': (lambda: nn.Sequential(nn.Linear(8, 8)), dict(layers=['0']), "'0' is a Linear"),
    'unknown layer': (net, dict(layers=['conv7']), "pattern 'conv7' matches no layer"),
    'unknown ignored': (net, dict(ignore=['conv7']), "pattern 'conv7' matches no layer"),
    'nothing chosen': (net, dict(ignore=['1', '4']), 'no convolution of this network is chosen'),
    'itself': (lambda: nn.Conv2d(8, 8, 3), {}, 'the model is itself a convolution'),
    'unknown search': (net, dict(search='beams'), "unknown search 'beams'"),
    'unknown grouping': (net, dict(grouping='snake'), "unknown grouping 'snake'"),
    'search without sense': (
        net,
        dict(search=lambda kernels, keep: torch.zeros(6, keep).long()),
        r"the search gave .* for '1'",
    ),
    'grouping without sense': (
        net,
        dict(grouping=lambda layer, weight, groups: torch.zeros(12).long()),
        "the grouping of '1'",
    ),
}


@pytest.mark.parametrize('make, options, message', REFUSED.values(), ids=REFUSED)
def test_refused(make, options, message):
    model = make()
    before, text = {name: value.clone() for name, value in model.state_dict().items()}, str(model)
    with pytest.raises(ValueError, match=message) as error:
        prune_grouped_kernels(model, **dict(dict(ratio=0.5, groups=6), **options))
    assert '\n' not in str(error.value) and str(model) == text
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(
        torch.equal(value.nan_to_num(7), after[name].nan_to_num(7))
        for name, value in before.items()
    )


def test_what_is_refused_as_nearest_is_legal():
    layers = choose_layers(net())
    for ratio in (0, 0.01, 0.2, 0.4, 0.6, 0.77, 0.99, 1, 3, -2):
        try:
            check_ratio(layers, ratio)
        except ValueError as error:
            part, steps = str(error).rpartition('(')[2].rstrip(').').split('/')
            assert set(check_ratio(layers, int(part) / int(steps)).values()) <= set(range(1, 18))
    for groups in range(30):
        try:
            check_groups(layers, groups)
        except ValueError as error:
            check_groups(layers, int(str(error).rstrip('.').rpartition(' ')[2]))


def test_an_interrupted_search_changes_nothing():
    model = CIFARResNet(8, (8, 8, 16))
    before, text = copy.deepcopy(model.state_dict()), str(model)

    def stop(decision):
        if decision.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune_grouped_kernels(model, 0.5, 4, progress=stop)
    assert str(model) == text and all(
        torch.equal(before[name], value) for name, value in model.state_dict().items()
    )


def test_ratios_that_are_whole_up_to_rounding_are_legal():
    layers = {'x': nn.Conv2d(10, 8, 3)}
    assert [check_ratio(layers, ratio / 10)['x'] for ratio in range(1, 10)] == list(range(9, 0, -1))
    assert check_ratio({'x': nn.Conv2d(16, 8, 3)}, 0.4375) == {'x': 9}


def test_which_layers_are_meant():
    model = BottleneckNet()
    blocks = [f'blocks.{i}.conv' for i in (0, 1)]
    assert list(choose_layers(model)) == [f'{block}2' for block in blocks]
    assert list(choose_layers(model, 'all')) == [
        f'{block}{c}' for block in blocks for c in (1, 2, 3)
    ]
    assert list(choose_layers(model, ['blocks.0'], ignore='*.downsample.*')) == [
        f'blocks.0.conv{c}' for c in (1, 2, 3)
    ]
    assert list(choose_layers(model, 'blocks.0.conv2')) == ['blocks.0.conv2']
    assert 'stem.0' in choose_layers(model, ['stem']) and 'blocks.0.downsample.0' in choose_layers(
        model, ['*.downsample.*']
    )
    assert list(choose_layers(CIFARResNet(8), ignore=['stage_2', 'stage_3'])) == [
        'stage_1.0.conv_a',
        'stage_1.0.conv_b',
    ]
    assert len(choose_layers(CIFARResNet(20))) == 18  # without the first
