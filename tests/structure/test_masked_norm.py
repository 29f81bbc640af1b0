"""A masked norm computes what the smaller norm will compute, and nothing else."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.structure.masked_norm import channel_axis, count_all, count_kept, smaller
from tests.support.networks import Response

KEPT = torch.tensor([True, False, True, True])


class Second(nn.LayerNorm):
    """A layer norm on the second axis."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


# layer, shape of its input, axis of the channels, the blocks' kept channels
CASES = {
    'layer': (nn.LayerNorm(4), (2, 5, 4), 2, KEPT),
    'square': (nn.LayerNorm(4), (2, 4, 4, 4), 3, KEPT),
    'rms': (nn.RMSNorm(4), (2, 5, 4), 2, KEPT),
    'second': (Second(4), (2, 4, 5, 3), 1, KEPT),
    'second, square': (Second(4), (2, 4, 4, 4), 1, KEPT),
    'of vectors': (Second(4), (2, 4), 1, KEPT),
    'response': (Response(4), (2, 4, 4, 4), 3, KEPT),
    'group': (nn.GroupNorm(2, 4), (2, 4, 3, 3), 1, torch.tensor([False, True, False, True])),
    'one group': (nn.GroupNorm(1, 4), (2, 4, 3, 3), 1, KEPT),
}


def random(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand(parameter.shape) + 0.5)
    return copy.deepcopy(layer).double()


@pytest.mark.parametrize('case', CASES)
def test_masked_is_the_smaller_norm_and_zero_elsewhere(case):
    layer, shape, axis, kept = CASES[case]
    layer = random(layer)
    x = torch.randn(shape, dtype=torch.float64)
    x_of_kept = x.index_select(axis, kept.nonzero().flatten())
    small = smaller(layer, int(kept.sum()), lambda value, dim: value[kept])
    expected = small(x_of_kept)
    plain = layer(x)
    assert channel_axis(layer, [x], {}) == axis
    count_kept(layer, kept)
    found = layer(x).movedim(axis, 0)
    assert torch.equal(found[kept], expected.movedim(axis, 0))
    assert (found[~kept] == 0).all()
    count_kept(layer, torch.ones(4, dtype=torch.bool))
    assert torch.equal(layer(x), plain) and not layer._forward_hooks


def test_a_layer_norm_by_hand():
    layer = nn.LayerNorm(4, eps=0.0)
    count_kept(layer, torch.tensor([True, True, False, False]))
    assert layer(torch.tensor([[1.0, 3.0, 100.0, -7.0]])).tolist() == [[-1.0, 1.0, 0.0, 0.0]]


def test_a_group_norm_by_hand():
    layer = nn.GroupNorm(2, 6, eps=0.0)
    count_kept(layer, torch.tensor([True, False, True, True, False, True]))
    x = torch.tensor([[1.0, 9.0, 3.0, 5.0, 9.0, 1.0]])
    assert layer(x).tolist() == [[-1.0, 0.0, 1.0, 1.0, 0.0, -1.0]]


def test_a_response_norm_by_hand():
    layer = Response(3)
    with torch.no_grad():
        layer.gamma.fill_(1.0)
        layer.beta.fill_(2.0)
    count_kept(layer, torch.tensor([True, False, True]))
    x = torch.tensor([1.0, 9.0, 3.0]).view(1, 1, 1, 3)
    # the mean size is 2: 1 (1 / 2) + 2 + 1, and 3 (3 / 2) + 2 + 3
    assert torch.allclose(layer(x).flatten(), torch.tensor([3.5, 0.0, 9.5]), atol=1e-5)


@pytest.mark.parametrize('first', [True, False])
def test_an_argument_says_where_the_channels_are(first):
    layer = random(Response(4))
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64)
    axis = 1 if first else 3
    assert channel_axis(layer, [x], dict(first=first)) == axis
    count_kept(layer, KEPT)
    assert (layer(x, first=first).select(axis, 1) == 0).all()
    assert torch.equal(layer(x=x, first=first), layer(x, first))


def test_gradients_reach_what_counts_alone():
    layer = random(nn.LayerNorm(4))
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    count_kept(layer, KEPT)
    layer(x).square().sum().backward()
    for gradient in (x.grad, layer.weight.grad[None], layer.bias.grad[None]):
        assert (gradient[:, 1] == 0).all() and (gradient[:, [0, 2, 3]] != 0).all()
    assert torch.autograd.gradcheck(layer, x.detach().requires_grad_())


def test_copies_count_alike_and_are_released_alike():
    layer = random(nn.LayerNorm(4))
    x = torch.randn(3, 4, dtype=torch.float64)
    plain = layer(x)
    count_kept(layer, KEPT)
    other = copy.deepcopy(layer)
    assert torch.equal(other(x), layer(x))
    count_kept(other, torch.tensor([True, True, True, False]))
    assert (other(x)[:, 3] == 0).all() and (layer(x)[:, 3] != 0).all()
    count_all(other)
    assert torch.equal(other(x), plain) and not other._forward_hooks_with_kwargs


def test_other_hooks_and_layers_are_left_alone():
    seen = []
    layer = nn.LayerNorm(4)
    layer.register_forward_hook(lambda *_: seen.append('plain'))
    count_kept(layer, KEPT)
    count_all(layer)
    layer(torch.randn(2, 4))
    assert seen == ['plain']
    batch = nn.BatchNorm2d(4)
    count_kept(batch, KEPT)
    assert not batch._forward_hooks


def test_mixed_precision_and_memory_order_stay():
    layer = nn.GroupNorm(1, 4)
    x = torch.randn(2, 4, 3, 3).contiguous(memory_format=torch.channels_last)
    count_kept(layer, KEPT)
    with torch.autocast('cpu', torch.bfloat16):
        plain = nn.GroupNorm(1, 4)(x)
        assert layer(x).dtype == plain.dtype and layer(x).stride() == plain.stride()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('case', CASES)
def test_on_a_gpu_under_mixed_precision(case):
    layer, shape, axis, kept = CASES[case]
    layer = copy.deepcopy(layer).cuda()
    x = torch.randn(shape, device='cuda', requires_grad=True)
    with torch.autocast('cuda', torch.float16):
        plain = layer(x)
        count_kept(layer, kept)
        found = layer(x)
    found.float().square().sum().backward()
    assert (found.dtype, found.device) == (plain.dtype, plain.device)
    assert (found.movedim(axis, 0)[~kept.cuda()] == 0).all()
    assert (x.grad.movedim(axis, 0)[~kept.cuda()] == 0).all()
