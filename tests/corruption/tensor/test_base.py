import numpy as np
import torch

from mmrobustprune.corruption.functions import Draws
from mmrobustprune.corruption.tensor.base import (
    BatchDraws,
    in_unit,
    scaled,
    size_of,
    to_arrays,
    to_images,
)


def test_every_image_has_the_numbers_of_its_own_generator():
    draws = BatchDraws([Draws(3), Draws(5)], 'cpu')
    found = draws.pixels(lambda one: one.normal(0, 2, (4, 6, 3)))
    expected = [np.random.RandomState(seed).normal(0, 2, (4, 6, 3)) for seed in (3, 5)]
    assert found.shape == (2, 3, 4, 6)
    assert np.array_equal(found.permute(0, 2, 3, 1), np.stack(expected))
    again = draws.take(lambda one: one.random((2,)))  # goes on where the first draw ended
    assert not torch.equal(again[0], found[0, :2, 0, 0])


def test_levels_go_to_fractions_and_back_and_are_truncated():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 8, 32, 1).repeat(3, axis=3)
    images = to_images(levels, 'cpu')
    assert images.dtype == torch.float64 and size_of(images) == (8, 32, 3)
    assert np.array_equal(to_arrays(images), levels)
    assert np.array_equal(to_arrays(images + 0.99), levels)
    assert in_unit(images).max() == 1 and in_unit(images, torch.float32).dtype == torch.float32
    assert scaled(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [0, 127.5, 255]
