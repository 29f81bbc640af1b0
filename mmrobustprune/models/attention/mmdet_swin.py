"""The attention of mmdet's Swin Transformer."""

from __future__ import annotations

from typing import ClassVar

from mmdet.models.backbones.swin import WindowMSA

from mmrobustprune.dependency.attention import register

from .forms import WindowHeads


class NarrowDetWindowMSA(WindowHeads, WindowMSA):
    """Swin Transformer's attention in windows."""

    per_head: ClassVar[dict[str, int]] = {'relative_position_bias_table': 1}


register(WindowMSA, NarrowDetWindowMSA)
