"""Where the channels of heads lie, and what a module becomes, on numbers written out."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.attention import (
    attend,
    attentions,
    form_of,
    join_heads,
    narrowings,
    rows,
    spelled_out,
    split_heads,
)
from mmrobustprune.dependency.packed_attention import NarrowMultiheadAttention
from mmrobustprune.structure import Structure, rebuild


class Own(nn.MultiheadAttention):
    """A subclass, which may compute anything."""


def test_rows_lie_head_after_head():
    assert rows(2, 3, 10).tolist() == [[10, 11, 12], [13, 14, 15]]


def test_heads_are_split_and_joined():
    tokens = torch.arange(12.0).view(1, 2, 6)  # 2 tokens, 3 heads of 2
    heads = split_heads(tokens, 3)
    assert heads[0].tolist() == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]
    assert torch.equal(join_heads(heads), tokens)


def test_attention_written_out():
    query = torch.tensor([[2.0, 0.0]]).double()
    key = torch.tensor([[1.0, 3.0], [0.0, 5.0]]).double()
    value = torch.tensor([[4.0], [8.0]]).double()
    bias = torch.tensor([[0.0, 1.0]])
    weights = torch.tensor([0.5 * 2, 1.0]).double().softmax(0)
    found = attend(query, key, value, 0.5, bias)
    assert torch.allclose(found, (weights @ value).unsqueeze(0))


def test_a_subclass_is_not_known():
    assert form_of(nn.MultiheadAttention(4, 2)) is NarrowMultiheadAttention
    assert form_of(Own(4, 2)) is None and form_of(nn.Linear(4, 2)) is None
    model = nn.ModuleDict(dict(a=nn.MultiheadAttention(4, 2), b=Own(4, 2)))
    assert [name for name, *_ in attentions(model)] == ['a']


def test_modules_are_as_before_whatever_happens_while_they_are_spelled_out():
    model = nn.ModuleDict(dict(a=nn.MultiheadAttention(4, 2)))
    names = [name for name, _ in model.named_modules()]
    with pytest.raises(RuntimeError), spelled_out(model):
        assert type(model['a']) is NarrowMultiheadAttention
        assert 'a.value_rows' in dict(model.named_modules())
        raise RuntimeError
    assert type(model['a']) is nn.MultiheadAttention
    assert [name for name, _ in model.named_modules()] == names


def packed(kept):
    return {'a': dict(kind='packed', shape=[12, 4], out=kept)}


def test_heads_that_are_left():
    model = nn.ModuleDict(dict(a=nn.MultiheadAttention(4, 2), b=nn.MultiheadAttention(4, 2)))
    (found,) = narrowings(model, packed([2, 3, 6, 7, 10, 11]))
    assert found.module is model['a'] and found.heads == [1]
    (found,) = narrowings(model, packed([0, 2, 4, 6, 8, 10]))
    assert found.heads == [0, 1]


@pytest.mark.parametrize('kept', [[0, 1, 2, 4, 5, 6, 8, 9, 10], [0, 1, 4, 5, 10, 11]])
def test_heads_of_different_widths_are_refused(kept):
    model = nn.ModuleDict(dict(a=nn.MultiheadAttention(4, 2)))
    with pytest.raises(ValueError, match="does not fit attention 'a'"):
        rebuild(model, Structure(packed(kept), 'test'))
    assert model['a'].in_proj_weight.shape == (12, 4)


def test_numbers_of_the_dense_networks_heads():
    attention = nn.MultiheadAttention(8, 4)
    attention.__class__ = NarrowMultiheadAttention
    given = torch.arange(4)
    assert attention.own_heads(given, 0) is given
    attention.keep([1, 2, 3])
    attention.keep([0, 2])
    assert attention.kept == (1, 3) and attention.num_heads == 2
    assert attention.own_heads(given, 0).tolist() == [1, 3]
    assert attention.own_heads(given[:2], 0).tolist() == [0, 1]  # made for its own heads
