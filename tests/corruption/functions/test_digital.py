from io import BytesIO

import numpy as np
from PIL import Image

from mmrobustprune.corruption.functions import Draws, digital

RAMP = np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[None, :, None], 32, 0).repeat(3, 2)


def test_contrast_moves_values_towards_the_mean():
    out = digital.contrast(RAMP, 0.5, Draws(np.arange(8)))
    mean = RAMP.mean()
    assert np.abs(np.float64(out) - (0.5 * (RAMP - mean) + mean)).max() <= 1


def test_pixels_are_means_of_a_block_enlarged():
    out = digital.pixelate(RAMP, 0.25, Draws(np.arange(8)))
    expected = RAMP.reshape(8, 4, 8, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1)
    assert np.abs(out - expected).max() <= 0.5


def test_jpeg_is_pillows_of_that_quality():
    file = BytesIO()
    Image.fromarray(RAMP).save(file, 'JPEG', quality=10)
    out = digital.jpeg_compression(RAMP, 10, Draws(np.arange(8)))
    assert np.array_equal(out, np.asarray(Image.open(file)))


def test_an_elastic_grid_that_is_not_moved_changes_nothing():
    still = np.zeros(RAMP.shape[:2])
    out = digital.elastic(RAMP.astype(np.float32) / 255, still, still)
    assert np.abs(np.float64(out) - RAMP).max() <= 1
    out = digital.elastic(RAMP.astype(np.float32) / 255, still + 1, still)  # one column further
    assert np.abs(np.float64(out[:, :-1]) - RAMP[:, 1:]).max() <= 1
