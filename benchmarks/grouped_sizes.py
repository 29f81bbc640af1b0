"""Parameters and MACs of SR-GKP's networks, dense and pruned, by the paper's rule and plainly.

Example:
    python benchmarks/grouped_sizes.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import torch  # noqa: E402
from torch import nn  # noqa: E402

from mmrobustprune.cost.count import (
    PLAIN,
    SR_GKP,
    SR_GKP_IMAGENET,
    SR_GKP_IMAGENET_DENSE,
    SR_GKP_VGG,
    Cost,
    CountingRule,
    count,
)


@dataclass(frozen=True)
class Net:
    """One network of the paper.

    Every 3x3 convolution but the stem loses `ratio` of the channels that each filter reads.
    """

    name: str
    backbone: dict
    features: int
    classes: int
    side: int
    ratios: tuple[float, ...]
    dense: CountingRule = SR_GKP
    pruned: CountingRule = SR_GKP

    def build(self) -> nn.Module:
        """Backbone, global pooling and linear layer; every weight is 1, so that none is 0."""
        from mmpretrain.registry import MODELS

        model = nn.ModuleDict(
            dict(
                backbone=MODELS.build(self.backbone),
                pool=nn.AdaptiveAvgPool2d(1),
                fc=nn.Linear(self.features, self.classes),
            )
        )
        for parameter in model.parameters():
            if parameter.requires_grad:  # shortcuts that learn nothing keep their zeros
                nn.init.ones_(parameter)
        return model


def _cifar(
    depth: int, classes: int = 10, side: int = 32, ratios: tuple[float, ...] = (0.4375, 0.625)
) -> Net:
    where = 'CIFAR-10' if side == 32 else 'Tiny-ImageNet'
    return Net(
        f'ResNet-{depth} {where}',
        dict(type='mmrobustprune.CIFARResNet', depth=depth),
        64,
        classes,
        side,
        ratios,
    )


NETS = (
    _cifar(20),
    _cifar(32),
    _cifar(56),
    _cifar(110),
    _cifar(56, 200, 64, (0.375,)),
    Net(
        'VGG-16-BN CIFAR-10',
        dict(type='mmrobustprune.CIFARVGG', depth=16),
        512,
        10,
        32,
        (0.4375,),
        SR_GKP_VGG,
        SR_GKP_VGG,
    ),
    Net(
        'ResNet-101 Tiny-ImageNet',
        dict(type='mmpretrain.ResNet_CIFAR', depth=101),
        2048,
        200,
        64,
        (0.875,),
        SR_GKP_IMAGENET,
        SR_GKP_IMAGENET,
    ),
    Net(
        'ResNet-50 ImageNet',
        dict(type='mmpretrain.ResNet', depth=50),
        2048,
        1000,
        224,
        (0.75,),
        SR_GKP_IMAGENET_DENSE,
        SR_GKP_IMAGENET,
    ),
)


def kept_channels(model: nn.Module, ratio: float) -> dict[str, int]:
    """Input channels that remain for each filter of every 3x3 convolution after the stem."""
    convolutions = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    return {
        name: round((1 - ratio) * m.in_channels)
        for name, m in convolutions[1:]
        if m.kernel_size == (3, 3)
    }


def forward(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """The logits of a `Net`."""
    return model['fc'](model['pool'](model['backbone'](image)[-1]).flatten(1))


def sizes(net: Net, ratios: tuple[float, ...] | None = None) -> Iterator[tuple[float, Cost, Cost]]:
    """(ratio, cost by the paper's rule, plain cost) of the dense network and each pruned one."""
    model = net.build()
    image = torch.zeros(1, 3, net.side, net.side)
    for ratio in (0.0, *(net.ratios if ratios is None else ratios)):
        kept = kept_channels(model, ratio) if ratio else None
        rule = net.pruned if ratio else net.dense
        yield (
            ratio,
            count(model, image, forward, rule, kept),
            count(model, image, forward, PLAIN, kept),
        )


def main() -> None:
    print(
        f'{"network":26}{"ratio":>8}{"parameters M":>14}'
        f'{"MACs M (paper)":>16}{"MACs M (plain)":>16}'
    )
    for net in NETS:
        for ratio, paper, plain in sizes(net):
            print(
                f'{net.name:26}{ratio:8.2%}{paper.params / 1e6:14.6f}'
                f'{paper.macs / 1e6:16.6f}{plain.macs / 1e6:16.6f}'
            )


if __name__ == '__main__':
    main()
