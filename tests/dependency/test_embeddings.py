"""Embeddings, called or read as they are."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.embeddings import table
from mmrobustprune.surgery import prune_channels, trace


class Queries(nn.Module):
    """Learned tokens in front of two linear layers."""

    def __init__(self, called):
        super().__init__()
        self.called = called
        self.tokens = nn.Embedding(6, 6)
        self.inner = nn.Linear(6, 6)
        self.last = nn.Linear(6, 2)

    def forward(self, x):
        tokens = self.tokens(torch.arange(5)) if self.called else self.tokens.weight[:5]
        return self.last(x + tokens + self.inner(tokens).relu())


class Input(Queries):
    """The same, added to what a layer makes of the input."""

    def __init__(self, called):
        super().__init__(called)
        self.first = nn.Linear(3, 6)

    def forward(self, x):
        return super().forward(self.first(x))


@pytest.mark.parametrize('called', [False, True])
def test_its_columns_go_with_the_stream(called):
    model = Input(called)
    x = torch.randn(1, 5, 3)
    (group,) = trace(model, x).groups
    own = [[0], [1], [2], [3], [4], [5]]
    assert {(part.layer, part.side): part.index.tolist() for part in group.slices} == {
        ('tokens', 'out'): own,
        ('inner', 'out'): own,
        ('first', 'out'): own,
        ('inner', 'in'): own,
        ('last', 'in'): own,
    }
    prune_channels(model, x, 0.5)
    assert model.tokens.weight.shape == (6, 3) and model.tokens.embedding_dim == 3
    assert model(x).shape == (1, 5, 2)


def test_one_whose_rows_have_a_norm_stays():
    assert table(nn.Embedding(3, 4, max_norm=1.0)) is None
