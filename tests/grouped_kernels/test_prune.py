"""The pruned network is the masked one, with few gathers, through records and checkpoints."""

import copy
import io
import json

import pytest
import torch
from torch import nn

from mmrobustprune.grouped_kernels import SEARCHES, mask_kernels
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import GroupedKernelConv2d, Structure, prune_grouped_kernels
from tests.support.resnets import BottleneckNet, CIFARResNet, settle

pytestmark = pytest.mark.timeout(1200)


class Splits(nn.Module):
    """One convolution read by two, one of them also by a sum; depthwise and PReLU in between."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.act = nn.PReLU(8)
        self.left = nn.Conv2d(8, 8, 1)
        self.right = nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, x):
        y = nn.functional.max_pool2d(self.act(self.depth(self.first(x))), 2)
        return self.left(y).sigmoid() * self.right(y)


def plain(**options):
    """No normalisation, biases, stride, dilation and padding of one's own."""
    return nn.Sequential(
        nn.Conv2d(8, 16, 3, 2, padding=2, dilation=2, **options),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 8, 1, **options),
        nn.SiLU(),
        nn.Conv2d(8, 4, (1, 3), **options),
    )


# network -> (model, input, options, gathers of every cut layer, in order)
NETWORKS = {
    'basic': (lambda: CIFARResNet(8, (8, 8, 16)), (2, 3, 16, 16), dict(groups=4), [1, 2] * 3),
    'bottleneck': (BottleneckNet, (2, 3, 33, 33), dict(groups=4), [1, 1]),
    'bottleneck all': (BottleneckNet, (2, 3, 33, 33), dict(groups=4, layers='all'), [1, 1, 2] * 2),
    'named': (
        BottleneckNet,
        (2, 3, 33, 33),
        dict(groups=2, layers=['blocks.0.conv1', '*.1.conv3']),
        [1, 2],
    ),
    'one group': (lambda: CIFARResNet(8, (8, 8, 16)), (2, 3, 16, 16), dict(groups=1), [1] * 6),
    'as many groups as filters': (
        lambda: CIFARResNet(8, (8, 8, 8)),
        (2, 3, 16, 16),
        dict(groups=8),
        [1, 2] * 3,
    ),
    'plain': (plain, (2, 8, 20, 20), dict(groups=4, layers='all'), [1, 1, 2]),
    'plain without bias': (
        lambda: plain(bias=False, padding_mode='reflect'),
        (2, 8, 20, 20),
        dict(groups=4, layers='all'),
        [1, 1, 2],
    ),
    'splits': (Splits, (2, 4, 8, 8), dict(groups=4, layers=['first', 'right']), [1, 2]),
}


def build(name):
    make, shape, options, gathers = NETWORKS[name]
    torch.manual_seed(0)
    return (
        settle(make()),
        torch.randn(shape, dtype=torch.float64),
        dict(dict(ratio=0.5), **options),
        gathers,
    )


def masked(model, structure):
    """The dense network with zeros, from the record, one kernel at a time."""
    model = copy.deepcopy(model)
    for name, record in structure.to_dict()['layers'].items():
        if 'kept' in record:
            weight = model.get_submodule(name).weight.data
            rows = weight.shape[0] // record['groups']
            for row, place in enumerate(record['out_index']):
                for column in range(weight.shape[1]):
                    if column not in record['kept'][place // rows]:
                        weight[row, column] = 0
    return model


def cut_layers(model):
    return [module for module in model.modules() if isinstance(module, GroupedKernelConv2d)]


@pytest.mark.parametrize('name', NETWORKS)
def test_the_cut_network_is_the_masked_one(name):
    model, image, options, gathers = build(name)
    dense = copy.deepcopy(model)
    structure = prune_grouped_kernels(model, **options)
    expected = masked(dense, structure)
    zeroed = mask_kernels(copy.deepcopy(dense), structure)
    assert all(
        torch.equal(a, b) for a, b in zip(expected.parameters(), zeroed.parameters(), strict=True)
    )
    assert (model(image) - expected(image)).abs().max() < 1e-10
    assert (dense(image) - expected(image)).abs().max() > 1e-3  # something was removed
    assert [1 + (layer.out_index is not None) for layer in cut_layers(model)] == gathers
    for layer in cut_layers(model):
        assert layer.groups == options['groups'] and layer.weight.shape[1] * 2 == layer.inputs
        assert layer.weight.ne(0).all()  # dense tensors
    again = rebuild(
        settle(NETWORKS[name][0]()),
        Structure.from_dict(json.loads(json.dumps(structure.to_dict()))),
    )
    assert str(again) == str(model)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(image), model(image))


@pytest.mark.parametrize('search', SEARCHES)
def test_every_search_can_be_cut_out(search):
    model, image, options, _ = build('basic')
    dense = copy.deepcopy(model)
    structure = prune_grouped_kernels(model, **options, search=search, grouping='random')
    assert (model(image) - masked(dense, structure)(image)).abs().max() < 1e-10
    assert (
        'RandomGroups()' in structure.method
        and type(SEARCHES[search]).__name__ in structure.summary()
    )


def test_training_goes_on_as_that_of_the_masked_network():
    model, image, options, _ = build('basic')

    def make(net):
        return torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)

    model.train()
    optimizer = make(model)

    def train(net, opt, zeros=None):
        for step in range(3):
            opt.zero_grad()
            net(image + step).square().mean().backward()
            for parameter, zero in (zeros or {}).items():
                parameter.grad[zero] = 0
            opt.step()

    train(model, optimizer)
    structure = prune_grouped_kernels(copy.deepcopy(model), **options)
    small = copy.deepcopy(model)
    small_optimizer = make(small)
    small_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    rebuild(small, structure, small_optimizer)
    zeros = {}
    with torch.no_grad():
        mask_kernels(model, structure)
        for name, record in structure.layers.items():
            if 'kept' in record:
                weight = model.get_submodule(name).weight
                zeros[weight] = weight == 0
                optimizer.state[weight]['momentum_buffer'][zeros[weight]] = 0
    train(model, optimizer, zeros)
    train(small, small_optimizer)
    assert (model.eval()(image) - small.eval()(image)).abs().max() < 1e-10


def test_flags_dtype_and_random_numbers_stay():
    model, image, options, _ = build('basic')
    model.float().train()
    model.stage_1[0].conv_a.weight.requires_grad_(False)
    state, keys = torch.get_rng_state(), list(model.state_dict())
    prune_grouped_kernels(model, **options)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert [p.requires_grad for p in model.stage_1[0].parameters()] == [False] + [True] * 5
    added = [key for key in model.state_dict() if key not in keys]
    assert added == [
        f'stage_{s}.0.{key}'
        for s in (1, 2, 3)
        for key in ('conv_a.in_index', 'conv_b.in_index', 'conv_b.out_index')
    ]
    assert all(model.state_dict()[key].dtype == torch.int64 for key in added)


def test_checkpoints_load_without_pickled_modules():
    model, image, options, _ = build('basic')
    structure = prune_grouped_kernels(model, **options)
    file = io.BytesIO()
    torch.save(dict(state_dict=model.state_dict(), structure=structure.to_dict()), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    again = rebuild(build('basic')[0], Structure.from_dict(loaded['structure']))
    again.load_state_dict(loaded['state_dict'])
    assert torch.equal(again(image), model(image))


def test_the_record_holds_what_was_chosen():
    told = []
    model, _, options, _ = build('basic')
    structure = prune_grouped_kernels(model, **options, progress=told.append)
    names = [f'stage_{s}.0.conv_{c}' for s in (1, 2, 3) for c in 'ab']
    assert [d.layer for d in told] == names and [(d.number, d.total) for d in told] == [
        (i, 6) for i in range(1, 7)
    ]
    for decision in told:
        record = structure.layers[decision.layer]
        trace = decision.to_dict()
        assert json.loads(json.dumps(trace)) == trace
        assert record['kept'] == trace['kept'] == decision.kept.tolist()
        assert sum(trace['filters'], []) == sorted(
            range(len(record['out_index'])), key=record['out_index'].__getitem__
        )
        assert all(
            0 < kept < every
            for kept, every in zip(trace['roughness_kept'], trace['roughness'], strict=True)
        )
        assert len(trace['score']) == 4
    assert structure.achieved['kernels'] == 0.5 and 0 < structure.achieved['params'] < 0.5
    weights = sum(p.numel() for p in model.parameters()) / sum(
        p.numel() for p in build('basic')[0].parameters()
    )
    assert structure.achieved['params'] == pytest.approx(1 - weights)


def test_the_searches_can_differ_for_pointwise_convolutions():
    calls = []

    def lowest(kernels, keep):
        calls.append(kernels.layer)
        return torch.arange(keep).expand(kernels.groups, -1)

    model, _, _, _ = build('bottleneck all')
    prune_grouped_kernels(model, 0.5, 4, 'all', search='greedy', pointwise=lowest)
    assert calls == [f'blocks.{i}.conv{c}' for i in (0, 1) for c in (1, 3)]
