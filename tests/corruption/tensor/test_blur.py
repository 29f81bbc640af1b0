import numpy as np
import pytest
import torch

from mmrobustprune.corruption.functions import loops
from mmrobustprune.corruption.tensor import BatchDraws, blur
from mmrobustprune.corruption.tensor.base import to_arrays, to_images


@pytest.mark.parametrize('reach', [1, 4])
def test_pixels_are_scattered_as_one_after_the_other(reach):
    numbers = np.random.default_rng(reach)
    images = numbers.integers(0, 256, (2, 40, 33, 3), dtype=np.uint8)
    shape = (2, 1, 40 - 2 * reach, 33 - 2 * reach, 2)
    steps = numbers.integers(-reach, reach, shape, dtype=np.int8)
    expected = images.copy()
    for image, one in zip(expected, steps, strict=True):
        loops.scatter(image, one)
    found = blur.scattered(to_images(images, 'cpu'), torch.from_numpy(steps[:, 0]).long())
    assert np.array_equal(to_arrays(found), expected)


def test_a_colour_is_handed_on_along_a_whole_line():
    """Each takes the colour of its right neighbour, who came before it and has got it already."""
    line = torch.zeros(1, 1, 6, 9, dtype=torch.float64)
    line[..., -1] = 7
    steps = torch.zeros(1, 2, 5, 2, dtype=torch.long)
    steps[..., 0] = 1
    assert blur.scattered(line, steps)[0, 0, 4].tolist() == [0, 0, 0, 7, 7, 7, 7, 7, 7]


def test_a_point_becomes_the_disk():
    point = torch.zeros(1, 3, 41, 41, dtype=torch.float64)
    point[..., 20, 20] = 255
    out = blur.defocus_blur(point, (3, 0.1), BatchDraws([], 'cpu'))
    rows, columns = torch.nonzero(out[0, 0] > 1e-6, as_tuple=True)
    assert ((rows - 20) ** 2 + (columns - 20) ** 2).max() == 9 and len(rows) == 29
    assert out[0, 0].sum() == pytest.approx(255, rel=1e-6)
