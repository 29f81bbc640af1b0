"""Plain residual networks: the CIFAR ones with parameter-free shortcuts, and bottleneck blocks."""

import torch
from torch import nn
from torch.nn import functional


class Basic(nn.Module):
    """Two 3x3 convolutions; the shortcut takes every second pixel and pads channels with zeros."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv_a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn_a = nn.BatchNorm2d(outputs)
        self.conv_b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn_b = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.wider = outputs - inputs

    def forward(self, x):
        short = functional.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.wider))
        return functional.relu(
            short + self.bn_b(self.conv_b(functional.relu(self.bn_a(self.conv_a(x)))))
        )


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and a convolution on the shortcut."""

    def __init__(self, inputs, width, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x):
        y = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class CIFARResNet(nn.Module):
    """ResNet of depth 6 n + 2 with the names of the published CIFAR weights.

    forward(x (N, 3, 32, 32)) -> (N, classes).
    """

    def __init__(self, depth=20, widths=(16, 32, 64), classes=10):
        super().__init__()
        self.conv_1_3x3 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(widths[0])
        before = widths[0]
        for stage, width in enumerate(widths, 1):
            blocks = [
                Basic(before if i == 0 else width, width, 2 if i == 0 and stage > 1 else 1)
                for i in range((depth - 2) // 6)
            ]
            setattr(self, f'stage_{stage}', nn.Sequential(*blocks))
            before = width
        self.classifier = nn.Linear(before, classes)

    def forward(self, x):
        x = functional.relu(self.bn_1(self.conv_1_3x3(x)))
        return self.classifier(self.stage_3(self.stage_2(self.stage_1(x))).mean((2, 3)))


class BottleneckNet(nn.Module):
    """A stem, bottleneck blocks, a classifier; forward(x (N, 3, H, W)) -> (N, classes)."""

    def __init__(self, widths=(8, 16), classes=5):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 7, 2, 3, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks = []
        before = 16
        for i, width in enumerate(widths):
            blocks.append(Bottleneck(before, width, 4 * width, 1 + (i > 0)))
            before = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def settle(model, seed=0):
    """Random statistics and scales, as after training; float64, evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
            ):
                if tensor is not None:
                    tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + low)
    return model.double().eval()
