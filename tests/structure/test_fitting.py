"""Weights of another structure do not get into a pruned network, by any loader."""

import copy
import pickle

import pytest
import torch
from mmengine.runner import load_state_dict

from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.fitting import refuse_other_structures
from mmrobustprune.surgery import prune_grouped_kernels, trace
from tests.support.networks import Between, Residual, every_third_dead

SAID = r'not of this pruned network \({} is .* in the checkpoint and .* in the network\); give the'
LOADERS = [torch.nn.Module.load_state_dict, load_state_dict]


def pruned(net=Residual):
    """A dense network, and its pruned one that is guarded."""
    dense = net()
    groups = trace(dense, torch.randn(1, 3, 6, 6)).groups
    masks = MaskSet(copy.deepcopy(dense), groups)
    masks.remove(every_third_dead(groups))
    small = rebuild(copy.deepcopy(dense), masks.structure('test'))
    refuse_other_structures(small, masks.structure('test'))
    return dense, small


@pytest.mark.parametrize('load', LOADERS)
def test_dense_weights_are_refused_and_change_nothing(load):
    dense, small = pruned()
    before = copy.deepcopy(small.state_dict())
    with pytest.raises(ValueError, match=SAID.format('[a-z0-9]+.[a-z_]+')):
        load(small, dense.state_dict(), strict=False)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    for value in before.values():
        value.add_(1)
    load(small, before)
    assert torch.equal(small.stem.weight, before['stem.weight'])


@pytest.mark.parametrize('load', LOADERS)
def test_another_task_and_missing_weights_are_the_loaders_own_affair(load):
    """The classes of the head lost nothing, so that other numbers of them start afresh."""
    _, small = pruned()
    state = small.state_dict()
    state['head.weight'] = torch.zeros(7, small.head.in_features)
    del state['stem.weight']
    if load is load_state_dict:
        load(small, state)  # logs what does not fit
    else:
        with pytest.raises(RuntimeError, match='size mismatch for head.weight'):
            load(small, state, strict=False)
    state['head.weight'] = torch.zeros(3, small.head.in_features + 1)
    with pytest.raises(ValueError, match=SAID.format('head.weight')):
        load(small, state, strict=False)


def test_a_grouped_layer_refuses_the_dense_one():
    dense = Between(torch.nn.Conv2d(8, 8, 3, padding=1))
    small = copy.deepcopy(dense)
    record = prune_grouped_kernels(small, ratio=0.5, groups=2, layers=['middle'])
    refuse_other_structures(small, record)
    with pytest.raises(ValueError, match=r'middle.weight is \(8, 8, 3, 3\) in .* \(8, 4, 3, 3\)'):
        small.load_state_dict(dense.state_dict(), strict=False)
    small.load_state_dict(small.state_dict())


def test_a_wrapper_a_copy_and_a_pickled_network_refuse_too():
    dense, small = pruned()
    wrapped = torch.nn.Sequential(copy.deepcopy(small))
    inside = {f'0.{name}': value for name, value in dense.state_dict().items()}
    for network, state in (
        (wrapped, inside),
        (pickle.loads(pickle.dumps(small)), dense.state_dict()),
    ):
        with pytest.raises(ValueError, match='not of this pruned network'):
            network.load_state_dict(state)


def test_a_network_that_was_pruned_further_takes_its_own_weights():
    _, small = pruned()
    groups = trace(small, torch.randn(1, 3, 6, 6)).groups
    masks = MaskSet(small, groups)
    masks.remove(every_third_dead(groups))
    before = small.state_dict()
    rebuild(small, masks.structure('again'))
    small.load_state_dict(small.state_dict())
    with pytest.raises(ValueError, match='not of this pruned network'):
        small.load_state_dict(before)
