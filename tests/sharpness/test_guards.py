"""Weights come back."""

import torch

from mmrobustprune.sharpness.guards import moved


def test_weights_come_back_bit_by_bit_in_their_own_storage():
    weights = [torch.randn(50), torch.randn(3, 4).t()]
    before, places = [w.clone() for w in weights], [w.data_ptr() for w in weights]
    offsets = [torch.randn(50) * 1e-3, torch.randn(4, 3)]
    expected = [w + e for w, e in zip(weights, offsets, strict=True)]
    with moved(weights, offsets):
        assert all(torch.equal(w, e) for w, e in zip(weights, expected, strict=True))
        assert offsets == []
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
    assert [w.data_ptr() for w in weights] == places


def test_nothing_to_move():
    with moved([], []):
        pass
