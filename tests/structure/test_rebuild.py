"""Dense network and record -> pruned network, with everything that hangs on its parameters."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import Structure, trace
from tests.support.networks import Between, Concat, L2Norm, Residual, every_third_dead


class Recent(torch.optim.SGD):
    """Steps by the sum of the last two gradients, which its state holds in a list."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group['params']:
                recent = self.state[parameter].setdefault('recent', [])
                recent.append(parameter.grad.clone())
                del recent[:-2]
                parameter.sub_(group['lr'] * sum(recent))


OPTIMIZERS = {
    'sgd': lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
    'adamw': lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, amsgrad=True),
    'a list': lambda p: Recent(p, 0.01),
    'rmsprop': lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, eps=1e-3),
}


def train(model, optimizer, steps, start):
    for step in range(start, start + steps):
        image = torch.randn(
            4, 3, 6, 6, generator=torch.Generator().manual_seed(step), dtype=torch.float64
        )
        optimizer.zero_grad()
        model(image).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize('name', OPTIMIZERS)
@pytest.mark.parametrize('net', [Residual, Concat])
def test_training_goes_on_as_if_nothing_had_happened(name, net):
    torch.manual_seed(0)
    model = net().double()
    groups = trace(model, torch.randn(1, 3, 6, 6).double()).groups
    optimizer = OPTIMIZERS[name](model.parameters())
    train(model, optimizer, 3, 0)
    masks = MaskSet(model, groups)
    masks.attach()
    masks.remove(every_third_dead(groups), optimizer)
    train(model, optimizer, 2, 3)

    small = copy.deepcopy(model)
    small_optimizer = OPTIMIZERS[name](small.parameters())
    small_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    structure = masks.structure('test')
    rebuild(small, structure, small_optimizer)
    train(model, optimizer, 3, 5)
    train(small, small_optimizer, 3, 5)

    image = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    assert (model.eval()(image) - small.eval()(image)).abs().max() < 1e-10
    expected = rebuild(copy.deepcopy(model), structure)
    for (key, ours), theirs in zip(
        small.state_dict().items(), expected.state_dict().values(), strict=True
    ):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-10), key
    for parameter in small.parameters():
        for value in small_optimizer.state[parameter].values():
            assert not torch.is_tensor(value) or value.dim() == 0 or value.shape == parameter.shape


def record(model, image=None, **alive):
    groups = trace(model, torch.randn(2, 3, 6, 6) if image is None else image).groups
    masks = MaskSet(copy.deepcopy(model), groups)
    masks.remove({g.name: alive.get(g.name, torch.arange(g.units) != 1) for g in groups})
    return masks.structure('test')


def test_slices_by_hand():
    model = Residual()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small = rebuild(model, record(model))
    assert small is model
    six, four = [0, 2, 3, 4, 5], [0, 2, 3]
    after = model.state_dict()
    assert torch.equal(after['stem.weight'], before['stem.weight'][six])
    assert torch.equal(after['bn.running_var'], before['bn.running_var'][six])
    assert torch.equal(after['conv1.weight'], before['conv1.weight'][four][:, six])
    assert torch.equal(after['conv2.bias'], before['conv2.bias'][six])
    assert torch.equal(after['head.weight'], before['head.weight'][:, six])
    assert (model.stem.out_channels, model.conv1.in_channels, model.bn.num_features) == (5, 5, 5)
    assert (model.head.in_features, model.head.out_features) == (5, 3)


def test_depthwise_and_bare_parameters_follow():
    model = Concat()
    rebuild(model, record(model))
    assert (model.depth.in_channels, model.depth.out_channels, model.depth.groups) == (6, 6, 6)
    model = Between(L2Norm(8))
    rebuild(model, record(model))
    assert model.middle.n_dims == 7 and model.middle.weight.shape == (7,)


def test_fresh_weights_take_the_pruned_state_dict():
    model = Residual()
    structure = record(model)
    pruned = rebuild(copy.deepcopy(model), structure)
    fresh = rebuild(Residual(), Structure.from_dict(structure.to_dict()))
    fresh.load_state_dict(pruned.state_dict())
    image = torch.randn(2, 3, 6, 6)
    assert torch.equal(fresh.eval()(image), pruned.eval()(image))


def test_flags_gradients_and_ties_stay():
    model = Residual()
    model.stem.requires_grad_(False)
    model.twin = nn.Conv2d(3, 6, 3)
    model.twin.weight = model.stem.weight
    model.conv1.weight.grad = torch.randn_like(model.conv1.weight)
    gradient = model.conv1.weight.grad
    structure = record(Residual())
    rebuild(model, structure)
    assert not model.stem.weight.requires_grad and model.conv1.weight.requires_grad
    assert model.twin.weight is model.stem.weight
    assert torch.equal(model.conv1.weight.grad, gradient[[0, 2, 3]][:, [0, 2, 3, 4, 5]])


def test_a_record_of_another_model_names_the_first_layer_and_changes_nothing():
    structure = record(Residual())
    other = Residual(inner=5)
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(
        ValueError,
        match=r"does not fit this model at 'conv1': recorded conv "
        r'\[4, 6, 3, 3\], found conv \[5, 6, 3, 3\]',
    ):
        rebuild(other, structure)
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())
    with pytest.raises(ValueError, match="it has no layer 'stem'"):
        rebuild(Concat(), structure)
    model = rebuild(Residual(), structure)
    with pytest.raises(ValueError, match='does not fit'):  # twice
        rebuild(model, structure)


@pytest.mark.parametrize('kept', [[], [9], [-1]])
def test_indices_outside_the_layer_are_refused(kept):
    structure = record(Residual())
    structure.layers['conv1']['out'] = kept
    with pytest.raises(ValueError, match="no channel of 'conv1'"):
        rebuild(Residual(), structure)


def test_an_optimizer_with_another_kind_of_state_is_refused_before_anything_changes():
    model = Residual()
    optimizer = torch.optim.Adafactor(model.parameters(), 0.01)
    model(torch.randn(2, 3, 6, 6)).sum().backward()
    optimizer.step()
    with pytest.raises(ValueError, match='Adafactor keeps .* which cannot lose channels'):
        rebuild(model, record(Residual()), optimizer)
    assert model.stem.out_channels == 6 and model.stem.weight.shape[0] == 6


def test_rebuilding_needs_no_torch_pruning():
    code = (
        'import sys; sys.modules["torch_pruning"] = None\n'
        'from mmrobustprune.surgery import rebuild, load_structure, Structure\n'
        'from mmrobustprune.masks import MaskSet, RankedSelection\n'
        'from mmrobustprune.scores import build_score'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
