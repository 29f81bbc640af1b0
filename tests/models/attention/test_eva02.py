"""EVA-02's attention: whole heads go, for dimensions are turned in pairs."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('token', [False, True])
def test_heads(token):
    from mmpretrain.models.backbones.vit_eva02 import AttentionWithRoPE
    from mmpretrain.models.utils import RotaryEmbeddingFast

    rope = RotaryEmbeddingFast(embed_dims=4, patch_resolution=(2, 2))
    attention = AttentionWithRoPE(12, 3, rope=rope, with_cls_token=token)
    found, smaller = prune(
        Stream(attention.double(), 12, (2, 2)).float(), torch.randn(2, 4 + token, 3), 'dims'
    )
    assert of_heads(found) == {'attn.qkv': (3, {('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4})}
    assert smaller.attn.num_heads == 2
