"""LeViT's attentions: groups written out, removal certified."""

import pytest
import torch

from tests.support.attentions import Stream, of_heads, onnx_difference, prune

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


def attention():
    from mmpretrain.models.backbones.levit import Attention

    return Attention(dim=12, key_dim=3, num_heads=2, attn_ratio=2, resolution=3)


def subsample():
    from mmpretrain.models.backbones.levit import AttentionSubsample

    return AttentionSubsample(12, 12, key_dim=3, num_heads=2, attn_ratio=2, resolution=3)


class Subsampled(Stream):
    def forward(self, tokens):
        return self.write(self.attn(self.read(tokens)))


def test_dimensions_of_interleaved_heads():
    found, smaller = prune(Stream(attention(), 12), torch.randn(2, 9, 3), 'dims')
    linear, norm = ('attn.qkv.linear', 'out'), ('attn.qkv.bn', 'out')
    assert of_heads(found) == {
        'attn.qkv.linear': (3, {linear: 4, norm: 4}),
        'attn.qkv.linear#2': (6, {linear: 2, norm: 2, ('attn.proj.1.linear', 'in'): 2}),
    }
    products = next(group for group in found.groups if group.name == 'attn.qkv.linear')
    assert products.slices[0].index[0].tolist() == [0, 3, 12, 15]  # query and key of both heads
    assert smaller.attn.scale == 3**-0.5
    assert smaller.attn.qkv.linear.out_features == 2 * (2 + 2 + 3)


def test_heads():
    found, smaller = prune(Stream(attention(), 12), torch.randn(2, 9, 3), 'heads')
    (units, parts) = of_heads(found)['attn.qkv.linear']
    assert units == 2
    assert parts[('attn', 'out')] == 1 and parts[('attn.qkv.linear', 'out')] == 12
    assert smaller.attn.attention_biases.shape == (1, 9)


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_between_stages(units):
    found, smaller = prune(Subsampled(subsample(), 12), torch.randn(2, 9, 3), units)
    layers = [{layer for layer, _ in parts} for _, parts in of_heads(found).values()]
    makers = {'attn.kv.linear', 'attn.kv.bn', 'attn.q.1.linear', 'attn.q.1.bn'}
    if units == 'heads':
        assert layers == [makers | {'attn', 'attn.proj.1.linear'}]
    else:
        assert makers in layers and {'attn.kv.linear', 'attn.kv.bn', 'attn.proj.1.linear'} in layers
    assert smaller.attn.num_heads == (1 if units == 'heads' else 2)
    assert onnx_difference(smaller, torch.randn(2, 9, 3)) < 1e-4


def test_biases_kept_from_evaluation_are_made_anew():
    """LeViT stores the biases of its heads whenever it is set to evaluation."""
    _, smaller = prune(Stream(attention(), 12).eval(), torch.randn(2, 9, 3), 'heads')
    tokens = torch.randn(2, 9, 3)
    before = smaller(tokens)
    with torch.no_grad():
        smaller.attn.attention_biases.add_(torch.randn(1, 9))
    assert (smaller(tokens) - before).abs().max() > 1e-4


def test_fused_after_pruning_computes_the_same():
    """LeViT's deployment puts a plain linear layer in the place of one with a normalisation."""
    _, smaller = prune(Stream(attention(), 12).eval(), torch.randn(2, 9, 3), 'dims')
    tokens = torch.randn(2, 9, 3)
    with torch.no_grad():
        before = smaller(tokens)
        smaller.attn.qkv = smaller.attn.qkv.fuse()
        smaller.attn.proj[1] = smaller.attn.proj[1].fuse()
        torch.testing.assert_close(smaller(tokens), before)
