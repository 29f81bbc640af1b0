"""A forward that is traced small and counted in full."""

import pytest
import torch
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.dependency.partial import PartialForward, WithoutProducts, uses
from mmrobustprune.dependency.tracing import trace


class TwoStages(nn.Module):
    """A convolution of the image, and a second part that runs on so many rows, or ten at most."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.every = nn.Linear(4, 5)
        self.some = nn.Linear(5, 2)

    def forward(self, image, rows):
        seen = self.first(image).mean((2, 3)).expand(rows, 4)
        every = self.every(seen).relu()
        return every, self.some(every[:10])


def run(model, example, size):
    return model(example, size)


def full(model, example):
    return model(example, 1000)


PARTIAL = PartialForward(run, size=lambda model: 1000, small=3, even=11)
IMAGE = torch.rand(1, 1, 6, 6)


def test_all_uses_are_counted_and_few_are_run():
    model = TwoStages()
    ran = []
    model.every.register_forward_hook(lambda layer, args, out: ran.append(len(out)))
    assert uses(model, IMAGE, PARTIAL) == dict(first=36, every=1000, some=10)
    assert ran == [11, 12]
    assert len(PARTIAL(model, IMAGE)[0]) == 3 and len(PARTIAL.full(model, IMAGE)[0]) == 1000


def test_costs_and_traces_are_those_of_the_full_forward():
    model = TwoStages()
    assert count(model, IMAGE, PARTIAL) == count(model, IMAGE, full)
    assert count(model, IMAGE, PARTIAL).macs == 36 * 36 + 1000 * 20 + 10 * 10
    found = trace(model, IMAGE, PARTIAL)
    whole = trace(model, IMAGE, full)
    assert found.shapes == whole.shapes and found.unprunable == whole.unprunable
    assert [group.name for group in found.groups] == [group.name for group in whole.groups]


def test_a_full_size_below_the_even_one_is_run_as_it_is():
    small = PartialForward(run, size=lambda model: 2, small=3, even=11)
    assert uses(TwoStages(), IMAGE, small) == dict(first=36, every=2, some=2)
    assert len(small(TwoStages(), IMAGE)[0]) == 2


@pytest.mark.parametrize(
    'layer, shape',
    [
        (nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 9, 7)),
        (nn.Conv2d(4, 4, 3, groups=4, bias=False, dilation=2), (1, 4, 9, 9)),
        (nn.ConvTranspose2d(3, 5, 2, stride=2), (1, 3, 4, 4)),
        (nn.Conv1d(3, 2, 3), (1, 3, 8)),
        (nn.Linear(6, 4), (2, 5, 6)),
    ],
)
def test_outputs_have_their_shapes_and_are_zero(layer, shape):
    inputs = torch.rand(shape)
    with WithoutProducts():
        out = layer(inputs)
    assert out.shape == layer(inputs).shape and not out.any()
