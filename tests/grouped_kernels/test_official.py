"""The released code's choices on a real ResNet-20, all of them, and the speed of the searches."""

import json
import time

import pytest
import torch

from mmrobustprune.grouped_kernels import SEARCHES, Snaking, arrange, score
from mmrobustprune.grouped_kernels.grouping import filter_order
from mmrobustprune.surgery import prune_grouped_kernels
from tests.support.grouped_reference import Search
from tests.support.resnets import CIFARResNet

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope='module')
def resnet20(shared_data):
    model = CIFARResNet()
    model.load_state_dict(
        torch.load(shared_data / 'resnet20_cifar10_state_dict.pth', weights_only=True)
    )
    return model.eval()


def test_every_kept_set_and_every_permutation_of_the_released_code(resnet20, shared_data):
    expected = json.loads((shared_data / 'srgkp_resnet20_stage1_2.json').read_text())
    seconds = time.process_time()
    layers = prune_grouped_kernels(resnet20, 0.4375, search='official').to_dict()['layers']
    seconds = time.process_time() - seconds
    assert len(expected) == 12 and len([row for row in layers.values() if 'kept' in row]) == 18
    for name, row in expected.items():
        assert layers[name]['kept'] == row['kept'], name
        assert layers[name]['out_index'] == row['out_index'], name
    assert seconds < 10  # about 1.5 on one core; the released code takes 150


def test_the_slow_search_agrees_on_a_layer_of_the_real_network(shared_data):
    weight = torch.load(shared_data / 'resnet20_cifar10_state_dict.pth', weights_only=True)[
        'stage_1.1.conv_a.weight'
    ].double()
    kernels = arrange('x', weight, filter_order('x', Snaking()('x', weight, 8), 16, 8), 8)
    for name, options in (
        ('official', dict(width=2, check_every=3, beta='first')),
        ('beam', {}),
        ('greedy', dict(width=1)),
    ):
        kept = SEARCHES[name](kernels, 9)
        for group in range(2):
            slow = Search(
                kernels.similarity[group].tolist(), kernels.roughness[group].tolist(), 9, **options
            ).run()
            assert kept[group].tolist() == slow, name


def test_the_corrected_search_scores_higher(shared_data):
    state = torch.load(shared_data / 'resnet20_cifar10_state_dict.pth', weights_only=True)
    gains = []
    for name, weight in state.items():
        if name.startswith('stage_2') and 'conv' in name:
            weight = weight.double()
            kernels = arrange(
                name, weight, filter_order(name, Snaking()(name, weight, 8), len(weight), 8), 8
            )
            keep = kernels.channels * 9 // 16
            new, old = (
                score(kernels.similarity, SEARCHES[search](kernels, keep))
                for search in ('beam', 'official')
            )
            assert (new >= old).all()
            gains.append(new / old - 1)
    assert 0.1 < torch.cat(gains).mean() < 0.4
