"""Wide residual networks for 32x32 images."""

from __future__ import annotations

from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from mmrobustprune.registry import MODELS

_WIDTHS = (16, 32, 64)


class PreActivationBlock(nn.Module):
    """conv(relu(bn(conv(a)))) + x with a = relu(bn(x)), or + conv1x1(a) where the width changes.

    x (batch, inputs, H, W) -> (batch, outputs, H/stride, W/stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = (
            None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))
        out = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        return out + (x if self.shortcut is None else self.shortcut(activated))


@MODELS.register_module()
class WideResNet(BaseBackbone):
    """WRN-depth-k of arXiv 1605.07146 without dropout; WRN-28-4 has 5.85 M parameters.

    Takes (batch, in_channels, H, W) and returns ((batch, 64 k, H/4, W/4),), for a
    GlobalAveragePooling neck.

    Args:
        depth: 6n + 4, at least 10.
        widen_factor: k, at least 1.
        init_cfg: initialisation as everywhere in mmengine.
        in_channels: of the images.
    Raises:
        ValueError: another depth or width.
    """

    def __init__(
        self,
        depth: int = 28,
        widen_factor: int = 4,
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
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f'depth={depth} is not 6n + 4; choose 16, 22, 28, 34 or 40.')
        if widen_factor < 1:
            raise ValueError(
                f'widen_factor={widen_factor} is below 1; choose 4 or 10, which are the common '
                'ones.'
            )
        self.conv1 = nn.Conv2d(in_channels, _WIDTHS[0], 3, padding=1, bias=False)
        inputs = _WIDTHS[0]
        for stage, width in enumerate(_WIDTHS, 1):
            blocks = []
            outputs = width * widen_factor
            for number in range((depth - 4) // 6):
                stride = 2 if stage > 1 and number == 0 else 1
                blocks.append(PreActivationBlock(inputs, outputs, stride))
                inputs = outputs
            setattr(self, f'layer{stage}', nn.Sequential(*blocks))
        self.bn = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return (self.relu(self.bn(x)),)
