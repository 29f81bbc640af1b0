"""Small models and steps for the tests of two-pass training."""

import copy
import random

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn

from mmrobustprune.engine.optim.optim_wrapper import SAMOptimWrapper


class Toy(BaseModel):
    """A classifier with BatchNorm and dropout that notes every forward call."""

    reduction = 'mean'

    def __init__(self, dropout=0.5):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3)
        )
        self.calls = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.calls.append({name: p.detach().clone() for name, p in self.named_parameters()})
        logits = self.body(inputs)
        loss = nn.functional.cross_entropy(logits, data_samples, reduction=self.reduction)
        return dict(loss=loss)


class Each(Toy):
    """Gives the loss of each sample, as heads do whose loss is not reduced."""

    reduction = 'none'


def toy(cls=Toy, **kwargs):
    """A model with the weights of seed 0."""
    torch.manual_seed(0)
    return cls(**kwargs).train()


def batch(number=0):
    """inputs (16, 6) and labels (16,), always the same for a number."""
    draw = torch.Generator().manual_seed(100 + number)
    return dict(
        inputs=torch.randn(16, 6, generator=draw),
        data_samples=torch.randint(0, 3, (16,), generator=draw),
    )


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=1e-3)


def wrapped(model, cls=SAMOptimWrapper, **kwargs):
    """The OptimWrapper of a model; `rule` alone makes it a sharpness wrapper."""
    return cls(optimizer=sgd(model), **kwargs)


def seed_all(seed=7):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def generators():
    """One draw of each generator, without moving them."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    drawn = random.random(), np.random.rand(), float(torch.rand(()))
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    return drawn


def assert_same_state(a, b):
    """Equal weights and buffers, bit by bit."""
    a = a.state_dict()
    b = b.state_dict()
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different, different


def assert_zero_radius_is_plain(model, batches, rule=None):
    """Train a copy plainly and the model with rho = 0; weights, buffers, generators are equal."""
    plain = copy.deepcopy(model)
    ends = []
    for network, wrapper in (
        (plain, wrapped(plain, OptimWrapper)),
        (model, wrapped(model, rule=rule or dict(type='SAM', rho=0.0))),
    ):
        seed_all()
        losses = [network.train_step(copy.deepcopy(data), wrapper) for data in batches]
        ends.append((generators(), [loss['loss'].item() for loss in losses]))
    assert ends[0] == ends[1]
    assert_same_state(plain, model)


def steps(model, wrapper, count=2, first=0):
    """Train on the batches numbered from `first`; all generators start from the same seed."""
    seed_all()
    for number in range(first, first + count):
        model.train_step(batch(number), wrapper)
    return model
