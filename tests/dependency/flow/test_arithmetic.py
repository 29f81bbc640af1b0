"""How channels pass through single operations."""

import pytest
import torch

from mmrobustprune.dependency.flow.arithmetic import enter
from mmrobustprune.dependency.flow.layout import Unknown, guessed
from mmrobustprune.dependency.recording import Call


class Odd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, grad):
        return grad


def passed(function, *inputs, width=4, position=0):
    """The passage of the channels of an input through the last operation of a function."""
    live = [x.requires_grad_() * 1 for x in inputs]
    result = function(*live)
    call = Call(tuple((x.shape, True) for x in live), result.shape)
    layout = guessed(inputs[position].shape, width)
    return enter(result.grad_fn, call, position, width, layout)


def mapped(passage):
    return list(zip(passage.source.tolist(), passage.target.tolist(), strict=True))


IMAGE = torch.zeros(2, 4, 3, 3)


@pytest.mark.parametrize('function', [torch.relu, lambda x: x + 1, lambda x: x.mean((2, 3))])
def test_operations_of_each_channel_alone_keep_them_apart(function):
    passage = passed(function, IMAGE)
    assert passage.width == 4 and mapped(passage) == [(i, i) for i in range(4)]


def test_concatenation_shifts_the_second_input():
    passage = passed(
        lambda a, b: torch.cat([a, b], 1), IMAGE, torch.zeros(2, 3, 3, 3), width=3, position=1
    )
    assert passage.width == 7 and mapped(passage) == [(0, 4), (1, 5), (2, 6)]


def test_flattening_makes_several_columns_of_a_channel():
    passage = passed(lambda x: x.view(2, 36), IMAGE)
    assert passage.width == 36
    assert mapped(passage)[8:10] == [(0, 8), (1, 9)]
    back = passed(lambda x: x.view(2, 4, 3, 3), torch.zeros(2, 36), width=36)
    assert back.width == 4 and mapped(back)[8:10] == [(8, 0), (9, 1)]


def test_a_view_may_drop_the_axis_of_one_channel():
    passage = passed(lambda x: x.view(2), torch.zeros(2, 1), width=1)
    assert mapped(passage) == [(0, 0)] and passage.layout is None


def test_a_sum_over_the_channels_ends_them():
    assert passed(lambda x: x.sum(1), IMAGE) is None


@pytest.mark.parametrize(
    'function, why',
    [
        (lambda x: x.mean(1), 'works across its channels'),
        (lambda x: x.softmax(1), 'works across its channels'),
        (lambda x: x[:, ::2], 'picks channels at fixed places'),
        (lambda x: x[:, 0], 'picks channels at fixed places'),
        (lambda x: x[:, [2, 0]], 'picks channels at fixed places'),
        (lambda x: torch.layer_norm(x, (4, 3, 3)), 'normalises over its channels'),
        (lambda x: x.split(3, 1)[0], 'parts that are not equal'),
        (Odd.apply, "the function 'Odd' is not known"),
    ],
)
def test_what_mixes_channels_says_how(function, why):
    with pytest.raises(Unknown, match=why):
        passed(function, IMAGE)


def test_a_constant_with_a_value_per_channel_would_not_shrink():
    x = IMAGE.clone().requires_grad_() * 1
    result = x * torch.ones(1, 4, 1, 1)
    call = Call(((x.shape, True), (torch.Size((1, 4, 1, 1)), False)), result.shape)
    with pytest.raises(Unknown, match='a constant that has a value per channel'):
        enter(result.grad_fn, call, 0, 4, guessed(x.shape, 4))
