"""Parameters, multiplications, times and tables."""
import torch
from torch import nn

from mmrobustprune.report import as_text, count, device_stamp, latency, layer_table, width_tree


def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8),
                         nn.Conv2d(8, 8, 3, groups=4), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(8, 5))


def test_a_network_written_out():
    cost = count(net(), torch.zeros(1, 3, 9, 9))
    assert cost.layers == {
        '0': {'in': 3, 'out': 8, 'params': 216 + 8, 'macs': 216 * 16},
        '1': {'out': 8, 'params': 16, 'macs': 0},
        '2': {'params': 8 * 2 * 9 + 8, 'macs': 144 * 4},
        '5': {'in': 8, 'out': 5, 'params': 45, 'macs': 40}}
    assert (cost.params, cost.macs) == (437, 3456 + 576 + 40)


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


def test_calls_take_turns():
    order = []
    times = latency({'a': lambda: order.append('a'), 'b': lambda: order.append('b')},
                    warmup=2, repeats=5)
    assert order == ['a', 'b'] * 7
    assert times['a']['repeats'] == 5 and times['b']['device'] == device_stamp()
    assert times['a']['p10_ms'] <= times['a']['median_ms'] <= times['a']['p90_ms']
    assert 'torch' in device_stamp() and 'threads' in device_stamp()


def test_tables():
    before = {'stem.conv': {'in': 3, 'out': 64, 'params': 1728, 'macs': 3_000_000},
              'stem.bn': {'out': 64, 'params': 128, 'macs': 0},
              'head': {'in': 64, 'out': 10, 'params': 650, 'macs': 640}}
    after = {'stem.conv': {'in': 3, 'out': 32, 'params': 864, 'macs': 1_500_000},
             'stem.bn': {'out': 32, 'params': 64, 'macs': 0},
             'head': {'in': 32, 'out': 10, 'params': 330, 'macs': 320}}
    whole = {'head': 'it is an output of the model [fixed]'}
    text = as_text(layer_table(before, after, whole), 140)
    row = next(line for line in text.splitlines() if 'stem.conv' in line)
    assert all(part in row for part in ('64 -> 32', '1,728 -> 864', '3.00 M -> 1.50 M', '50.0%'))
    assert 'it is an output of the model [fixed]' in text and '2,506 -> 1,258' in text
    tree = as_text(width_tree(before, after, whole))
    assert 'conv 64 -> 32' in tree and 'head 10 (it is an output of the model [fixed])' in tree
    assert 'bn' not in tree
