"""HiViT's attention, pruned and certified."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('units', ['dims', 'heads'])
@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('rpe', [False, True])
def test_an_attention_of_2x2_places(units, masked, rpe):
    from mmpretrain.models.backbones.hivit import Attention

    mask = torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1]]) if masked else None
    model = Stream(Attention(2, 12, 3, rpe=rpe), 12, torch.zeros(1) if rpe else None, mask)
    found, smaller = prune(model, torch.randn(2, 4, 3), units)
    parts = {side for _, parts in of_heads(found).values() for side in parts}
    own = {('attn', 'out')} if units == 'heads' else set()
    assert parts == {('attn.qkv', 'out'), ('attn.proj', 'in')} | own
    assert smaller.attn.num_heads == (2 if units == 'heads' else 3)
