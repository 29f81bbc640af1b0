"""Where channels go when axes change places or pieces are taken, written out."""

import pytest
import torch

from mmrobustprune.dependency.flow.arithmetic import enter
from mmrobustprune.dependency.flow.layout import Layout, Unknown
from mmrobustprune.dependency.flow.moves import plain, signed
from mmrobustprune.dependency.recording import Call

IMAGE = torch.zeros(2, 6, 3, 3)
PAIRS = torch.zeros(2, 2, 3, 5)  # channels on axes 1 and 2, of which the second shrinks


def moved(function, x=IMAGE, layout=None, output=0):
    x = x.clone().requires_grad_() * 1
    result = function(x)
    result = result[output] if isinstance(result, tuple) else result
    layout = layout or Layout.along(x.shape, 1)
    call = Call(((x.shape, True),), result.shape)
    return enter(result.grad_fn, call, 0, layout.width, layout, output)


def pairs(function, output=0):
    return moved(function, PAIRS, Layout(tuple(PAIRS.shape), (1, 2), 2), output)


def test_numbers_that_autograd_keeps():
    assert (plain(2**64 - 1), plain(None), plain(3)) == (-1, None, 3)
    assert (signed(2**64 - 1, 4), signed(1, 4)) == (3, 1)


def test_axes_that_change_places_take_their_channels_along():
    passage = moved(lambda x: x.permute(0, 2, 3, 1))
    assert passage.layout == Layout((2, 3, 3, 6), (3,), 3)
    assert passage.source.tolist() == list(range(6))
    turned = pairs(lambda x: x.transpose(1, 2))
    assert turned.layout == Layout((2, 3, 2, 5), (1, 2), 1)
    assert turned.source.tolist() == [0, 3, 1, 4, 2, 5]


def test_a_stack_adds_an_axis():
    assert moved(lambda x: torch.stack([x, x], 1)).layout.axes == (2,)
    assert moved(lambda x: torch.stack([x, x], 4)).layout.axes == (1,)


def test_shuffled_channels_go_with_their_neighbours():
    passage = moved(lambda x: torch.channel_shuffle(x, 2))
    assert passage.source.tolist() == [0, 3, 1, 4, 2, 5]
    assert passage.together.tolist() == [0, 0, 1, 1, 2, 2]


def test_pieces_of_equal_width_stay_equal():
    passage = moved(lambda x: x.chunk(3, 1), output=1)
    assert passage.source.tolist() == [2, 3]
    assert passage.parts.tolist() == [0, 0, 1, 1, 2, 2]
    (count,) = passage.counts
    assert (count.value, count.channels.tolist(), count.sizes) == (2, [2, 3], (2, 2, 2))


def test_pieces_of_other_widths_are_free():
    passage = moved(lambda x: x.split([1, 5], 1), output=1)
    assert passage.source.tolist() == [1, 2, 3, 4, 5] and passage.parts is None
    assert [(c.value, c.sizes, c.place) for c in passage.counts] == [(5, (1, 5), 1)]


def test_a_slice_stays_in_proportion():
    passage = moved(lambda x: x[:, 2:])
    assert passage.source.tolist() == [2, 3, 4, 5]
    assert passage.parts.tolist() == [0, 0, 1, 1, 2, 2]
    assert [(c.value, c.channels.tolist()) for c in passage.counts] == [(2, [0, 1])]
    assert moved(lambda x: x[:, -4:]).source.tolist() == [2, 3, 4, 5]


def test_pieces_of_other_axes_change_nothing():
    for function in (lambda x: x[:, :, 1:], lambda x: x.split(1, 2), lambda x: x[:, :, [0, 1]]):
        passage = moved(function)
        assert passage.source.tolist() == list(range(6))
        assert passage.parts is None and not passage.counts


def test_one_row_of_channels_that_go_together():
    passage = pairs(lambda x: x[:, 1])
    assert passage.source.tolist() == [3, 4, 5]
    assert passage.layout == Layout((2, 3, 5), (1,), 1)
    assert pairs(lambda x: x.unbind(1), output=1).source.tolist() == [3, 4, 5]
    assert moved(lambda x: x[:, :, 0]).layout == Layout((2, 6, 3), (1,), 1)
    with pytest.raises(Unknown, match='at fixed places'):
        pairs(lambda x: x[:, :, 0])
