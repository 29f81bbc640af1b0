"""Widths that others take for granted, though what they compute does not need them."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch
from torch import Tensor


def pads_tokens(module: ModuleType) -> bool:
    """Whether DaViT pads tokens as if they were an image: those of three channels get a fourth."""
    layer = module.DaViTDownSample(3, 1, norm_cfg=dict(type='LN'))
    try:
        layer(torch.zeros(1, 4, 3), (2, 2))
    except RuntimeError:
        return True
    return False


def pad_images(module: ModuleType) -> None:
    """Pad height and width; at even ones, the only ones that worked, nothing changes."""

    def forward(self, x: Tensor, input_size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        image = self.norm(x).transpose(1, 2).unflatten(2, input_size)
        if self.adaptive_padding:
            image = self.adaptive_padding(image)
        image = self.projection(image)
        return image.flatten(2).transpose(1, 2), (image.shape[2], image.shape[3])

    module.DaViTDownSample.forward = forward


def joins_equal_widths(module: ModuleType) -> bool:
    """Whether one channel and two cannot be concatenated (NAS-FCOS)."""
    cell = module.ConcatCell(1, 1, with_out_conv=False)
    try:
        cell(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, 2))
    except AssertionError:
        return True
    return False


def join_any_widths(module: ModuleType) -> None:
    """Concatenate, which needs no equal widths, in place of a check that all merges share."""

    def forward(self, x1: Tensor, x2: Tensor, out_size: tuple[int, int] | None = None) -> Tensor:
        size = max(x1.shape[2:], x2.shape[2:]) if out_size is None else out_size
        first = self._resize(self.input1_conv(x1), size)
        second = self._resize(self.input2_conv(x2), size)
        merged = self._binary_op(first, second)
        return self.out_conv(merged) if self.with_out_conv else merged

    module.ConcatCell.forward = forward


def counts_on_its_width(module: ModuleType) -> bool:
    """Whether regions of no image have as many channels as the extractor was built for."""
    layer = dict(type='RoIAlign', output_size=1, sampling_ratio=0)
    extractor = module.SingleRoIExtractor(layer, out_channels=2, featmap_strides=[1])
    return extractor((torch.zeros(1, 1, 2, 2),), torch.zeros(0, 5)).shape[1] != 1


def take_any_width(module: ModuleType) -> None:
    """Regions have as many channels as the maps that they are of, also where there are none."""
    extract = module.SingleRoIExtractor.forward

    @functools.wraps(extract)
    def forward(self, feats: tuple[Tensor, ...], *args: Any, **kwargs: Any) -> Tensor:
        self.out_channels = feats[0].shape[1]
        return extract(self, feats, *args, **kwargs)

    module.SingleRoIExtractor.forward = forward
