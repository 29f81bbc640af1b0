"""Deformable DETR's attention, which samples an image at a few places for each head."""

from __future__ import annotations

from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttention

from mmrobustprune.dependency.attention import (
    HEAD,
    VALUE,
    HeadLayout,
    Narrowed,
    Place,
    register,
    rows,
)


class NarrowDeformableAttention(Narrowed, MultiScaleDeformableAttention):
    """Its own forward pass reads the number of heads alone; a unit's width follows."""

    @classmethod
    def layout(cls, module: MultiScaleDeformableAttention) -> HeadLayout | None:
        """Rows of the values, and of the layers that give each head its places and weights."""
        heads = module.num_heads
        places = (
            Place('value_proj', VALUE, rows(heads, module.value_proj.out_features // heads)),
            Place('sampling_offsets', HEAD, _each(module.sampling_offsets.out_features, heads)),
            Place('attention_weights', HEAD, _each(module.attention_weights.out_features, heads)),
        )
        return HeadLayout(places, 'output_proj')


def _each(channels: int, heads: int):
    return rows(heads, channels // heads)


register(MultiScaleDeformableAttention, NarrowDeformableAttention)
