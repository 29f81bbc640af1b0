"""Channels on axes, and what views make of them."""

import numpy as np
import pytest
import torch

from mmrobustprune.dependency.flow.layout import Layout, axis_of, guessed, regrouped, unchanged


def test_the_axis_of_channels_is_the_second_or_the_last():
    assert axis_of((2, 4, 3, 3), 4) == 1
    assert axis_of((2, 9, 4), 4) == 2
    assert axis_of((2, 4, 4), 4) == 1
    assert axis_of((2, 9, 5), 4) is None
    assert guessed(None, 4) is None and guessed((2, 9, 4), 4) == Layout.along((2, 9, 4), 2)


def test_channels_on_two_axes_are_counted_along_the_last_first():
    layout = Layout((2, 2, 3, 5), (1, 2), 2)
    assert (layout.width, layout.sizes) == (6, (2, 3))
    assert layout.grid().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layout.index(1).tolist() == [0, 0, 0, 1, 1, 1]
    assert layout.index(2).tolist() == [0, 1, 2, 0, 1, 2]
    assert layout.moved((5, 3, 2, 2), {0: 3, 1: 2, 2: 1, 3: 0}) == Layout((5, 3, 2, 2), (1, 2), 1)


def test_unchanged_channels():
    passage = unchanged(3)
    assert passage.source.tolist() == passage.target.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    'before, axes, after, axes_after, split',
    [
        ((2, 6, 3, 3), (1,), (2, 6, 9), (1,), False),
        ((2, 6, 3, 3), (1,), (2, 54), (1,), False),
        ((2, 6, 3, 3), (1,), (2, 2, 3, 3, 3), (1, 2), True),
        ((2, 6, 1, 1), (1,), (2, 1, 2, 3), (2, 3), True),
        ((2, 2, 3, 3, 3), (1, 2), (2, 6, 3, 3), (1,), False),
        ((2, 9, 6), (2,), (2, 3, 3, 6), (3,), False),
        ((6,), (0,), (1, 6, 1, 1), (1,), False),
        ((2, 6), (1,), (2, 6, 1, 1), (1,), False),
        ((1, 6, 1), (1,), (6,), (0,), False),
    ],
)
def test_views(before, axes, after, axes_after, split):
    """Each element keeps its channel: the labels of a tensor, viewed, are those of the layout."""
    layout = Layout(before, axes, axes[-1])
    found, source, several = regrouped(layout, after)
    assert (found.axes, several) == (axes_after, split)
    labels = torch.from_numpy(spread(layout, layout.grid())).reshape(after)
    assert torch.equal(labels, torch.from_numpy(spread(found, source.reshape(found.sizes))))


def spread(layout, numbers):
    sizes = [size if axis in layout.axes else 1 for axis, size in enumerate(layout.shape)]
    return np.broadcast_to(numbers.reshape(sizes), layout.shape).copy()


def test_the_longest_axis_is_the_one_that_shrinks():
    layout = Layout.along((2, 12, 5), 1)
    assert regrouped(layout, (2, 3, 4, 5))[0].free == 2
    assert regrouped(layout, (2, 6, 2, 5))[0].free == 1
