"""MixMIM's attention, pruned and certified, with the mask and without."""

import pytest
import torch

from mmrobustprune.dependency.attention import spelled_out
from tests.support.attentions import Stream, of_heads, onnx_difference, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


def attention():
    from mmpretrain.models.backbones.mixmim import MixMIMWindowAttention

    return MixMIMWindowAttention(12, (2, 3), 3)


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_in_windows(units):
    tokens = torch.randn(4, 6, 3)
    found, smaller = prune(Stream(attention(), 12), tokens, units)
    made, read = ('attn.qkv', 'out'), ('attn.proj', 'in')
    dims = {'attn.qkv': (4, {made: 6}), 'attn.qkv#2': (4, {made: 3, read: 3})}
    heads = {'attn.qkv': (3, {('attn', 'out'): 1, made: 12, read: 4})}
    assert of_heads(found) == (heads if units == 'heads' else dims)
    assert onnx_difference(smaller, tokens) < 1e-4


@pytest.mark.parametrize('masked', [False, True])
def test_tokens_attend_to_their_own_kind_as_in_the_original(masked):
    layer = attention().double().eval()
    torch.nn.init.normal_(layer.relative_position_bias_table)
    tokens = torch.randn(4, 6, 12, dtype=torch.float64)
    mask = torch.randint(2, (4, 6, 1)).double() if masked else None
    expected = layer(tokens, mask)
    with spelled_out(layer):
        assert (layer(tokens, mask) - expected).abs().max() < 1e-12
