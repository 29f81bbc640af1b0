"""Products of two computed tensors: what becomes of the channels on each axis."""

import numpy as np
import pytest
import torch
from torch import nn

from mmrobustprune.dependency.flow.layout import Layout, Unknown
from mmrobustprune.dependency.flow.products import is_product, multiplied
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, trace
from tests.dependency.test_tracing import sides
from tests.support.networks import every_third_dead

TOKENS = torch.randn(2, 5, 3)


def product():
    """(2, 4, 3) times (2, 3, 5)."""
    first = torch.zeros(2, 4, 3, requires_grad=True)
    return torch.bmm(first, torch.zeros(2, 3, 5, requires_grad=True)).grad_fn


@pytest.mark.parametrize(
    'position, layout, shape',
    [
        (0, Layout.along((2, 4, 3), 1), (2, 4, 5)),
        (1, Layout.along((2, 3, 5), 2), (2, 4, 5)),
    ],
)
def test_channels_of_a_kept_axis_go_on(position, layout, shape):
    node = product()
    assert is_product(node.name())
    onward = multiplied(node, position, layout.width, layout, 0)
    assert onward.target.tolist() == list(range(layout.width))
    assert onward.layout == Layout(shape, layout.axes, layout.free)
    assert multiplied(node, position, layout.width, layout, 1 + position) is None


@pytest.mark.parametrize('position, shape, axis', [(0, (2, 4, 3), 2), (1, (2, 3, 5), 1)])
def test_channels_of_the_summed_axis_end(position, shape, axis):
    layout = Layout.along(shape, axis)
    assert multiplied(product(), position, 3, layout, 0) is None
    assert multiplied(product(), position, 3, layout, 2 - position) is None
    ended = multiplied(product(), position, 3, layout, 1 + position)
    assert ended.target.tolist() == [0, 1, 2] and ended.width == 3
    assert ended.counts[0].value is None and ended.counts[0].channels.tolist() == [0, 1, 2]


def test_one_side_of_a_table_shrinks():
    rows = Layout((2, 3, 5), (1, 2), 1)
    assert multiplied(product(), 1, 15, rows, 2).target.tolist() == list(np.arange(15) // 5)
    columns_stay = multiplied(product(), 1, 15, rows, 0)
    assert columns_stay.stays and columns_stay.layout == Layout.along((2, 4, 5), 2)
    columns = Layout((2, 3, 5), (1, 2), 2)
    assert multiplied(product(), 1, 15, columns, 2) is None
    onward = multiplied(product(), 1, 15, columns, 0)
    assert onward.target.tolist() == list(np.arange(15) % 5) and not onward.stays


def test_channels_that_count_matrices_are_not_followed():
    for axes in ((0,), (0, 1)):
        with pytest.raises(Unknown, match='several matrices, which its channels count'):
            multiplied(product(), 0, 8, Layout((2, 4, 3), axes, axes[-1]), 0)


class Attends(nn.Module):
    """softmax(q k^T / sqrt(width)) v."""

    def __init__(self):
        super().__init__()
        self.q = nn.Linear(3, 6)
        self.k = nn.Linear(3, 6, bias=False)
        self.v = nn.Linear(3, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        q = self.q(x)
        maps = (q @ self.k(x).transpose(1, 2) * q.shape[-1] ** -0.5).softmax(-1)
        return self.out(maps @ self.v(x))


def test_values_go_and_queries_stay_with_their_scale():
    model = Attends()
    found = trace(model, TOKENS)
    (group,) = found.groups
    four = [[0], [1], [2], [3]]
    assert sides(group) == {('v', 'out'): four, ('out', 'in'): four}
    why = 'it ends in a product whose code may scale it by its width'
    assert (found.unprunable['q'], found.unprunable['k']) == (why, why)
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, TOKENS) <= 1e-10
    assert rebuild(model, masks.structure('test')).v.out_features == 3
