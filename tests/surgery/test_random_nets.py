"""On random networks: removed equals masked, and every cost is exact."""

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import Structure, certify, trace
from tests.support.networks import KINDS, random_net

STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from([4, 6, 7])), min_size=1, max_size=6
)
SLOW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def alive(groups, seed):
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for group in groups:
        mask = torch.rand(group.units, generator=generator) < 0.6
        mask[torch.randint(group.units, (1,), generator=generator)] = True
        masks[group.name] = mask
    return masks


def one_step(model, image):
    model.train()
    loss = model(image).square().sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return loss, dict(zip((n for n, _ in model.named_parameters()), gradients, strict=True))


@SLOW
@given(STEPS, st.booleans(), st.integers(0, 1000))
def test_removed_equals_masked(steps, flat, seed):
    torch.manual_seed(seed)
    model = random_net(steps, flat).double()
    image = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    groups = trace(model, image).groups
    assert groups
    masks = MaskSet(model, groups)
    masks.remove(alive(groups, seed))
    assert certify(masks, image) <= 1e-10

    structure = Structure.from_json(masks.structure('test').to_json())
    small = rebuild(copy.deepcopy(model), structure)
    loss, gradients = one_step(model, image)  # training mode, with the batch's own statistics
    small_loss, small_gradients = one_step(small, image)
    assert torch.allclose(loss, small_loss, rtol=1e-10, atol=1e-12)
    for name, gradient in small_gradients.items():
        limit = torch.linalg.norm(gradients[name]) * (1 + 1e-9) + 1e-12
        assert torch.linalg.norm(gradient) <= limit
    for (name, ours), theirs in zip(model.named_buffers(), small.buffers(), strict=True):
        kept = masks.kept(name.rpartition('.')[0])
        assert torch.allclose(ours[kept] if ours.dim() else ours, theirs, rtol=1e-9, atol=1e-12)


@SLOW
@given(STEPS, st.booleans(), st.integers(0, 1000))
def test_costs_are_exact_and_groups_disjoint(steps, flat, seed):
    model = random_net(steps, flat)
    image = torch.randn(2, 3, 5, 5)
    found = trace(model, image)
    seen = set()
    for group in found.groups:
        for part in group.slices:
            for channel in part.index.flatten().tolist():
                assert (part.layer, part.side, channel) not in seen
                seen.add((part.layer, part.side, channel))
    cost = CostModel(model, found.groups, found.shapes)
    dense = count(model, image)
    assert (cost.dense['params'], cost.dense['macs']) == (dense.params, dense.macs)
    left = alive(found.groups, seed)
    masks = MaskSet(model, found.groups)
    masks.remove(left)
    rebuild(model, masks.structure('test'))
    small = count(model, image)
    predicted = cost.count(left)
    assert (predicted['params'], predicted['macs']) == (small.params, small.macs)
    for name, row in cost.per_layer(left).items():
        if name in small.layers:
            real = small.layers[name]  # a depthwise convolution of width 1 is a plain one
            assert all(real[key] == value for key, value in row.items())


def test_group_normalisation_counts_kept_channels_alone():
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 1)).double()
    image = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    masks = MaskSet(dense, trace(dense, image).groups)
    masks.remove({'0': torch.tensor([True, True, False, False])})
    small = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1)).double()
    small.load_state_dict(rebuild(copy.deepcopy(dense), masks.structure('test')).state_dict())
    masked = dense(image)
    assert (masked - small(image)).abs().max() < 1e-10
    masks.detach()
    assert (masked - dense(image)).abs().max() > 0.05  # what a plain norm makes of the zeros


@pytest.mark.parametrize('training', [False, True])
def test_batch_normalisation_masked_is_removed(training):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    model.double()
    image = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    model(image)
    masks = MaskSet(model, trace(model, image).groups)
    masks.remove({'0': torch.arange(8) % 2 == 0})
    small = rebuild(copy.deepcopy(model), masks.structure('test')).train(training)
    assert (model.train(training)(image) - small(image)).abs().max() < 1e-10
