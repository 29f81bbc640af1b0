"""The attention of SAM's image encoder: whole heads go."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('places', [False, True])
def test_heads(places):
    from mmpretrain.models.backbones.vit_sam import Attention

    class Places(Stream):
        def forward(self, image):
            return self.write(self.attn(image))

    attention = Attention(12, 3, use_rel_pos=places, input_size=(2, 3))
    found, smaller = prune(Places(attention, 12), torch.randn(2, 2, 3, 12), 'dims')
    assert of_heads(found) == {'attn.qkv': (3, {('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4})}
    assert smaller.attn.num_heads == 2
