"""Parts that several attentions share, on numbers that can be followed by hand."""

import pytest
import torch

from mmrobustprune.dependency.attention import KEY, QUERY, VALUE, form_of

pytest.importorskip('mmpretrain')
import mmrobustprune.models  # noqa: E402, F401
from mmrobustprune.models.attention.forms import shifted, table_bias  # noqa: E402


def test_a_table_is_read_by_the_offset_of_two_tokens():
    table = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    index = torch.tensor([[0, 1], [2, 0]])
    bias = table_bias(table, index)
    assert bias.tolist() == [[[1, 2], [3, 1]], [[10, 20], [30, 10]]]


def test_masks_of_windows_repeat_over_the_batch():
    bias = torch.tensor([[[1.0]], [[2.0]]])  # 2 heads
    mask = torch.tensor([[[10.0]], [[20.0]], [[30.0]]])  # 3 windows
    both = shifted(bias, mask, 6)
    assert both[:, :, 0, 0].tolist() == [[11, 12], [21, 22], [31, 32]] * 2
    assert shifted(bias, None, 6) is bias
    assert shifted(None, mask, 3).shape == (3, 1, 1, 1)


def test_fused_heads_of_unequal_widths():
    """Two heads, three dimensions of queries and keys, one of values."""
    from mmpretrain.models.utils.attention import MultiheadAttention

    attention = MultiheadAttention(embed_dims=4, num_heads=2)
    attention.qkv = torch.nn.Linear(4, 14)
    attention.proj = torch.nn.Linear(2, 4)
    layout = form_of(attention).layout(attention)
    assert {place.role: place.index.tolist() for place in layout.places} == {
        QUERY: [[0, 1, 2], [3, 4, 5]],
        KEY: [[6, 7, 8], [9, 10, 11]],
        VALUE: [[12], [13]],
    }


def test_interleaved_heads():
    from mmpretrain.models.utils.attention import LeAttention

    attention = LeAttention(dim=4, key_dim=1, num_heads=2, attn_ratio=2, resolution=(2, 2))
    layout = form_of(attention).layout(attention)
    assert {place.role: place.index.tolist() for place in layout.places[:3]} == {
        QUERY: [[0], [4]],
        KEY: [[1], [5]],
        VALUE: [[2, 3], [6, 7]],
    }
