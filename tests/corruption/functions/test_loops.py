"""The loops over pixels are those of scipy and skimage, bit for bit."""

import numpy as np
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv

from mmrobustprune.corruption.functions import loops


def test_warp_is_scipys_far_outside_too():
    image = np.random.default_rng(3).random((13, 17, 3)).astype(np.float32)
    places = np.random.default_rng(4).uniform(-60, 60, (2, 13, 17))
    places[:, 0, :8] = [-1, -1e-16, 0, 12, 12.5, 13, 26, -13]
    found = loops.warped(image, places[0], places[1])
    for channel in range(3):
        assert np.array_equal(
            found[..., channel],
            ndimage.map_coordinates(image[..., channel], places, order=1, mode='reflect'),
        )


def test_recoloured_is_skimages_for_every_sixteenth_colour_and_all_near_grey():
    levels = np.unique([*range(0, 256, 16), 1, 2, 127, 128, 254, 255])
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3).astype(np.uint8)
    for scale, offset, lift in ((1.0, 0.0, 0.3), (20.0, 0.2, 0.0), (0.1, 0.0, 0.0)):
        hsv = rgb2hsv(colours / 255.0)
        hsv[..., 1] = np.clip(hsv[..., 1] * scale + offset, 0, 1)
        hsv[..., 2] = np.clip(hsv[..., 2] + lift, 0, 1)
        assert np.array_equal(
            loops.recoloured(colours, scale, offset, lift),
            np.uint8(np.clip(hsv2rgb(hsv), 0, 1) * 255),
        )


def test_scattered_pixels_come_from_where_their_step_says_and_the_rim_stays():
    image = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
    before = image.copy()
    steps = np.zeros((1, 4, 3, 2), np.int8)
    steps[0, 0, 0] = (-1, 0)  # the lower right one takes the colour of its left neighbour
    steps[0, 3, 2] = (0, -1)  # the upper left one that of the pixel above, at the rim
    loops.scatter(image, steps)
    expected = before.copy()
    expected[5, 4] = before[5, 3]
    expected[2, 2] = before[1, 2]
    assert np.array_equal(image, expected)
