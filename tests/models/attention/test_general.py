"""The attentions of mmpretrain's utils: groups written out, removal certified."""

import pytest
import torch
from torch import nn

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401

WINDOW = dict(embed_dims=12, num_heads=3, window_size=(2, 3))
TOKENS = torch.randn(4, 6, 3)


def made(name, **fields):
    from mmpretrain.models.utils import attention

    return getattr(attention, name)(**fields)


def test_vit_loses_dimensions():
    found, smaller = prune(
        Stream(made('MultiheadAttention', embed_dims=12, num_heads=3), 12), TOKENS, 'dims'
    )
    assert of_heads(found) == {
        'attn.qkv': (4, {('attn.qkv', 'out'): 6}),
        'attn.qkv#2': (4, {('attn.qkv', 'out'): 3, ('attn.proj', 'in'): 3}),
    }
    products, values = (group for group in found.groups if group.name.startswith('attn'))
    assert products.slices[0].index[1].tolist() == [1, 5, 9, 13, 17, 21]  # of 3 queries, 3 keys
    assert values.slices[0].index[1].tolist() == [25, 29, 33]
    assert values.slices[1].index[1].tolist() == [1, 5, 9]
    assert smaller.attn.num_heads == 3 and smaller.attn.head_dims == 4  # the scale of its training
    assert smaller.attn.qkv.weight.shape == (18, 6) and smaller.attn.proj.weight.shape == (6, 6)


def test_vit_loses_heads():
    found, smaller = prune(
        Stream(made('MultiheadAttention', embed_dims=12, num_heads=3), 12), TOKENS, 'heads'
    )
    heads = {('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4}
    assert of_heads(found) == {'attn.qkv': (3, heads)}
    assert smaller.attn.num_heads == 2 and smaller.attn.kept == (0, 2)


def test_vit_pruned_twice():
    _, smaller = prune(
        Stream(made('MultiheadAttention', embed_dims=16, num_heads=4), 16), TOKENS, 'heads'
    )
    found, smallest = prune(smaller, TOKENS, 'heads')
    assert of_heads(found)['attn.qkv'][0] == 2 and smallest.attn.kept == (0,)
    found, _ = prune(smaller, TOKENS, 'dims')
    assert [units for units, _ in of_heads(found).values()] == [4, 4]


def test_a_scale_of_its_own_is_kept():
    attention = made('MultiheadAttention', embed_dims=12, num_heads=3, qk_scale=0.3)
    prune(Stream(attention, 12), TOKENS, 'dims')


def test_a_shortcut_of_the_values_keeps_the_heads():
    from mmrobustprune.surgery import trace

    attention = made('MultiheadAttention', embed_dims=12, num_heads=1, v_shortcut=True)
    found = trace(Stream(attention, 12), TOKENS)
    assert 'attn.qkv' in found.unprunable and not of_heads(found)


@pytest.mark.parametrize('units', ['dims', 'heads'])
@pytest.mark.parametrize('shift', [False, True])
def test_swin(units, shift):
    mask = [torch.randn(2, 6, 6)] if shift else []
    found, smaller = prune(Stream(made('WindowMSA', **WINDOW), 12, *mask), TOKENS, units)
    if units == 'heads':
        parts = {('attn', 'out'): 1, ('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4}
        assert of_heads(found) == {'attn.qkv': (3, parts)}
        assert smaller.attn.relative_position_bias_table.shape == (15, 2)


@pytest.mark.parametrize('units', ['dims', 'heads'])
@pytest.mark.parametrize('qkv_bias', [False, True])
def test_swin_v2(units, qkv_bias):
    attention = made('WindowMSAV2', **WINDOW, qkv_bias=qkv_bias)
    found, smaller = prune(Stream(attention, 12, torch.randn(2, 6, 6)), TOKENS, units)
    groups = of_heads(found)
    groups.pop('attn.cpb_mlp.0')  # the hidden channels of the network of position biases
    parts = {layer for _, parts in groups.values() for layer, _ in parts}
    expected = {'attn.qkv', 'attn.proj'}
    expected |= {'attn.q_bias', 'attn.v_bias'} if qkv_bias else set()
    expected |= {'attn', 'attn.cpb_mlp.2'} if units == 'heads' else set()
    assert parts == expected
    if units == 'heads':
        assert smaller.attn.logit_scale.shape == (2, 1, 1)
        assert smaller.attn.cpb_mlp[2].weight.shape[0] == 2


@pytest.mark.parametrize('units', ['dims', 'heads'])
@pytest.mark.parametrize('bias', ['qv_bias', True, False])
@pytest.mark.parametrize('own', [False, True])
def test_beit(units, bias, own):
    attention = made('BEiTAttention', **WINDOW, use_rel_pos_bias=own, bias=bias)
    found, smaller = prune(Stream(attention, 12, torch.randn(3, 7, 7)), torch.randn(2, 7, 3), units)
    assert len(of_heads(found)) == (1 if units == 'heads' else 2)
    assert smaller.attn.num_heads == (2 if units == 'heads' else 3)


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_tinyvit(units):
    class Attention(nn.Module):
        """Its norm stands before the stream's only other reader."""

        def __init__(self):
            super().__init__()
            self.attn = made(
                'LeAttention', dim=12, key_dim=3, num_heads=3, attn_ratio=2, resolution=(2, 3)
            )
            self.write = nn.Linear(12, 2)

        def forward(self, tokens):
            return self.write(self.attn(tokens))

    found, smaller = prune(Attention(), torch.randn(2, 6, 12), units)
    if units == 'heads':
        parts = {('attn', 'out'): 1, ('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 6}
        assert of_heads(found) == {'attn.qkv': (3, parts)}
    else:
        products, values = (
            group for group in found.groups if not group.name.startswith('attn.proj')
        )
        assert products.slices[0].index[0].tolist() == [0, 3, 12, 15, 24, 27]  # head by head
        assert values.slices[0].index[5].tolist() == [11, 23, 35]


def test_edgenext_loses_heads_alone():
    attention = made('ChannelMultiheadAttention', embed_dims=12, num_heads=3)
    found, smaller = prune(Stream(attention, 12), TOKENS, 'dims')
    parts = {('attn', 'out'): 1, ('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4}
    assert of_heads(found) == {'attn.qkv': (3, parts)}
    assert smaller.attn.scale.shape == (2, 1, 1)
