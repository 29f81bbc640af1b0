"""Backbones of mmpretrain and mmdet: orders folded in every block, certified as a whole."""

import pytest

from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import GroupedKernelConv2d, Structure, prune_grouped_kernels
from tests.support import zoo

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')
pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.slow, pytest.mark.timeout(1800)]

# name -> layers, ignore, layers that are cut, gathers
NETWORKS = {
    'resnet18': ('3x3', (), 16, 8 * 3),
    'resnet50': ('3x3', (), 16, 16),
    'resnet18_cifar': ('3x3', (), 16, 8 * 3),
    'retinanet': ('3x3', ('neck', 'bbox_head'), 16, 8 * 3),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_blocks_lose_gathers_and_nothing_else(name):
    make = zoo.detector if name in zoo.DETECTORS else zoo.classifier
    model, example, forward = make(name)
    layers, ignore, count, gathers = NETWORKS[name]
    structure = prune_grouped_kernels(
        model, 0.5, 8, layers, search='l2', ignore=ignore, example_input=example, forward=forward
    )
    cut = [module for module in model.modules() if isinstance(module, GroupedKernelConv2d)]
    assert len(cut) == count and sum(1 + (layer.out_index is not None) for layer in cut) == gathers
    again = rebuild(make(name)[0], Structure.from_json(structure.to_json()))
    again.load_state_dict(model.state_dict())
    assert str(again) == str(model)
