"""mmdet's Swin Transformer, pruned and certified."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, prune

pytest.importorskip('mmdet')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_windows(units):
    from mmdet.models.backbones.swin import WindowMSA

    attention = WindowMSA(12, 3, (2, 3))
    found, smaller = prune(Stream(attention, 12, torch.randn(2, 6, 6)), torch.randn(4, 6, 3), units)
    assert len(of_heads(found)) == (1 if units == 'heads' else 2)
    table = smaller.attn.relative_position_bias_table
    assert table.shape == (15, 2 if units == 'heads' else 3)
