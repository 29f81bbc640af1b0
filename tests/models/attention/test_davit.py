"""DaViT's attentions, pruned and certified."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_windows(units):
    from mmpretrain.models.backbones.davit import DaViTWindowMSA

    attention = DaViTWindowMSA(12, window_size=(2, 3), num_heads=3)
    found, _ = prune(Stream(attention, 12, torch.randn(2, 6, 6)), torch.randn(4, 6, 3), units)
    assert len(of_heads(found)) == (1 if units == 'heads' else 2)


def test_channels_lose_heads_alone():
    from mmpretrain.models.backbones.davit import ChannelAttention

    found, smaller = prune(Stream(ChannelAttention(12, 3), 12), torch.randn(2, 6, 3), 'dims')
    assert of_heads(found) == {'attn.qkv': (3, {('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4})}
    assert smaller.attn.num_heads == 2
