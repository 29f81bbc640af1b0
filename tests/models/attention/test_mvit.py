"""MViT's attention: whole heads go, the pools stay."""

import pytest
import torch

from mmrobustprune.dependency.groups import halves
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, trace
from tests.support.attentions import Stream, of_heads, onnx_difference

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('residual', [False, True])
def test_heads_go_and_pools_stay(residual):
    from mmpretrain.models.backbones.mvit import MultiScaleAttention

    attention = MultiScaleAttention(
        12, 12, 3, rel_pos_spatial=True, input_size=(4, 4), residual_pooling=residual
    )
    model = Stream(attention, 12, (4, 4))
    tokens = torch.randn(2, 16, 3)
    found = trace(model, tokens)
    assert of_heads(found) == {'attn.qkv': (3, {('attn.qkv', 'out'): 12, ('attn.proj', 'in'): 4})}
    masks = MaskSet(model, found.groups)
    masks.remove(halves(found.groups))
    assert certify(masks, tokens) <= 1e-10
    smaller = rebuild(model, masks.structure('test'))
    assert smaller.attn.num_heads == 2 and smaller.attn.pool_q.weight.shape == (4, 1, 3, 3)
    assert onnx_difference(smaller, tokens) < 1e-4
