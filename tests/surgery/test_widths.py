"""Widths of weights that were made elsewhere become a structure, or are refused by name."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.surgery import prune_channels
from mmrobustprune.surgery.widths import structure_of_widths


class Residual(nn.Module):
    """Two convolutions whose sum goes on."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.outer = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x).relu()
        x = x + self.outer(self.inner(x).relu())
        return self.head(x.mean((2, 3)))


X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def dense():
    torch.manual_seed(0)
    return Residual().eval()


def test_the_network_of_these_widths_computes_the_same(dense):
    pruned = copy.deepcopy(dense)
    prune_channels(pruned, X, ratio=0.375)
    assert pruned.state_dict()['inner.weight'].shape != dense.inner.weight.shape
    structure = structure_of_widths(dense, X, pruned.state_dict())
    again = rebuild(copy.deepcopy(dense), structure)
    again.load_state_dict(pruned.state_dict())
    assert torch.equal(again(X), pruned(X))
    assert dense.inner.weight.shape == (8, 8, 3, 3)


@pytest.mark.parametrize(
    'changes, sentence',
    [
        (
            {'inner.weight': (9, 8, 3, 3), 'inner.bias': (9,)},
            "'inner.weight' has 9 channels and the",
        ),
        ({'stem.weight': (5, 3, 3, 3)}, r"other numbers \('stem.weight' 5, 'stem.bias' 8"),
        ({'head.weight': (5, 8), 'head.bias': (5,)}, r"'head.weight' \(in the file \(5, 8\), in t"),
        ({'tail.weight': (5,)}, r"'tail.weight' \(in the file \(5,\), in the network not there"),
    ],
)
def test_what_does_not_fit_is_named(dense, changes, sentence):
    state = dense.state_dict() | {name: torch.zeros(shape) for name, shape in changes.items()}
    with pytest.raises(ValueError, match=sentence):
        structure_of_widths(dense, X, state)
