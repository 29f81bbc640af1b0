"""Classifiers whose adversarial images can be written down, and small ones that cannot."""

import torch
from torch import nn

from mmrobustprune.attack import Classifier, Normalise

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)


def linear(classes=2, seed=0, normalise=True):
    """logits = W z + b of 3x4x4 images."""
    torch.manual_seed(seed)
    return Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(48, classes)),
        Normalise(MEAN, STD) if normalise else None,
    )


def small(classes=5, seed=0):
    """Convolution, batch normalisation with moved statistics, ReLU: everything an attack might
    disturb.
    """
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(8)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        norm,
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8 * 16, classes),
    )
    return Classifier(net, Normalise(MEAN, STD))


def samples(count=32, seed=1):
    """(x, index): pixels in [0, 1], some of them at the ends."""
    torch.manual_seed(seed)
    return (torch.rand(count, 3, 4, 4) * 1.4 - 0.2).clamp(0, 1), torch.arange(count)


def labels(model, x):
    """What the model says without attack, every fourth changed."""
    model.eval()
    with torch.no_grad():
        logits = model(x)
    y = logits.argmax(1)
    y[::4] = (y[::4] + 1) % logits.shape[1]
    return y


def total(losses):
    """The training loss of its parts."""
    return sum(losses.values())


def worst_corner(model, x, y):
    """(N, 3, 4, 4): of two classes the input gradient has the sign of w_other - w_y everywhere."""
    weight = model.network[1].weight
    return (weight[1 - y] - weight[y]).sign().reshape(len(y), 3, 4, 4)
