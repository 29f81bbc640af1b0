"""MobileNetV1, the chain of depthwise-separable convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.models.utils import make_divisible
from torch import Tensor, nn

from mmrobustprune.registry import MODELS

_STEM = 32
_STAGES = ((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))  # width and blocks of each


@MODELS.register_module()
class MobileNetV1(BaseBackbone):
    """MobileNets of arXiv 1704.04861.

    They have 4.23 M parameters with 1,000 classes, 2.59, 1.33 and 0.47 M at 3/4, 1/2 and 1/4 width.
    Takes (batch, in_channels, H, W) and returns ((batch, 1024 a, H/32, W/32),) with a the
    multiplier, for a GlobalAveragePooling neck.

    Args:
        widen_factor: width multiplier a, above 0; widths are multiples of 8.
        strides: of the stem and of the first block of each of the five stages; (1, 1, 1, 2, 2, 2)
            suits 32x32 images.
        norm_cfg: normalisation layer.
        init_cfg: initialisation as everywhere in mmengine.
        in_channels: of the images.
    Raises:
        ValueError: no positive multiplier, or another number of strides.
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        strides: Sequence[int] = (2, 1, 2, 2, 2, 2),
        norm_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d', mode='fan_out', nonlinearity='relu'),
                dict(type='Constant', val=1, layer='BatchNorm2d'),
            ]
        )
        if widen_factor <= 0:
            raise ValueError(
                f'widen_factor={widen_factor} is not above 0; choose 1.0, 0.75, 0.5 or 0.25.'
            )
        if len(strides) != 1 + len(_STAGES):
            raise ValueError(
                f'strides={tuple(strides)} are not {1 + len(_STAGES)} numbers; give one for the '
                'stem and one for each stage.'
            )
        norm = norm_cfg or dict(type='BN')
        inputs = make_divisible(_STEM * widen_factor, 8)
        self.stem = ConvModule(in_channels, inputs, 3, strides[0], padding=1, norm_cfg=norm)
        stages = zip(_STAGES, strides[1:], strict=True)
        for stage, ((width, number), stride) in enumerate(stages, 1):
            outputs = make_divisible(width * widen_factor, 8)
            blocks = []
            for index in range(number):
                step = 1 if index else stride
                blocks.append(
                    DepthwiseSeparableConvModule(inputs, outputs, 3, step, padding=1, norm_cfg=norm)
                )
                inputs = outputs
            setattr(self, f'stage{stage}', nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.stem(x)
        for stage in range(1, len(_STAGES) + 1):
            x = getattr(self, f'stage{stage}')(x)
        return (x,)
