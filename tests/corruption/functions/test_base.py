import numpy as np

from mmrobustprune.corruption.functions.base import Draws, scaled


def test_draws_are_numpys_legacy_stream_and_know_their_first_word():
    words = np.array([7, 8, 9], dtype=np.uint32)
    draws = Draws(words)
    assert draws.word == 7
    assert np.array_equal(draws.normal(size=5), np.random.RandomState(words).normal(size=5))


def test_values_are_clipped_and_scaled_in_place():
    unit = np.array([-0.5, 0.0, 0.2, 1.0, 3.0])
    out = scaled(unit)
    assert out is unit and out.tolist() == [0, 0, 51, 255, 255]
