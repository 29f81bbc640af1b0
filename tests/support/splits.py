"""Blocks with grouped convolutions, splits, slices, shuffles and offsets, of 8 channels or more."""

import torch
import torchvision
from torch import nn


class Shuffle(nn.Module):
    """Channels of g groups, one of each in turn."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, c, h, w = x.shape
        x = x.view(n, self.groups, c // self.groups, h, w)
        return x.transpose(1, 2).contiguous().view(n, -1, h, w)


class Halves(nn.Module):
    """One half goes through a convolution, the other past it, as in CSPNet."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width // 2, width // 2, 3, padding=1)

    def forward(self, x):
        half = x.shape[1] // 2
        a, b = x[:, :half], x[:, half:]
        return torch.cat([a, self.conv(b)], 1)


class Chunks(nn.Module):
    """The same with `chunk`, halves changed over."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width // 2, width // 2, 1)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat([self.conv(b), a], 1)


class Steps(nn.Module):
    """Pieces of `width` channels, each added to what the last one became, as in Res2Net."""

    def __init__(self, width, pieces=2):
        super().__init__()
        self.width = width // pieces
        self.convs = nn.ModuleList(
            nn.Conv2d(self.width, self.width, 3, padding=1) for _ in range(pieces - 1)
        )

    def forward(self, x):
        first, *rest = torch.split(x, self.width, 1)
        made = [first]
        for conv, piece in zip(self.convs, rest, strict=True):
            made.append(conv(made[-1] + piece))
        return torch.cat(made, 1)


class Orders(nn.Module):
    """Pieces of growing width, listed in `dims`, multiplied one after the other, as in HorNet."""

    def __init__(self, width):
        super().__init__()
        self.dims = [width // 4, width - width // 4]
        self.conv = nn.Conv2d(self.dims[0], self.dims[1], 1)
        self.back = nn.Conv2d(self.dims[1], width, 1)

    def forward(self, x):
        a, b = torch.split(x, self.dims, 1)
        return self.back(self.conv(a) * b)


class Sliced(nn.Module):
    """A slice whose end is an attribute, beside all of it."""

    def __init__(self, width):
        super().__init__()
        self.end = width // 4
        self.conv = nn.Conv2d(self.end, width, 1)

    def forward(self, x):
        return self.conv(x[:, : self.end]) + x


class Literal(nn.Module):
    """A slice whose end is a number in the code, which cannot follow."""

    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(4, width, 1)

    def forward(self, x):
        return self.conv(x[:, :4])


class SplitAttention(nn.Module):
    """Two splits of a grouped convolution, weighted by a softmax over them, as in ResNeSt."""

    def __init__(self, width):
        super().__init__()
        self.radix = 2
        self.conv = nn.Conv2d(width, 2 * width, 3, padding=1, groups=2)
        self.down = nn.Conv2d(width, 5, 1)
        self.up = nn.Conv2d(5, 2 * width, 1)

    def forward(self, x):
        x = self.conv(x).relu()
        splits = x.view(len(x), self.radix, -1, *x.shape[2:])
        pooled = splits.sum(1).mean((2, 3), keepdim=True)
        weights = self.up(self.down(pooled).relu()).view(len(x), 1, self.radix, -1)
        weights = weights.transpose(1, 2).softmax(1).reshape(len(x), -1, 1, 1)
        return (splits * weights.view(len(x), self.radix, -1, 1, 1)).sum(1)


class Deformed(nn.Module):
    """A deformable convolution with offsets and masks of its own."""

    def __init__(self, width, after=None):
        super().__init__()
        self.offset = nn.Conv2d(width, 27, 3, padding=1)
        self.conv = torchvision.ops.DeformConv2d(width, after or width, 3, padding=1)

    def forward(self, x):
        a, b, mask = self.offset(x).chunk(3, 1)
        return self.conv(x, torch.cat([a, b], 1), mask.sigmoid())


def conv(before, after, groups):
    return nn.Conv2d(before, after, 3, padding=1, groups=groups)


# kind -> (a block of that width, channels that it makes of them)
BLOCKS = {
    'grouped': (lambda width: conv(width, width, 2), 1),
    'groups': (lambda width: conv(width, width, width // 2), 1),
    'multiplied': (lambda width: conv(width, 2 * width, width), 2),
    'fewer': (lambda width: conv(width, width // 2, width // 4), 0.5),
    'shuffled': (lambda width: nn.Sequential(conv(width, width, 2), Shuffle(2)), 1),
    'function': (lambda width: nn.Sequential(nn.ChannelShuffle(4), conv(width, width, 2)), 1),
    'halves': (Halves, 1),
    'chunks': (Chunks, 1),
    'steps': (lambda width: Steps(width, 4), 1),
    'orders': (Orders, 1),
    'sliced': (Sliced, 1),
    'attention': (SplitAttention, 1),
}


def random_blocks(kinds, pointwise):
    """A network of these blocks, with a normalisation behind each, plain layers between some."""
    width = 16
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    for kind in kinds:
        make, factor = BLOCKS[kind]
        layers += [make(width), nn.BatchNorm2d(int(width * factor)), nn.SiLU()]
        width = int(width * factor)
        if pointwise or width % 8:
            layers += [nn.Conv2d(width, 16, 1), nn.PReLU(16)]
            width = 16
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))
