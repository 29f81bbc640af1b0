"""Sizes of the networks in SR-GKP's tables, by its own counting rule."""

import runpy
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpretrain')

from mmrobustprune.cost.count import PLAIN, count
from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.surgery import prune_grouped_kernels

FILE = Path(__file__).parents[2] / 'benchmarks' / 'grouped_sizes.py'
# printed in the paper, millions to three decimals: (parameters, MACs) per ratio; VGG's dense row
# is a misprint of 314.433
PAPER = {
    'ResNet-32 CIFAR-10': {0: (0.464, 69.479), 0.4375: (0.263, 39.545)},
    'ResNet-56 CIFAR-10': {0: (0.853, 126.561), 0.4375: (0.482, 71.855)},
    'VGG-16-BN CIFAR-10': {0: (None, 314.433), 0.4375: (None, 178.184)},
    'ResNet-50 ImageNet': {0: (25.557, 4122.828), 0.75: (17.069, 2725.954)},
}
DERIVED = {  # by the same rule, where no printed number is at hand
    'ResNet-20 CIFAR-10': {
        0: (269_722, 40_938_122),
        0.4375: (152_794, 23_390_858),
        0.625: (102_682, 15_870_602),
    },
    'ResNet-32 CIFAR-10': {0.625: (176_154, 26_716_810)},
    'ResNet-56 CIFAR-10': {0.625: (323_098, 48_409_226)},
    'ResNet-110 CIFAR-10': {
        0: (1_727_962, 254_995_082),
        0.4375: (975_994, 144_550_538),
        0.625: (653_722, 97_217_162),
    },
    'VGG-16-BN CIFAR-10': {0: (14_728_266, 314_433_034), 0.4375: (8_293_194, 178_183_690)},
    'ResNet-56 Tiny-ImageNet': {0: (865_368, 506_254_024), 0.375: (547_416, 318_689_992)},
    'ResNet-101 Tiny-ImageNet': {
        0: (42_902_280, 10_081_091_784),
        0.875: (24_226_056, 5_721_112_776),
    },
}
PLAIN_MACS = {
    'ResNet-32 CIFAR-10': {0: 68.8626, 0.4375: 38.9290},
    'ResNet-56 CIFAR-10': {0: 125.4857, 0.4375: 70.7795},
    'ResNet-50 ImageNet': {0: 4089.1843, 0.75: 2701.9182},
}


@pytest.fixture(scope='module')
def tables():
    bench = runpy.run_path(str(FILE))
    return {
        net.name: {ratio: (paper, plain) for ratio, paper, plain in bench['sizes'](net)}
        for net in bench['NETS']
    }


@pytest.mark.slow
def test_three_decimals_of_the_paper(tables):
    for name, rows in PAPER.items():
        for ratio, (params, macs) in rows.items():
            cost, _ = tables[name][ratio]
            assert params is None or abs(cost.params / 1e6 - params) <= 0.0005, (name, ratio)
            assert abs(cost.macs / 1e6 - macs) <= 0.0005, (name, ratio)


@pytest.mark.slow
def test_the_other_networks_by_the_same_rule(tables):
    for name, rows in DERIVED.items():
        for ratio, expected in rows.items():
            cost, _ = tables[name][ratio]
            assert (cost.params, cost.macs) == expected, (name, ratio)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['ResNet-20 CIFAR-10', 'VGG-16-BN CIFAR-10'])
def test_networks_that_were_really_cut_cost_what_was_foretold(name):
    """Removed, and masked with the zeros left out."""
    bench = runpy.run_path(str(FILE))
    net = next(net for net in bench['NETS'] if net.name == name)
    model, image = net.build(), torch.zeros(1, 3, net.side, net.side)
    torch.manual_seed(0)
    for conv in (
        m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m.weight.requires_grad
    ):
        torch.nn.init.normal_(conv.weight)
    _, (_, paper, plain) = bench['sizes'](net, (0.4375,))
    structure = prune_grouped_kernels(model, 0.4375, groups=8, search='l2')
    assert set(structure.to_dict()['layers']) >= set(bench['kept_channels'](net.build(), 0.4375))
    for rule, foretold in ((net.pruned, paper), (PLAIN, plain)):
        cost = count(model, image, bench['forward'], rule)
        assert (cost.params, cost.macs) == (foretold.params, foretold.macs)
    for layer, module in list(model.named_modules()):
        if isinstance(module, GroupedKernelConv2d):
            model.set_submodule(layer, module.dense())
    masked = count(model, image, bench['forward'], net.pruned)
    assert (masked.params, masked.macs) == (paper.params, paper.macs)


@pytest.mark.slow
def test_plain_macs(tables):
    for name, rows in PLAIN_MACS.items():
        for ratio, macs in rows.items():
            assert abs(tables[name][ratio][1].macs / 1e6 - macs) <= 5e-5, (name, ratio)
