"""Small networks whose groups can be written down by hand, and random ones."""

import torch
from torch import nn
from torch.nn import functional

from mmrobustprune.dependency.kinds import FAMILIES
from mmrobustprune.dependency.norms import response_norm


class Residual(nn.Module):
    """stem + inner(stem) -> head: the stem and the second inner convolution share channels."""

    def __init__(self, width=6, inner=4, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, inner, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, width, 3, padding=1)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.bn(self.stem(x)).relu()
        x = x + self.conv2(self.bn1(self.conv1(x)).relu())
        return self.head(x.mean((2, 3)))


class Concat(nn.Module):
    """Two branches, concatenated, normalised, depthwise, flattened (2 x 2) into a linear layer."""

    def __init__(self, left=3, right=5, classes=2):
        super().__init__()
        self.left = nn.Conv2d(3, left, 1)
        self.right = nn.Conv2d(3, right, 3, padding=1)
        self.bn = nn.BatchNorm2d(left + right)
        self.depth = nn.Conv2d(left + right, left + right, 3, padding=1, groups=left + right)
        self.fc = nn.Linear((left + right) * 4, classes)

    def forward(self, x):
        x = self.bn(torch.cat([self.left(x), self.right(x)], 1)).relu()
        return self.fc(functional.adaptive_avg_pool2d(self.depth(x), 2).flatten(1))


class Between(nn.Module):
    """Convolution -> some module -> convolution."""

    def __init__(self, middle, width=8, after=None):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.middle = middle
        self.last = nn.Conv2d(after or width, 2, 3, padding=1)

    def forward(self, x):
        return self.last(self.middle(self.first(x)))


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class L2Norm(nn.Module):
    """x / |x| over channels, with a bare parameter per channel, as SSD has it."""

    def __init__(self, width):
        super().__init__()
        self.n_dims = width
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        norm = (x.pow(2).sum(1, keepdim=True) + 1e-20).sqrt()  # a root of zero has no gradient
        return self.weight[None, :, None, None].expand_as(x) * x / norm


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width):
        super().__init__()
        self.down = nn.Conv2d(width, 3, 1)
        self.up = nn.Conv2d(3, width, 1)

    def forward(self, x):
        return x * self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Sum(nn.Module):
    """Residual connection, a convolution on the short cut where the width changes."""

    def __init__(self, before, after):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(before, 5, 1, bias=False),
            nn.BatchNorm2d(5),
            nn.SiLU(),
            nn.Conv2d(5, after, 3, padding=1),
        )
        self.short = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x):
        return self.inner(x) + self.short(x)


class Join(nn.Module):
    """Concatenation of the input and two branches."""

    def __init__(self, before, branch):
        super().__init__()
        self.one = nn.Conv2d(before, branch, 1)
        self.two = nn.Conv2d(before, branch, 3, padding=1)

    def forward(self, x):
        one = self.one(x)
        return torch.cat([self.two(x), x, one.relu(), functional.max_pool2d(one, 3, 1, 1)], 1)


def random_net(steps, flat):
    """A network from a list of (kind, width), ending in pooling or flattening and two layers."""
    layers = [nn.Conv2d(3, 6, 3, padding=1)]
    width = 6
    for kind, after in steps:
        if kind == 'conv':
            layers += [nn.Conv2d(width, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(True)]
        elif kind == 'sum':
            layers += [Sum(width, after), nn.LeakyReLU(0.1)]
        elif kind == 'same':
            layers += [Sum(width, width)]
            after = width
        elif kind == 'join':
            layers += [Join(width, after), nn.BatchNorm2d(width + 3 * after)]
            after = width + 3 * after
        elif kind == 'depthwise':
            layers += [nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Hardswish()]
            after = width
        elif kind == 'gate':
            layers += [Gate(width)]
            after = width
        elif kind == 'norm':
            layers += [L2Norm(width), nn.PReLU(width)]
            after = width
        elif kind == 'transposed':
            layers += [nn.ConvTranspose2d(width, after, 3, padding=1)]
        width = after
    layers += [
        nn.AdaptiveAvgPool2d(2 if flat else 1),
        nn.Flatten(),
        nn.Linear(width * (4 if flat else 1), 7),
        nn.GELU(),
        nn.Linear(7, 2),
    ]
    return nn.Sequential(*layers)


KINDS = ('conv', 'sum', 'same', 'join', 'depthwise', 'gate', 'norm', 'transposed')


def every_third_dead(groups):
    """Alive masks without units 1, 4, 7, ..."""
    return {group.name: torch.arange(group.units) % 3 != 1 for group in groups}


class LastAxis(nn.Module):
    """A layer on channels that lie last."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Response(nn.Module):
    """Global response normalisation on channels that lie last, or second (arXiv:2301.00808)."""

    def __init__(self, in_channels):
        super().__init__()
        self.in_channels = in_channels
        self.gamma = nn.Parameter(torch.rand(in_channels) + 0.5)
        self.beta = nn.Parameter(torch.rand(in_channels))

    def forward(self, x, first=False):
        x = x.permute(0, 2, 3, 1) if first else x
        size = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        x = self.gamma * x * (size / (size.mean(-1, keepdim=True) + 1e-6)) + self.beta + x
        return x.permute(0, 3, 1, 2) if first else x


FAMILIES[Response] = response_norm
