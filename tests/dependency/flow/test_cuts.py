"""Which attribute of a module a number in its forward pass is."""

import numpy as np
from torch import nn

from mmrobustprune.dependency.flow.cuts import cuts_of, names_read
from mmrobustprune.dependency.flow.layout import Count
from mmrobustprune.dependency.groups import Cut


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.width = 4
        self.unread = 4
        self.dims = [4, 8]

    def forward(self, x):
        def inner():
            return x.split(self.dims, 1)

        return inner()[0][:, : self.width]


def found(count):
    return list(cuts_of(nn.Sequential(Block()), 'op', '0', count))


def test_names_that_methods_read():
    assert {'dims', 'width'} <= names_read(Block) and 'unread' not in names_read(Block)


def test_an_integer_of_that_value_which_is_read():
    assert found(Count(4, np.arange(4))) == [Cut('op', '0', 'width')]


def test_a_list_of_all_sizes():
    count = Count(8, np.arange(4, 12), (4, 8), 1)
    assert found(count) == [Cut('op', '0', 'dims', 1)]


def test_a_number_that_is_no_attribute():
    assert found(Count(5, np.arange(5))) == [Cut('op', '0')]
