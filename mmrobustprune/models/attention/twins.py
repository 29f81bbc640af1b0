"""The attentions of Twins: among all tokens, to fewer of them, and in windows."""

from __future__ import annotations

from mmpretrain.models.backbones.twins import (
    GlobalSubsampledAttention,
    LocallyGroupedSelfAttention,
)
from torch import Tensor
from torch.nn import functional

from mmrobustprune.dependency.attention import (
    KEY,
    QUERY,
    VALUE,
    HeadLayout,
    Narrowed,
    Place,
    attend,
    join_heads,
    register,
    rows,
    split_heads,
)

from .forms import FusedHeads, dropout_of, trained_scale


class NarrowGlobalAttention(Narrowed, GlobalSubsampledAttention):
    """The attention to tokens that a convolution made fewer."""

    @classmethod
    def layout(cls, module: GlobalSubsampledAttention) -> HeadLayout | None:
        """Rows of `q`, and of `kv` first all keys, then all values."""
        if module.v_shortcut:
            return None
        heads = module.num_heads
        both = module.q.out_features
        value = module.proj.in_features
        places = (
            Place('q', QUERY, rows(heads, both // heads)),
            Place('kv', KEY, rows(heads, both // heads)),
            Place('kv', VALUE, rows(heads, value // heads, both)),
        )
        return HeadLayout(places, 'proj')

    def forward(self, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """Attend from the tokens (B, N, C) of an image of that size to fewer of them."""
        query = self.q(x)
        if self.sr_ratio > 1:
            image = x.permute(0, 2, 1).unflatten(2, hw_shape)
            x = self.norm(self.sr(image).flatten(2).permute(0, 2, 1))
        key, value = self.kv(x).split([query.shape[-1], self.proj.in_features], -1)
        query, key, value = (split_heads(part, self.num_heads) for part in (query, key, value))
        dropout = self.attn_drop if self.training else 0.0
        found = attend(query, key, value, trained_scale(self), dropout=dropout)
        return self.out_drop(self.proj_drop(self.proj(join_heads(found))))


class NarrowLocalAttention(FusedHeads, LocallyGroupedSelfAttention):
    """The attention in windows."""

    def forward(self, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """Attend among the tokens (B, N, C) of an image of that size, window by window."""
        side = self.window_size
        height, width = hw_shape
        below = -height % side
        right = -width % side
        image = functional.pad(x.unflatten(1, hw_shape), (0, 0, 0, right, 0, below))
        bias = None
        if below and right:  # with padding on one side alone the original masks nothing
            outside = x.new_zeros(1, height + below, width + right, 1)
            outside[:, height:] = 1
            outside[:, :, width:] = 1
            apart = windows(outside, side) - windows(outside, side).transpose(-2, -1)
            bias = -1000.0 * apart.ne(0)[:, :, None]  # between tokens of the image and padding
        query, key, value = self.split_qkv(self.qkv(windows(image, side)))
        found = attend(query, key, value, self.scale, bias, dropout_of(self))
        found = join_heads(found).unflatten(1, (image.shape[1] // side, -1))
        found = found.unflatten(3, (side, side)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        found = found[:, :height, :width].flatten(1, 2)
        return self.proj_drop(self.proj(found))


def windows(image: Tensor, side: int) -> Tensor:
    """(B, H, W, C) -> (B, windows, side * side, C), row by row."""
    image = image.unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return image.transpose(2, 3).flatten(3, 4).flatten(1, 2)


register(GlobalSubsampledAttention, NarrowGlobalAttention)
register(LocallyGroupedSelfAttention, NarrowLocalAttention)
