"""The attentions of Twins, pruned and certified."""

import pytest
import torch

from mmrobustprune.dependency.attention import spelled_out
from mmrobustprune.models.attention.twins import windows
from tests.support.attentions import Stream, of_heads, onnx_difference, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')


class Written(Stream):
    """The convolution that makes tokens fewer is not followed, so nothing else may be."""

    def forward(self, tokens):
        return self.write(self.attn(tokens, *self.arguments))


@pytest.mark.parametrize('units', ['dims', 'heads'])
@pytest.mark.parametrize('ratio', [1, 2])
def test_to_fewer_tokens(units, ratio):
    from mmpretrain.models.backbones.twins import GlobalSubsampledAttention

    attention = GlobalSubsampledAttention(12, 3, sr_ratio=ratio)
    model = Written(attention, 12, (4, 6))
    found, smaller = prune(model, torch.randn(2, 24, 12), units)
    assert onnx_difference(smaller, torch.randn(2, 24, 12)) < 1e-4
    made = {('attn.q', 'out'), ('attn.kv', 'out')}
    layers = [set(parts) for name, (_, parts) in of_heads(found).items() if name != 'attn.sr']
    read = ('attn.proj', 'in')
    assert layers == ([made | {read}] if units == 'heads' else [made, {('attn.kv', 'out'), read}])


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_in_windows(units):
    from mmpretrain.models.backbones.twins import LocallyGroupedSelfAttention

    attention = LocallyGroupedSelfAttention(12, 3, window_size=3)
    found, _ = prune(Written(attention, 12, (4, 5)), torch.randn(2, 20, 12), units)
    made, read = ('attn.qkv', 'out'), ('attn.proj', 'in')
    expected = {'attn.qkv': (4, {made: 6}), 'attn.qkv#2': (4, {made: 3, read: 3})}
    assert of_heads(found) == (
        {'attn.qkv': (3, {made: 12, read: 4})} if units == 'heads' else expected
    )


@pytest.mark.parametrize('size', [(6, 6), (6, 5), (5, 6), (4, 5)])
def test_padding_is_masked_as_in_the_original(size):
    from mmpretrain.models.backbones.twins import LocallyGroupedSelfAttention

    attention = LocallyGroupedSelfAttention(12, 3, window_size=3).double().eval()
    tokens = torch.randn(2, size[0] * size[1], 12, dtype=torch.float64)
    expected = attention(tokens, size)
    with spelled_out(attention):
        assert (attention(tokens, size) - expected).abs().max() < 1e-12


def test_windows_row_by_row():
    image = torch.arange(16).view(1, 4, 4, 1)
    assert windows(image, 2)[0, :, :, 0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]
