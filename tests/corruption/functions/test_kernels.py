"""The sums are those of scipy and skimage, bit for bit."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import gaussian

from mmrobustprune.corruption.functions import kernels


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('sigma', [0.05, 0.4, 1, 2.3, (6.4, 4.8), (0, 3)])
@pytest.mark.parametrize('ours, theirs', [('edge', 'nearest'), ('symmetric', 'reflect')])
def test_gaussian_is_skimages(ours, theirs, sigma, dtype):
    for shape in ((7, 90), (64, 33), (1, 5)):
        image = np.random.default_rng(0).random(shape).astype(dtype)
        expected = gaussian(image, sigma, mode=theirs, truncate=3)
        found = kernels.gaussian(image, sigma, ours, 3)
        assert found.dtype == dtype and np.array_equal(found, expected)
    colour = np.random.default_rng(1).random((20, 31, 3)).astype(dtype)
    assert np.array_equal(kernels.gaussian(colour, sigma), gaussian(colour, sigma, channel_axis=-1))


@pytest.mark.parametrize('factor', [1, 1.01, 1.07, 1.25, 2, 3, 4.5])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_zoom_is_scipys(factor, dtype):
    for shape in ((32, 45, 3), (51, 33, 1)):
        image = np.random.default_rng(2).random(shape).astype(dtype)
        middle = [int(np.ceil(side / factor)) for side in shape[:2]]
        top = [(side - part) // 2 for side, part in zip(shape, middle, strict=False)]
        part = image[top[0] : top[0] + middle[0], top[1] : top[1] + middle[1]]
        expected = ndimage.zoom(part, (factor, factor, 1), order=1)
        out = np.zeros(
            (*(kernels.zoomed_size(side, factor) for side in shape[:2]), shape[2]), dtype
        )
        kernels.add_zoomed(image, factor, out)
        assert np.array_equal(out, expected)


def test_motion_is_a_weighted_sum_of_copies_that_repeat_the_border():
    line = np.array([[0.0, 10, 20, 40]])
    weights = np.array([0.5, 0.3, 0.2])
    found = kernels.moved(np.repeat(line, 9, 0), weights, 90)  # downwards: all rows are equal
    assert np.allclose(found, line)
    found = kernels.moved(line, weights, 0)[0]
    assert np.allclose(
        found, [0.5 * 0 + 0.3 * 10 + 0.2 * 20, 0.5 * 10 + 0.3 * 20 + 0.2 * 40, 30, 40]
    ), found
