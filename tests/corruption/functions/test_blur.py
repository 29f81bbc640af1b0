import numpy as np
import pytest

from mmrobustprune.corruption.functions import FUNCTIONS, Draws, blur, constants

# the published disks of defocus blur sum to 1.013 and less, so they brighten
BLURS = ('gaussian_blur', 'glass_blur', 'motion_blur', 'zoom_blur')


@pytest.mark.parametrize('name', BLURS)
def test_a_flat_image_stays_as_it_is(name):
    flat = np.full((48, 40, 3), (10, 100, 200), np.uint8)
    for c in constants.IMAGENET[name]:
        out = FUNCTIONS[name](flat, c, Draws(np.arange(8)))
        assert np.abs(np.float64(out) - flat).max() <= 1 + (name == 'glass_blur')


def test_motion_at_45_degrees_spreads_a_point_along_the_diagonal():
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    out = blur.moved(point, 10, 3, 45)[..., 0]
    rows, columns = np.nonzero(out > 1e-3)
    assert np.array_equal(rows, columns) and len(rows) > 5
    assert out.sum() == pytest.approx(255)
