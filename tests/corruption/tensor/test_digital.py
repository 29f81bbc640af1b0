import numpy as np
import pytest
import torch

from mmrobustprune.corruption.functions import constants, loops
from mmrobustprune.corruption.functions import digital as arrays
from mmrobustprune.corruption.tensor import digital
from mmrobustprune.corruption.tensor.base import to_arrays, to_images


@pytest.mark.parametrize('size', [(32, 39), (50, 53), (101, 64), (71, 150)])
def test_coarse_pixels_are_those_of_pillow_bit_for_bit(size):
    image = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), dtype=np.uint8)
    for c in constants.IMAGENET['pixelate']:
        found = digital.pixelate(to_images(image[None], 'cpu'), c, None)
        assert np.array_equal(to_arrays(found)[0], arrays.pixelate(image, c, None))


def test_places_outside_are_mirrored_as_on_arrays():
    numbers = np.random.default_rng(3)
    image = numbers.random((20, 31, 3), np.float32)
    rows = numbers.uniform(-90, 90, (20, 31))
    columns = numbers.uniform(-90, 90, (20, 31))
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    found = digital.warped(tensor, torch.from_numpy(rows)[None], torch.from_numpy(columns)[None])
    assert (
        np.abs(found[0].permute(1, 2, 0).numpy() - loops.warped(image, rows, columns)).max() < 1e-6
    )


def test_contrast_of_nothing_is_the_mean_of_each_channel():
    images = torch.tensor([0.0, 200.0], dtype=torch.float64).repeat(1, 3, 32, 16)
    images[:, 1] = 40
    out = digital.contrast(images, 0.0, None)
    assert torch.allclose(out[0, :, 0, 0], torch.tensor([100.0, 40, 100], dtype=torch.float64))
