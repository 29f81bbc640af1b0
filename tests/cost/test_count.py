"""Parameters, multiplications and times."""

import pytest
import torch
from torch import nn

from mmrobustprune.cost.count import (
    PLAIN,
    SR_GKP,
    CountingRule,
    count,
    device_stamp,
    latency,
    total,
)
from mmrobustprune.report import as_text, layer_table
from mmrobustprune.surgery import prune_grouped_kernels


def net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def test_a_network_written_out():
    cost = count(net(), torch.zeros(1, 3, 9, 9))
    assert cost.layers == {
        '0': {'in': 3, 'out': 8, 'params': 216 + 8, 'macs': 216 * 16},
        '1': {'out': 8, 'params': 16, 'macs': 0},
        '2': {'out': 8, 'params': 8 * 2 * 9 + 8, 'macs': 144 * 4},
        '5': {'in': 8, 'out': 5, 'params': 45, 'macs': 40},
    }
    assert (cost.params, cost.macs) == (437, 3456 + 576 + 40)


def test_grouped_kernels_have_the_width_that_a_filter_reads():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, bias=False))
    dense = count(model, torch.zeros(1, 3, 9, 9))
    prune_grouped_kernels(model, 0.75, 4, ['1'], search='l2')
    pruned = count(model, torch.zeros(1, 3, 9, 9))
    assert pruned.layers['1'] == {'in': 2, 'out': 8, 'params': 8 * 2 * 9, 'macs': 8 * 2 * 9 * 25}
    assert '8 -> 2' in as_text(layer_table(dense.layers, pruned.layers))


def test_batches_repeats_and_transposed_convolutions():
    up = nn.ConvTranspose2d(2, 3, 2, stride=2)
    model = nn.Sequential(up)
    assert count(model, torch.zeros(4, 2, 5, 5)).macs == 4 * 25 * 2 * 3 * 4
    twice = count(model, torch.zeros(1, 2, 5, 5), lambda m, x: (m(x), m(x)))
    assert twice.macs == 2 * 25 * 24 and twice.params == 27


def test_the_model_is_left_as_it_was():
    model = net().train()
    model[1].eval()
    mean = model[1].running_mean.clone()
    count(model, torch.randn(2, 3, 9, 9))
    assert model.training and not model[1].training and torch.equal(model[1].running_mean, mean)
    assert not model[0]._forward_hooks and model[0].weight.requires_grad


def paper_net():
    """Every kind of module that the paper's rule counts, 8x8 in."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 1, bias=False),
        nn.AvgPool2d((2, 1)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )


def test_the_paper_rule_written_out():
    macs = {
        '0': 4 * 27 * 64 + 4 * 64,
        '1': 2 * 4 * 64,
        '3': 4 * 4 * 16,
        '4': 24 * 16,
        '5': 2 * 6 * 8,
        '6': 6 * 8,
        '8': 30 + 5,
    }
    cost = count(paper_net(), torch.zeros(1, 3, 8, 8), rule=SR_GKP)
    assert {name: row['macs'] for name, row in cost.layers.items()} == macs
    assert cost.params == 4 * 27 + 4 + 8 + 24 + 35
    relu = count(paper_net(), torch.zeros(1, 3, 8, 8), rule=CountingRule(relu=True))
    assert relu.macs - count(paper_net(), torch.zeros(1, 3, 8, 8)).macs == 4 * 64


def test_weights_that_are_zero_do_not_count_by_the_paper_rule():
    model = paper_net()
    with torch.no_grad():
        model[0].weight[:, 0] = 0  # a masked kernel per filter
        model[0].bias.zero_()  # not yet trained: it counts
        model[1].bias.zero_()
    x = torch.zeros(1, 3, 8, 8)
    assert count(paper_net(), x, rule=SR_GKP).macs - count(model, x, rule=SR_GKP).macs == 4 * 9 * 64
    assert count(paper_net(), x, rule=SR_GKP).params - count(model, x, rule=SR_GKP).params == 4 * 9
    assert count(model, x) == count(paper_net(), x)


@pytest.mark.parametrize(
    'rule, pruned, more',
    [
        ('sr-gkp', False, 0),
        ('sr-gkp-vgg', True, 4 * 64),
        ('sr-gkp-imagenet', False, 4 * 64 - 6 * 8),
        ('sr-gkp-imagenet', True, -6 * 8),
    ],
)
def test_totals_by_name(rule, pruned, more):
    """A ReLU counts in VGG and in the dense network of ImageNet alone, adaptive pools on CIFAR."""
    x = torch.zeros(1, 3, 8, 8)
    cifar = count(paper_net(), x, rule=SR_GKP)
    expected = dict(params=cifar.params, macs=cifar.macs + more)
    assert total(paper_net(), x, rule, pruned=pruned) == expected


@pytest.mark.parametrize('rule', [PLAIN, SR_GKP])
@pytest.mark.parametrize('groups', [1, 2, 4])
def test_kept_channels_count_as_the_grouped_network_does(rule, groups):
    """K of C=8 channels per filter: a grouped convolution over groups * K gathered channels."""

    class Grouped(nn.Sequential):
        def forward(self, x):
            return super().forward(x[:, torch.arange(3 * groups) % 8])

    x = torch.zeros(2, 8, 7, 7)
    made = count(Grouped(nn.Conv2d(3 * groups, 12, 3, stride=2, groups=groups)), x, rule=rule)
    foretold = count(nn.Sequential(nn.Conv2d(8, 12, 3, stride=2)), x, rule=rule, kept={'0': 3})
    assert (made.params, made.macs) == (foretold.params, foretold.macs)


@pytest.mark.parametrize(
    'kept, sentence',
    [
        ({'1.conv': 2}, "kept names '1.conv'"),
        ({'1': 2}, 'kept=2 does not fit BatchNorm2d'),
        ({'0': 4}, 'kept=4 does not fit'),
    ],
)
def test_kept_channels_that_cannot_be(kept, sentence):
    with pytest.raises(ValueError, match=sentence):
        count(net(), torch.zeros(1, 3, 9, 9), kept=kept)


def test_layers_with_fixed_weights_are_pools():
    class Subsample(nn.Conv2d):
        fixed = True

    shortcut = Subsample(2, 4, 1, stride=2, bias=False)
    nn.init.eye_(shortcut.weight.data[:, :, 0, 0])
    model, x = nn.Sequential(nn.Conv2d(1, 2, 1), shortcut), torch.zeros(1, 1, 4, 4)
    assert count(model, x).macs == 2 * 16 and count(model, x).params == 4
    assert (
        count(model, x, rule=SR_GKP).macs == 2 * 16 + 2 * 16 + 2 * 4
    )  # weights, bias, every second pixel of 2 channels


def test_calls_take_turns():
    order = []
    times = latency(
        {'a': lambda: order.append('a'), 'b': lambda: order.append('b')}, warmup=2, repeats=5
    )
    assert order == ['a', 'b'] * 7
    assert times['a']['repeats'] == 5 and times['b']['device'] == device_stamp()
    assert times['a']['p10_ms'] <= times['a']['median_ms'] <= times['a']['p90_ms']
    assert 'torch' in device_stamp() and 'threads' in device_stamp()
