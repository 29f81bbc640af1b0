"""VGG with batch normalisation for small images: five stages of convolutions, halved by pools."""

from __future__ import annotations

from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from mmrobustprune.registry import MODELS

_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = {  # depth -> number in each stage
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


@MODELS.register_module()
class CIFARVGG(BaseBackbone):
    """VGG-BN for 32x32 images (arXiv 1409.1556, configurations A, B, D, E).

    It has 14.72 M parameters at depth 16. Takes (batch, in_channels, H, W), H and W multiples of
    2^pools, and returns ((batch, 512, H/2^pools, W/2^pools),). As it is it goes with a
    GlobalAveragePooling neck and a LinearClsHead of 512 channels; mmpretrain's VGG has no
    convolution bias beside batch normalisation. The networks of HYDRA (arXiv 2002.10509) are
    depth=16, bias=False, pools=4, followed by an AdaptivePooling neck of 2x2 and a
    StackedLinearClsHead 2048-256-256-classes.

    Args:
        depth: 11, 13, 16 or 19.
        bias: whether the convolutions have one.
        pools: how many stages end in a pool that halves, 0 to 5, the first ones.
        init_cfg: initialisation as everywhere in mmengine.
        in_channels: of the images.
    Raises:
        ValueError: another depth or number of pools.
    """

    def __init__(
        self,
        depth: int = 16,
        bias: bool = True,
        pools: int = 5,
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
        if depth not in _CONVOLUTIONS:
            raise ValueError(
                f'depth={depth} is no VGG; choose {", ".join(map(str, _CONVOLUTIONS))}.'
            )
        if not 0 <= pools <= len(_WIDTHS):
            raise ValueError(
                f'pools={pools} is not among 0 to {len(_WIDTHS)}, the number of stages; choose 4 '
                'for HYDRA, else 5.'
            )
        inputs = in_channels
        stages = zip(_WIDTHS, _CONVOLUTIONS[depth], strict=True)
        for stage, (outputs, number) in enumerate(stages, 1):
            layers = nn.Sequential()
            for index in range(1, number + 1):
                conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
                layers.add_module(f'conv{index}', conv)
                layers.add_module(f'bn{index}', nn.BatchNorm2d(outputs))
                layers.add_module(f'relu{index}', nn.ReLU(inplace=True))
                inputs = outputs
            if stage <= pools:
                layers.add_module('pool', nn.MaxPool2d(2))
            setattr(self, f'stage{stage}', layers)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        for stage in range(1, len(_WIDTHS) + 1):
            x = getattr(self, f'stage{stage}')(x)
        return (x,)
