"""EfficientFormer's attention, pruned and certified."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_an_attention_with_biases(units):
    from mmpretrain.models.backbones.efficientformer import AttentionWithBias

    attention = AttentionWithBias(12, num_heads=2, key_dim=3, attn_ratio=2, resolution=3)
    found, smaller = prune(Stream(attention, 12), torch.randn(2, 9, 3), units)
    made, read, own = ('attn.qkv', 'out'), ('attn.proj', 'in'), ('attn', 'out')
    expected = {'attn.qkv': (3, {made: 4}), 'attn.qkv#2': (6, {made: 2, read: 2})}
    if units == 'heads':
        expected = {'attn.qkv': (2, {own: 1, made: 12, read: 6})}
    assert of_heads(found) == expected
