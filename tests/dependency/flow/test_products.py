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
from tests.dependency.test_tracing import by_name, sides
from tests.support.networks import every_third_dead

TOKENS = torch.randn(2, 5, 3)
SINGLES = [[0], [1], [2], [3], [4], [5]]


def product():
    """(2, 4, 3) times (2, 3, 5)."""
    first = torch.zeros(2, 4, 3, requires_grad=True)
    return torch.bmm(first, torch.zeros(2, 3, 5, requires_grad=True)).grad_fn


@pytest.mark.parametrize(
    'position, layout, shape',
    [
        (0, Layout.along((2, 4, 3), 1), (2, 4, 5)),
        (1, Layout.along((2, 3, 5), 2), (2, 4, 5)),
        (0, Layout((2, 4, 3), (0, 1), 1), (2, 4, 5)),  # several matrices have channels: heads
    ],
)
def test_channels_of_a_kept_axis_go_on(position, layout, shape):
    node = product()
    assert is_product(node)
    onward = multiplied(node, position, layout.width, layout, 0)
    assert onward.target.tolist() == list(range(layout.width))
    assert onward.layout == Layout(shape, layout.axes, layout.free)
    assert multiplied(node, position, layout.width, layout, 1 + position) is None


@pytest.mark.parametrize('position, shape, axis', [(0, (2, 4, 3), 2), (1, (2, 3, 5), 1)])
def test_channels_of_the_summed_axis_end(position, shape, axis):
    layout = Layout((*shape[:axis], 3, *shape[axis + 1 :]), (0, axis), axis)
    assert multiplied(product(), position, 6, layout, 0) is None
    assert multiplied(product(), position, 6, layout, 2 - position) is None
    ended = multiplied(product(), position, 6, layout, 1 + position)
    assert ended.target.tolist() == [0, 1, 2, 0, 1, 2] and ended.width == 3
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
    with pytest.raises(Unknown, match='matrices that its channels count'):
        multiplied(product(), 0, 2, Layout.along((2, 4, 3), 0), 0)


class Attends(nn.Module):
    """softmax(q k^T scale) v."""

    def __init__(self):
        super().__init__()
        self.q = nn.Linear(3, 6)
        self.k = nn.Linear(3, 6, bias=False)
        self.v = nn.Linear(3, 4)
        self.out = nn.Linear(4, 2)

    def scale(self, q):
        return 0.3

    def forward(self, x):
        q = self.q(x)
        maps = (q @ self.k(x).transpose(1, 2) * self.scale(q)).softmax(-1)
        return self.out(maps @ self.v(x))


def test_queries_and_keys_lose_the_same_channels():
    model = Attends()
    found = trace(model, TOKENS)
    groups = {name: sides(group) for name, group in by_name(found).items()}
    assert groups['q'] == {('q', 'out'): SINGLES, ('k', 'out'): SINGLES}
    assert groups['v'] == {('v', 'out'): SINGLES[:4], ('out', 'in'): SINGLES[:4]}
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    assert certify(masks, TOKENS) <= 1e-10
    small = rebuild(model, masks.structure('test'))
    assert (small.q.out_features, small.k.out_features, small.v.out_features) == (4, 4, 3)


def test_a_scale_from_the_width_keeps_it():
    class Scaled(Attends):
        def scale(self, q):
            return q.shape[-1] ** -0.5

    found = trace(Scaled(), TOKENS)
    assert [group.name for group in found.groups] == ['v']
    assert found.unprunable['q'].startswith('BmmBackward0 takes its channels at places')


def test_a_factor_that_stays_keeps_the_other():
    class Fixed(Attends):
        def forward(self, x):
            maps = self.q(x) @ torch.ones(2, 6, 5) + self.k(x).cumsum(2) @ self.q(x).transpose(1, 2)
            return self.out(maps @ self.v(x))

    found = trace(Fixed(), TOKENS)
    assert [group.name for group in found.groups] == ['v']
    assert found.unprunable['q'] == 'BmmBackward0 is not known to keep channels apart'
