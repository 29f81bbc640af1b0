import numpy as np

from mmrobustprune.corruption.functions.base import Draws, in_unit, scaled, truncated


def test_draws_are_numpys_legacy_stream():
    words = np.array([7, 8, 9], dtype=np.uint32)
    draws = Draws(words)
    expected = np.random.RandomState(words)
    assert draws.uniform(-45, 45) == expected.uniform(-45, 45)
    assert np.array_equal(draws.normal(0.1, 0.3, (5, 3)), expected.normal(0.1, 0.3, (5, 3)))
    assert [draws.randint(6), draws.randint(3, 900)] == [
        expected.randint(6),
        expected.randint(3, 900),
    ]
    assert np.array_equal(draws.random((4, 2)), expected.random_sample((4, 2)))
    first = np.random.RandomState(7)
    assert np.array_equal(draws.first.steps(3, (9, 2)), first.randint(-3, 3, (9, 2)))


def test_levels_become_fractions_and_fractions_levels_in_the_precision_that_was_asked_for():
    levels = np.arange(256, dtype=np.uint8)[None]
    for dtype in (np.float32, np.float64):
        assert np.array_equal(in_unit(levels, dtype), levels.astype(dtype) / dtype(255))
    unit = np.array([[-0.5, 0.0, 0.2, 1.0, 3.0]])
    assert scaled(unit).tolist() == [[0, 0, 51, 255, 255]] and scaled(unit).dtype == np.uint8
    # in single precision 0.9 * 255 is 229.5 exactly
    assert scaled(np.float32([0.9]))[0] == np.uint8(np.float32(0.9) * np.float32(255))
    assert truncated(np.array([-3.0, 7.9, 300.0])).tolist() == [0, 7, 255]
