"""Tensor functions make the images of the functions on arrays, to a grey level in 99.9 %."""

import numpy as np
import pytest
import torch

from mmrobustprune.corruption import ALL
from mmrobustprune.corruption.functions import FUNCTIONS, Draws, constants
from mmrobustprune.corruption.tensor import FUNCTIONS as TENSOR
from mmrobustprune.corruption.tensor import BatchDraws
from mmrobustprune.corruption.tensor.base import to_arrays, to_images
from tests.corruption.tensor.photographs import photographs

SIZES = ((48, 64), (51, 75), (32, 33))  # even, odd, the smallest


def test_all_19_are_there():
    assert tuple(TENSOR) == tuple(FUNCTIONS) and set(TENSOR) == set(ALL)


ON_GPU = pytest.param(
    'cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
)


@pytest.mark.parametrize('device', ['cpu', ON_GPU])
@pytest.mark.parametrize('name', ALL)
def test_a_batch_is_what_the_functions_on_arrays_make_of_each_image(name, device):
    for size in SIZES:
        images = photographs(*size)
        for severity, c in enumerate(constants.IMAGENET[name], 1):
            words = [np.arange(severity + n, severity + n + 8, dtype=np.uint32) for n in range(3)]
            expected = np.stack(
                [
                    np.uint8(FUNCTIONS[name](image.copy(), c, Draws(one)))
                    for image, one in zip(images, words, strict=True)
                ]
            )
            draws = BatchDraws([Draws(one) for one in words], device)
            found = to_arrays(TENSOR[name](to_images(images, device), c, draws))
            away = np.abs(np.int16(found) - np.int16(expected))
            assert (away <= 1).mean() >= 0.999, (size, severity)
            assert (away == 0).mean() >= 0.998, (size, severity)
            assert not np.array_equal(found, images)
