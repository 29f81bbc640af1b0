"""HiViT's attention, with or without a table of relative positions."""

from __future__ import annotations

from typing import ClassVar

from mmpretrain.models.backbones.hivit import Attention
from torch import Tensor

from mmrobustprune.dependency.attention import attend, join_heads, register

from .forms import FusedHeads, dropout_of, table_bias


class NarrowHiViTAttention(FusedHeads, Attention):
    """The attention of the last stage."""

    per_head: ClassVar[dict[str, int]] = {'relative_position_bias_table': 1}

    def forward(
        self, x: Tensor, rpe_index: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attend among tokens.

        Args:
            x: (B, N, C).
            rpe_index: anything but None adds the bias of relative positions.
            mask: (B, N), 0 where a token is not read.
        """
        query, key, value = self.split_qkv(self.qkv(x))
        bias = None
        if rpe_index is not None:
            index = self.relative_position_index.view(x.shape[1], x.shape[1])
            bias = table_bias(self.relative_position_bias_table, index)
        if mask is not None:
            hidden = x.new_zeros(mask.shape).masked_fill(~mask.bool(), float('-inf'))
            hidden = hidden[:, None, None, :]
            bias = hidden if bias is None else bias + hidden
        found = attend(query, key, value, self.scale, bias, dropout_of(self))
        return self.proj_drop(self.proj(join_heads(found)))


register(Attention, NarrowHiViTAttention)
