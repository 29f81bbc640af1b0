"""Zeros that stay zeros."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import trace
from tests.support.networks import Between, L2Norm, LastAxis, Residual, Response, every_third_dead

IMAGE = torch.randn(4, 3, 6, 6)
OPTIMIZERS = {
    'sgd': lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    'adamw': lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
    'adam maximise': lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.1, maximize=True),
    'rmsprop': lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.9, centered=True),
}


def setup(optimizer=None):
    torch.manual_seed(0)
    model = Residual()
    masks = MaskSet(model, trace(model, IMAGE).groups)
    return model, masks, optimizer and OPTIMIZERS[optimizer](model.parameters())


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def train(model, optimizer, steps=2):
    for _ in range(steps):
        optimizer.zero_grad()
        model(IMAGE).square().sum().backward()
        optimizer.step()


def dead(model):
    """The entries of Residual that units 1 and 4 of the stem and unit 1 of conv1 own."""
    out = {}
    for name, parameter in model.named_parameters():
        mask = torch.zeros_like(parameter, dtype=torch.bool)
        if name.split('.')[0] in ('stem', 'bn', 'conv2'):
            mask[[1, 4]] = True
        if name == 'head.weight' or name == 'conv1.weight':
            mask[:, [1, 4]] = True
        if name.split('.')[0] in ('conv1', 'bn1'):
            mask[1] = True
        if name == 'conv2.weight':
            mask[:, 1] = True
        out[name] = mask
    return out


@pytest.mark.parametrize('name', OPTIMIZERS)
def test_zero_under_any_optimizer_and_only_there(name):
    model, masks, optimizer = setup(name)
    train(model, optimizer)
    masks.attach()
    masks.remove(every_third_dead(masks.groups), optimizer)
    train(model, optimizer, 3)
    for key, where in dead(model).items():
        parameter = model.get_parameter(key)
        assert (parameter[where] == 0).all(), key
        assert (parameter[~where] != 0).all(), key
        for value in optimizer.state[parameter].values():
            assert not torch.is_tensor(value) or value.dim() == 0 or (value[where] == 0).all()


def test_infinite_gradients_do_not_become_nan():
    model, masks, _ = setup()
    masks.attach()
    masks.remove(every_third_dead(masks.groups))
    (model.stem.weight * float('inf')).sum().backward()
    gradient = model.stem.weight.grad
    assert (gradient[[1, 4]] == 0).all() and gradient[[0, 2]].isinf().all()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float32, torch.float64])
def test_gradients_are_masked_in_every_precision(dtype):
    model, masks, _ = setup()
    model.to(dtype)
    masks.attach()
    masks.remove(every_third_dead(masks.groups))
    weight = model.stem.weight
    given = torch.full_like(weight, -1.5)
    given[1] = given[2] = float('nan')
    (weight * given).sum().backward()
    assert weight.grad.dtype == dtype and weight.grad[2].isnan().all()
    assert (weight.grad[[1, 4]] == 0).all() and (weight.grad[[0, 3]] == -1.5).all()


def test_a_gradient_with_no_masked_entry_is_not_copied():
    model, masks, _ = setup()
    weight = model.conv1.weight
    places = []
    weight.register_hook(lambda grad: places.append(grad.data_ptr()))
    masks.attach()
    weight.register_hook(lambda grad: places.append(grad.data_ptr()))
    model(IMAGE).square().sum().backward()
    masks.remove(every_third_dead(masks.groups))
    model(IMAGE).square().sum().backward()
    assert places[0] == places[1] and places[2] != places[3]


def test_detach_lets_gradients_through():
    model, masks, optimizer = setup('sgd')
    masks.attach()
    masks.attach()
    masks.remove(every_third_dead(masks.groups))
    masks.detach()
    model.stem.weight.sum().backward()
    assert (model.stem.weight.grad == 1).all()


def test_the_mask_of_a_unit_on_a_bare_parameter():
    model = Between(L2Norm(8))
    masks = MaskSet(model, trace(model, IMAGE).groups)
    masks.remove({'first': torch.arange(8) > 2})
    assert (model.middle.weight[:3] == 0).all() and (model.middle.weight[3:] != 0).all()
    assert masks.structure('x').layers['middle.weight'] == dict(
        kind='parameter', shape=[8], out=[3, 4, 5, 6, 7]
    )


def test_masks_only_grow():
    model, masks, _ = setup()
    masks.remove({'stem': torch.arange(6) != 2})
    assert masks.removed() == pytest.approx(0.1)
    with pytest.raises(ValueError, match="units of 'stem' were removed already; pass a mask"):
        masks.remove({'stem': torch.arange(6) != 3})
    with pytest.raises(ValueError, match="no unit of 'conv1' would be left"):
        masks.remove({'conv1': torch.zeros(4, dtype=torch.bool)})
    with pytest.raises(ValueError, match="group 'head' with"):
        masks.remove({'head': torch.ones(3, dtype=torch.bool)})
    with pytest.raises(ValueError, match="group 'stem' with .5,. units"):
        masks.remove({'stem': torch.ones(5, dtype=torch.bool)})
    assert masks.alive['stem'].tolist() == [True, True, False, True, True, True]


def test_another_copy_is_masked_alike():
    model, masks, _ = setup()
    other = copy.deepcopy(model)
    masks.remove(every_third_dead(masks.groups))
    masks.mask_model(other)
    assert same(model, other)


def test_state_dict_there_and_back():
    model, masks, _ = setup()
    dense = copy.deepcopy(model)
    masks.remove(every_third_dead(masks.groups))
    again = MaskSet(dense, masks.groups)
    again.load_state_dict(masks.state_dict())
    assert all(torch.equal(again.alive[name], masks.alive[name]) for name in masks.alive)
    assert same(model, dense)
    with pytest.raises(ValueError, match="another model .group 'conv9'"):
        again.load_state_dict(masks.state_dict() | {'conv9': torch.ones(2)})


def test_structure_and_kept_channels():
    _, masks, _ = setup()
    masks.remove({'conv1': torch.tensor([True, False, False, True])})
    structure = masks.structure('Magnitude', params=0.2)
    assert structure.layers == {
        'conv1': dict(kind='conv', shape=[4, 6, 3, 3], out=[0, 3]),
        'bn1': dict(kind='norm', shape=[4], out=[0, 3]),
        'conv2': {'kind': 'conv', 'shape': [6, 4, 3, 3], 'in': [0, 3]},
    }
    assert structure.method == 'Magnitude'
    assert structure.achieved == dict(channels=pytest.approx(0.2), params=0.2)
    assert masks.kept('conv1').tolist() == [True, False, False, True]
    assert masks.kept('head').all() and len(masks.kept('head')) == 3
    assert set(masks.filters()) == {'stem', 'conv1', 'conv2'}


def test_tied_parameters_are_masked_through_every_name():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.b.weight = self.a.weight
            self.c = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.c(self.a(x) + self.b(x))

    model = Tied()
    masks = MaskSet(model, trace(model, IMAGE).groups)
    masks.attach()
    masks.remove({'a': torch.tensor([True, True, False, True])})
    model(IMAGE).sum().backward()
    assert (model.a.weight[2] == 0).all() and (model.a.weight.grad[2] == 0).all()
    assert model.b.bias[2] == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu():
    from mmrobustprune.cost.model import CostModel
    from mmrobustprune.masks import RankedSelection
    from mmrobustprune.scores import FPGM, BNScale, Magnitude, Taylor
    from mmrobustprune.structure import rebuild
    from mmrobustprune.surgery import certify

    model, image = Residual(64, 64).cuda(), IMAGE.cuda()
    found = trace(model, image)
    optimizer = torch.optim.AdamW(model.parameters())
    taylor = Taylor()
    taylor.watch(model, optimizer)
    masks = MaskSet(model, found.groups)
    masks.attach()
    for _ in range(2):
        optimizer.zero_grad()
        model(image).square().sum().backward()
        optimizer.step()
    rule = RankedSelection(CostModel(model, found.groups, found.shapes))
    for score in (FPGM(), BNScale(), Magnitude(), taylor):
        scores = score(model, found.groups)
        assert all(value.is_cuda for value in scores.values())
        rule.plan(scores, 0.5)
    masks.remove(rule.plan(Magnitude()(model, found.groups), 0.5), optimizer)
    certify(masks, image)
    rebuild(model, masks.structure('Magnitude'), optimizer)
    model(image).sum().backward()
    optimizer.step()


NORMS = {
    'group': lambda: nn.GroupNorm(2, 8),
    'layer': lambda: LastAxis(nn.LayerNorm(8)),
    'response': lambda: LastAxis(Response(8)),
    'instance': lambda: nn.InstanceNorm2d(8, affine=True),
}


@pytest.mark.parametrize('name', NORMS)
def test_training_masked_is_training_removed(name):
    """Steps under masks are those of the smaller network, in the average of its weights, too."""
    torch.manual_seed(0)
    model = Between(NORMS[name]()).double()
    image = IMAGE.double()
    masks = MaskSet(model, trace(model, image).groups)
    masks.attach()
    masks.remove(every_third_dead(masks.groups))
    small = rebuild(copy.deepcopy(model), masks.structure('test'))
    average = torch.optim.swa_utils.AveragedModel(model)
    for network in (model, small):
        optimizer = torch.optim.AdamW(network.parameters(), 0.01, weight_decay=0.1)
        for step in range(3):
            optimizer.zero_grad()
            network(image + step).square().sum().backward()
            optimizer.step()
            if network is model:
                average.update_parameters(model)
    assert (model(image) - small(image)).abs().max() < 1e-10
    for network in (model, average.module):
        removed = rebuild(copy.deepcopy(network), masks.structure('test'))
        assert (network(image) - removed(image)).abs().max() < 1e-10
    masks.mask_model(average.module)
    assert all(len(layer._forward_hooks) <= 1 for layer in average.module.modules())


def test_an_average_made_before_counts_kept_channels_from_its_masking_on():
    torch.manual_seed(0)
    model = Between(nn.GroupNorm(2, 8))
    other = copy.deepcopy(model)
    masks = MaskSet(model, trace(model, IMAGE).groups)
    masks.remove(every_third_dead(masks.groups))
    masks.mask_model(other)
    assert torch.equal(other(IMAGE), model(IMAGE))


def test_a_resumed_run_counts_kept_channels():
    torch.manual_seed(0)
    model = Between(nn.GroupNorm(2, 8))
    groups = trace(model, IMAGE).groups
    masks = MaskSet(model, groups)
    masks.remove(every_third_dead(groups))
    fresh = Between(nn.GroupNorm(2, 8))
    fresh.load_state_dict(model.state_dict())
    MaskSet(fresh, groups).load_state_dict(masks.state_dict())
    assert torch.equal(fresh(IMAGE), model(IMAGE))


def test_nothing_masked_is_the_plain_norm():
    model = Between(nn.GroupNorm(2, 8))
    plain = model(IMAGE)
    masks = MaskSet(model, trace(model, IMAGE).groups)
    masks.remove({'first': torch.ones(4, dtype=torch.bool)})
    assert torch.equal(model(IMAGE), plain) and not model.middle._forward_hooks
    masks.remove({'first': torch.arange(4) > 0})
    masks.detach()
    assert not model.middle._forward_hooks


def test_a_planned_removal_leaves_the_model_as_it_is():
    model, removed, _ = setup()
    before = copy.deepcopy(model)
    alive = every_third_dead(removed.groups)
    planned = MaskSet.planned(model, removed.groups, alive)
    assert same(model, before)
    removed.remove(alive)
    assert planned.structure('x').to_dict() == removed.structure('x').to_dict()
    with pytest.raises(ValueError, match='does not have'):
        MaskSet.planned(model, removed.groups, dict(nobody=torch.ones(3)))
