import numpy as np
import pytest
import torch

from mmrobustprune.corruption.functions import kernels
from mmrobustprune.corruption.tensor import lines

IMAGE = np.random.default_rng(0).random((37, 52, 3))
TENSOR = torch.from_numpy(IMAGE.copy()).permute(2, 0, 1)[None]


def array(images):
    return images[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize('mode', ['edge', 'symmetric'])
@pytest.mark.parametrize('sigma', [0.7, 6, (0.4, 30)])  # the last reaches over the whole image
def test_blur_is_the_one_on_arrays(mode, sigma):
    found = lines.gaussian(TENSOR, sigma, mode, 3)
    assert np.abs(array(found) - kernels.gaussian(IMAGE, sigma, mode, 3)).max() < 1e-12


@pytest.mark.parametrize('factor', [1, 1.01, 1.26, 4.5])
def test_the_enlarged_middle_is_the_one_on_arrays(factor):
    expected = np.zeros_like(IMAGE)
    kernels.add_zoomed(IMAGE, factor, expected)
    found = lines.enlarged(TENSOR, factor, IMAGE.shape[:2])
    assert np.abs(array(found) - expected).max() < 1e-12


def test_every_image_moves_along_its_own_line():
    weights = np.array([0.5, 0.3, 0.2])
    found = lines.moved(TENSOR.repeat(2, 1, 1, 1), weights, [0.0, 60.0])
    for n, angle in enumerate((0.0, 60.0)):
        assert np.abs(array(found[n : n + 1]) - kernels.moved(IMAGE, weights, angle)).max() < 1e-12
    row = torch.tensor([[[[1.0, 2.0, 4.0, 8.0]]]], dtype=torch.float64)
    assert lines.moved(row, np.array([0.5, 0.5]), [0.0]).flatten().tolist() == [1.5, 3, 6, 8]


def test_a_motion_that_leaves_the_image_ends_there():
    weights = np.full(60, 1 / 60)
    found = lines.moved(TENSOR, weights, [-90.0])
    assert np.abs(array(found) - kernels.moved(IMAGE, weights, -90.0)).max() < 1e-12
    assert array(found).mean() < 0.7 * IMAGE.mean()
