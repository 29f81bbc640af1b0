"""Small networks for learned scores."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mmrobustprune.mask_search import HARP, RatedNetwork

LAYERS = ['stem', 'one.conv1', 'one.conv2', 'two.conv1', 'two.conv2', 'two.short', 'fc']


class Block(nn.Module):
    """relu(bn(conv2(relu(bn(conv1(x))))) + shortcut(x))"""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short = (
            nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()
        )

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.short(x)).relu()


class Small(nn.Module):
    """A stem, two blocks, a classifier; (N, 3, 8, 8) -> (N, 4)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.one = Block(8, 8, 1)
        self.two = Block(8, 12, 2)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(self.two(self.one(self.bn(self.stem(x)).relu())).mean((2, 3)))


def small(seed=0):
    """`Small` with the weights of a seed, and statistics and scales as after training."""
    torch.manual_seed(seed)
    model = Small()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
            ):
                tensor.data.copy_(torch.rand(tensor.shape) + low)
    return model


def batch(seed=1, size=8):
    """Images (size, 3, 8, 8) and labels."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, 8, 8, generator=draw), torch.randint(0, 4, (size,), generator=draw)


def search(model, network, steps=3, lr=0.1):
    """Plain search steps with SGD on one batch; returns the losses."""
    optimizer = torch.optim.SGD(network.trained_parameters(), lr, momentum=0.9, weight_decay=5e-4)
    losses = []
    x, y = batch()
    for _ in range(steps):
        loss = cross_entropy(model(x), y)
        penalty = network.penalty()
        optimizer.zero_grad()
        (loss if penalty is None else loss + penalty).backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def harp(target=0.8, **fields) -> tuple[nn.Module, RatedNetwork]:
    """`small` and what HARP makes of it."""
    model = small()
    return model, HARP(target, **dict(dict(input_shape=(3, 8, 8)), **fields)).attach(model)
