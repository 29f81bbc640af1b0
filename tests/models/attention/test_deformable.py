"""Deformable DETR's attention, pruned and certified."""

import pytest
import torch
from torch import nn

from tests.support.attentions import of_heads, prune

pytest.importorskip('mmcv')
pytestmark = pytest.mark.filterwarnings('ignore')
import mmrobustprune.models  # noqa: E402, F401


class Sampled(nn.Module):
    """Queries ask an image of 4 x 4 places, around reference points of their own."""

    def __init__(self):
        from mmcv.ops import MultiScaleDeformableAttention

        super().__init__()
        self.read = nn.Linear(3, 12)
        self.place = nn.Linear(3, 2)
        self.attn = MultiScaleDeformableAttention(
            12, num_heads=3, num_levels=1, num_points=2, batch_first=True
        )
        self.write = nn.Linear(12, 2)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5)

    def forward(self, tokens):
        stream = self.read(tokens)
        found = self.attn(
            stream[:, :5],
            value=stream,
            reference_points=self.place(tokens[:, :5]).sigmoid()[:, :, None],
            spatial_shapes=torch.tensor([[4, 4]]),
            level_start_index=torch.tensor([0]),
        )
        return self.write(found)


def test_dimensions_of_the_values():
    found, _ = prune(Sampled(), torch.randn(2, 16, 3), 'dims')
    values = {('attn.value_proj', 'out'): 3, ('attn.output_proj', 'in'): 3}
    assert of_heads(found) == {'attn.value_proj': (4, values)}
    assert 'attn.sampling_offsets' in found.unprunable
    assert found.unprunable['place'] == "'attn' reads it beside its projections"


def test_heads():
    found, smaller = prune(Sampled(), torch.randn(2, 16, 3), 'heads')
    heads = {
        ('attn.sampling_offsets', 'out'): 4,
        ('attn.attention_weights', 'out'): 2,
        ('attn.value_proj', 'out'): 4,
        ('attn.output_proj', 'in'): 4,
    }
    assert of_heads(found) == {'attn.sampling_offsets': (3, heads)}
    assert smaller.attn.num_heads == 2
