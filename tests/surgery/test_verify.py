"""The certificate refuses what is not the same network."""

import pytest
import torch
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.structure.compare import difference, random_like
from mmrobustprune.surgery import Group, Slice, certify, trace
from tests.support.networks import Between, Function, L2Norm, Residual, every_third_dead

IMAGE = torch.randn(2, 3, 6, 6)


def masked(model, groups):
    masks = MaskSet(model, groups)
    masks.remove(every_third_dead(groups))
    return masks


def test_a_right_cut_is_certified_in_both_precisions():
    model = Residual()
    masks = masked(model, trace(model, IMAGE).groups)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert certify(masks, IMAGE) < 1e-13
    assert certify(masks, IMAGE, dtype=torch.float32) < 1e-5
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_layers_that_cast_to_single_precision_are_certified_in_double():
    model = Between(nn.Sequential(Function(lambda x: x.float()), L2Norm(8)))
    assert certify(masked(model, trace(model, IMAGE).groups), IMAGE) < 1e-13


def test_a_forward_that_knows_only_single_precision_is_certified_in_it():
    def single(x):
        if x.dtype == torch.float64:
            raise RuntimeError('expected scalar type Float but found Double')
        return x

    model = Between(Function(single))
    assert certify(masked(model, trace(model, IMAGE).groups), IMAGE) < 1e-5


@pytest.mark.parametrize('wrong', ['crossed', 'mean', 'shape'])
def test_a_wrong_cut_is_refused_and_the_group_named(wrong):
    middle = {
        'crossed': lambda x: x.flip(1),
        'mean': lambda x: x - x.mean(1, keepdim=True),
        'shape': lambda x: x.view(2, 8, 6, 6),
    }[wrong]
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.Conv2d(6, 8, 1), Function(middle), nn.Conv2d(8, 2, 1)
    )
    six, eight = torch.arange(6)[:, None], torch.arange(8)[:, None]
    groups = (
        Group('0', 6, (Slice('0', 'out', six), Slice('1', 'in', six))),
        Group('1', 8, (Slice('1', 'out', eight), Slice('3', 'in', eight))),
    )
    with pytest.raises(ValueError, match=r"the surgery was refused.*leave whole by ignore=\['1'\]"):
        certify(masked(model, groups), IMAGE)


def test_scales_of_zero_do_not_hide_a_wrong_cut():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), Function(lambda x: x.flip(1)), nn.Conv2d(8, 2, 1)
    )
    nn.init.zeros_(model[1].weight)
    index = torch.arange(8)[:, None]
    groups = (
        Group(
            '0', 8, tuple(Slice(*side, index) for side in (('0', 'out'), ('1', 'out'), ('3', 'in')))
        ),
    )
    with pytest.raises(ValueError, match='refused'):
        certify(masked(model, groups), IMAGE)


def test_nested_outputs_are_compared():
    a = dict(x=[torch.ones(2), (torch.zeros(3),)], y=torch.tensor(2))
    b = dict(x=[torch.ones(2), (torch.full((3,), 0.5),)], y=torch.tensor(2))
    assert difference(a, a) == 0
    assert difference(a, b) == 0.5
    assert difference([torch.ones(2)], [torch.ones(3)]) == float('inf')
    assert difference(torch.ones(2), torch.tensor([1.0, float('nan')])) == float('inf')


def test_random_input_keeps_what_is_not_a_floating_tensor():
    example = dict(image=torch.zeros(2, 3), index=torch.arange(3), note='text')
    noise = random_like(example, torch.float64, 0)
    assert noise['image'].dtype == torch.float64 and noise['image'].std() > 0
    assert noise['index'] is example['index'] and noise['note'] == 'text'
    assert torch.equal(noise['image'], random_like(example, torch.float64, 0)['image'])


def test_a_network_that_gives_nan_is_named_as_such():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    found = trace(model, torch.randn(1, 3, 8, 8))
    nn.init.constant_(model[2].bias, float('nan'))
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    with pytest.raises(ValueError, match='infinite or NaN outputs'):
        certify(masks, torch.randn(1, 3, 8, 8))
