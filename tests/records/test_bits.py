"""Masks at one bit per entry."""

import pytest
import torch

from mmrobustprune.records.bits import pack_bits, unpack_bits


def test_eight_entries_are_a_byte():
    mask = torch.tensor([[1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]]).bool()
    bits = pack_bits(mask)
    assert bits.tolist() == [0b10000001, 0b10000000] and bits.dtype == torch.uint8
    assert torch.equal(unpack_bits(bits, [2, 6]), mask)


@pytest.mark.parametrize('shape', [(), (0,), (9,), (3, 5, 1, 7)])
def test_any_shape_comes_back(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    found = unpack_bits(pack_bits(mask), mask.shape)
    assert found.dtype == torch.bool and torch.equal(found, mask)
