import importlib

import cv2
import numpy as np
import pytest

from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.functions import Draws, weather


def sample(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2) if seed % 2 else noise


@pytest.mark.parametrize('side', [2, 32, 64])
def test_plasma_is_the_published_map(side):
    module = importlib.import_module('imagecorruptions.corruptions')
    np.random.seed(7)
    expected = module.plasma_fractal(side, 1.7)
    assert np.array_equal(weather.plasma(side, 1.7, Draws(np.array([7]))), expected)


def test_the_photographs_of_frost_are_read_once(monkeypatch):
    weather.frost_image.cache_clear()
    weather._grown_frost.cache_clear()
    read = cv2.imread
    files = []
    monkeypatch.setattr(cv2, 'imread', lambda path: files.append(path) or read(path))
    for seed in range(40):
        weather.frost(sample(40, 40), (1, 0.4), Draws(np.array([seed])))
    assert len(files) == len(set(files)) == 6


def test_an_image_on_which_no_drop_falls_stays_as_it_is():
    """The published spatter divides by the largest drop, and 0/0 comes out as a black image."""
    image = sample(40, 48)
    none = (0, 0, 1, 0.69, 0.6, 0)  # drops of height 0
    assert np.array_equal(weather.spatter(image, none, Draws(np.arange(8))), image)
    assert apply(np.full((32, 32, 3), 200, np.uint8), 'spatter', 1, 3).mean() > 150


def test_water_is_rgb():
    """Water is pale turquoise (175, 238, 238): on black there is more blue than red."""
    drops = apply(np.zeros((64, 64, 3), np.uint8), 'spatter', 2, 1).reshape(-1, 3).sum(0)
    assert drops[2] > drops[0] > 0
