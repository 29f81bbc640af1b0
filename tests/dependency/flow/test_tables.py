"""Channels that are the entries of a matrix, which loses rows or columns."""

import numpy as np
import pytest
import torch
from torch import nn

from mmrobustprune.dependency.flow.layout import Layout, Passage
from mmrobustprune.dependency.flow.tables import pinned, table_behind, turned
from mmrobustprune.dependency.groups import Cut, Group, Slice
from mmrobustprune.structure import Structure, rebuild
from mmrobustprune.surgery import prune_channels, trace


def test_the_view_behind_a_table():
    weights = torch.zeros(2, 15, requires_grad=True) * 1
    view = weights.view(2, 3, 5)
    table = Layout((2, 5, 3), (1, 2), 1)
    assert table_behind(view.transpose(1, 2).grad_fn, table) is view.grad_fn
    assert table_behind(view.grad_fn, Layout.along((2, 3, 5), 2)) is None
    assert table_behind(view.relu().grad_fn, table) is None


def test_the_other_side_shrinks():
    layout = Layout((2, 3, 5), (1, 2), 2)
    every = np.arange(15)
    other = turned(Passage(every, every, 15, layout, every % 5))
    assert other.layout.free == 1
    assert other.together.tolist() == list(every // 5)
    assert (other.counts[0].value, other.counts[0].channels.tolist()) == (3, [0, 5, 10])


def test_numbers_that_stay_are_known_to_groups_in_their_module():
    cut = Cut('view', 'head', 'width')
    inside, outside = (
        Group(name, 1, (Slice(name, 'out', torch.zeros(1, 1)),)) for name in ('head.fc', 'header')
    )
    assert [group.cuts for group in pinned([inside, outside], [cut, cut])] == [(cut,), ()]


class Dynamic(nn.Module):
    """What a linear layer makes of one token is two matrices that the others are multiplied by."""

    def __init__(self, width=8, hidden=4, out=8):
        super().__init__()
        self.in_channels = width
        self.feat_channels = hidden
        self.out_channels = out
        self.num_in = width * hidden
        self.num_out = hidden * out
        self.parameters_of = nn.Linear(8, self.num_in + self.num_out)
        self.norm = nn.LayerNorm(hidden)
        self.last = nn.Linear(out, 3)

    def forward(self, told, x):
        made = self.parameters_of(told)
        first = made[:, : self.num_in].view(-1, self.in_channels, self.feat_channels)
        second = made[:, -self.num_out :].view(-1, self.feat_channels, self.out_channels)
        hidden = self.norm(torch.bmm(x, first)).relu()
        return self.last(torch.bmm(hidden, second))


class Told(nn.Module):
    """Its first token has a stream of its own, as wide as what it is multiplied with."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(2, 8)
        self.inner = nn.Linear(8, 8)
        self.dynamic = Dynamic()

    def forward(self, x):
        return self.dynamic(self.inner(self.table.weight.clone()), x)


TOKENS = torch.randn(2, 5, 8)


def test_a_table_whose_rows_stay_loses_columns():
    model = Told()
    found = {group.name: group for group in trace(model, TOKENS).groups}
    hidden = found['dynamic.parameters_of']
    index = {(part.layer, part.side): part.index.tolist() for part in hidden.slices}
    rows = [[c * 4 + f for c in range(8)] + [32 + f * 8 + o for o in range(8)] for f in range(4)]
    assert index == {
        ('dynamic.parameters_of', 'out'): rows,
        ('dynamic.norm', 'out'): [[0], [1], [2], [3]],
    }
    structure = prune_channels(model, TOKENS, 0.5, scope='layer')  # with the certificate
    small = model.dynamic
    assert (small.in_channels, small.feat_channels, small.out_channels) == (8, 2, 8)
    assert (small.num_in, small.num_out) == (16, 16)
    assert small.parameters_of.weight.shape == (32, 4)
    again = rebuild(Told(), Structure.from_json(structure.to_json()))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(TOKENS), model(TOKENS))


@pytest.mark.slow(seconds=8)
def test_the_dynamic_convolution_of_mmdet():
    conv = pytest.importorskip('mmdet.models.layers').DynamicConv(8, 4, 8, input_feat_shape=2)

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.told = nn.Linear(3, 8)
            self.conv = conv
            self.last = nn.Linear(8, 2)

        def forward(self, told, image):
            return self.last(self.conv(self.told(told), image))

    model = Head()
    example = (torch.randn(5, 3), torch.randn(5, 8, 2, 2))
    prune_channels(model, example, 0.5, scope='layer')
    assert (conv.in_channels, conv.feat_channels, conv.out_channels) == (8, 2, 8)
    assert conv.dynamic_layer.weight.shape == (32, 4) and conv.fc_layer.weight.shape == (4, 32)
