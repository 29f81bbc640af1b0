"""The thin ResNets of He et al. for 32x32 images, with shortcuts that learn nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from mmrobustprune.registry import MODELS

_WIDTHS = (16, 32, 64)


class OptionAShortcut(nn.Conv2d):
    """Every second pixel, the new channels zero and last, as a 1x1 convolution that learns nothing.

    Written as a layer, pruning can follow it: the channels on both of its sides shrink by
    themselves. `fixed` tells whoever counts or prunes kernels that its weights are no parameters.
    """

    fixed = True

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, stride=2, bias=False)
        self.weight.requires_grad_(False)

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.copy_(torch.eye(*self.weight.shape[:2])[..., None, None])


class ThinBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)).

    x (batch, inputs, H, W) -> (batch, outputs, H/stride, W/stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity() if stride == 1 else OptionAShortcut(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


@MODELS.register_module()
class CIFARResNet(BaseBackbone):
    """ResNet of depth 6n + 2 for 32x32 images (arXiv 1512.03385, section 4.2, option A).

    It has 0.27 M parameters at depth 20. Takes (batch, in_channels, 32, 32) and returns
    ((batch, 64, 8, 8),), for a GlobalAveragePooling neck.

    Args:
        depth: 6n + 2, at least 8.
        in_channels: of the images.
        init_cfg: initialisation as everywhere in mmengine.
    Raises:
        ValueError: another depth.
    """

    def __init__(
        self, depth: int = 20, init_cfg: dict | list | None = None, in_channels: int = 3
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d', mode='fan_out', nonlinearity='relu'),
                dict(type='Constant', val=1, layer='BatchNorm2d'),
            ]
        )
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f'depth={depth} is not 6n + 2; choose 20, 32, 44, 56 or 110.')
        self.conv1 = nn.Conv2d(in_channels, _WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        inputs = _WIDTHS[0]
        for stage, outputs in enumerate(_WIDTHS, 1):
            strides = [1 if stage == 1 else 2] + [1] * ((depth - 2) // 6 - 1)
            blocks = [
                ThinBlock(outputs if number else inputs, outputs, stride)
                for number, stride in enumerate(strides)
            ]
            setattr(self, f'layer{stage}', nn.Sequential(*blocks))
            inputs = outputs

    def init_weights(self) -> None:
        # init_cfg takes shortcuts for convolutions like any other; pruned they are no identity
        shortcuts = [layer for layer in self.modules() if isinstance(layer, OptionAShortcut)]
        weights = [layer.weight.detach().clone() for layer in shortcuts]
        super().init_weights()
        with torch.no_grad():
            for layer, weight in zip(shortcuts, weights, strict=True):
                layer.weight.copy_(weight)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.relu(self.bn1(self.conv1(x)))
        return (self.layer3(self.layer2(self.layer1(x))),)


_NAMES = [
    (r'^conv_1_3x3\.', 'backbone.conv1.'),
    (r'^bn_1\.', 'backbone.bn1.'),
    (r'^stage_(\d)\.', r'backbone.layer\1.'),
    (r'\.(conv|bn)_a\.', r'.\g<1>1.'),
    (r'\.(conv|bn)_b\.', r'.\g<1>2.'),
    (r'^(conv1|bn1|layer\d)\.', r'backbone.\1.'),
    (r'^(classifier|linear|fc)\.', 'head.fc.'),
]


def rename(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published weights under the names of an ImageClassifier (CIFARResNet, LinearClsHead)."""
    renamed = {}
    for name, value in published.items():
        for pattern, new in _NAMES:
            name = re.sub(pattern, new, name)
        renamed[name] = value
    return renamed


def classifier_state(published: Mapping[str, Tensor], depth: int = 20) -> dict[str, Tensor]:
    """The state dict of an ImageClassifier (CIFARResNet, LinearClsHead) from a published ResNet's.

    Args:
        published: weights named conv_1_3x3, bn_1, stage_k.i.conv_a/bn_a/conv_b/bn_b, classifier.
        depth: of the ResNet.
    Raises:
        ValueError: a name or shape that this network does not have.
    """
    renamed = rename(published)
    expected = {
        f'backbone.{name}': value for name, value in CIFARResNet(depth).state_dict().items()
    }
    for name, value in expected.items():
        if name.endswith('shortcut.weight'):
            renamed[name] = value
        if name not in renamed or renamed[name].shape != value.shape:
            raise ValueError(
                f"The state dict does not fit CIFARResNet({depth}) at '{name}'; give the weights "
                'of the same depth.'
            )
    return renamed
