"""Tensors as one vector, and losses that can be differentiated twice."""

import pytest
import torch

from mmrobustprune.analysis.vectors import check, evaluate, flat, pieces, put_back


def test_a_vector_and_its_pieces():
    tensors = [torch.arange(6.0).view(2, 3), torch.tensor(9.0)]
    vector = flat(tensors)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 9]
    vector[0] = 7  # a copy
    assert tensors[0][0, 0] == 0
    first, second = pieces(vector, tensors)
    assert first.tolist() == [[7, 1, 2], [3, 4, 5]] and second.shape == ()


def test_tensors_are_put_back_bit_for_bit_after_an_error():
    tensor = torch.randn(5)
    before = tensor.clone()
    place = tensor.data_ptr()
    with pytest.raises(KeyError), put_back([tensor]):
        tensor.add_(0.1)
        raise KeyError
    assert torch.equal(tensor, before) and tensor.data_ptr() == place


@pytest.mark.parametrize(
    'value, words',
    [
        (torch.tensor(float('nan')), 'the loss is nan and sharpness needs one finite number'),
        (torch.ones(2), r'the loss is a tensor \(2,\)'),
    ],
)
def test_losses_that_are_no_finite_number(value, words):
    with pytest.raises(ValueError, match=words):
        evaluate(lambda: value)
    assert evaluate(lambda: torch.ones(1, 1)).shape == ()


def test_attention_has_a_second_derivative():
    q = torch.randn(1, 2, 3, 4, requires_grad=True)
    attend = torch.nn.functional.scaled_dot_product_attention
    loss = evaluate(lambda: attend(q, q, q).square().sum())
    (first,) = torch.autograd.grad(loss, q, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), q)
    assert second.abs().max() > 0


@pytest.mark.parametrize(
    'params, words',
    [
        ([], 'no tensors were given'),
        ([torch.ones(2)], r'tensor 0 \(2,\) takes no gradient'),
        ([torch.ones(2, requires_grad=True) * 1], 'takes no gradient'),
    ],
)
def test_what_cannot_move_is_refused(params, words):
    with pytest.raises(ValueError, match=words):
        check(params)
