"""XCiT's attentions, pruned and certified."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, onnx_difference, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


def test_channels_lose_heads_alone():
    from mmpretrain.models.backbones.xcit import XCA

    tokens = torch.randn(2, 6, 3)
    found, smaller = prune(Stream(XCA(12, 3), 12), tokens, 'dims')
    parts = {('attn', 'out'): 1, ('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4}
    assert of_heads(found) == {'attn.qkv': (3, parts)}
    assert smaller.attn.temperature.shape == (2, 1, 1)
    assert onnx_difference(smaller, tokens) < 1e-4


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_the_class_token(units):
    from mmpretrain.models.backbones.xcit import ClassAttntion

    found, _ = prune(Stream(ClassAttntion(12, 3), 12), torch.randn(2, 6, 3), units)
    heads = {('attn.q', 'out'): 4, ('attn.k', 'out'): 4, ('attn.v', 'out'): 4}
    both = {('attn.q', 'out'): 3, ('attn.k', 'out'): 3}
    value = {('attn.v', 'out'): 3, ('attn.proj', 'in'): 3}
    expected = {'attn.q': (4, both), 'attn.v': (4, value)}
    if units == 'heads':
        expected = {'attn.q': (3, heads | {('attn.proj', 'in'): 4})}
    assert of_heads(found) == expected
