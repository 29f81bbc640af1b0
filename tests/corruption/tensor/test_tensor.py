"""Tensor functions make the images of the functions on arrays, to a grey level in 99.9 %."""

import numpy as np
import pytest
import torch

from mmrobustprune.corruption import ALL
from mmrobustprune.corruption.functions import FUNCTIONS, Draws, constants
from mmrobustprune.corruption.tensor import FUNCTIONS as TENSOR
from mmrobustprune.corruption.tensor import BatchDraws, lines
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


@pytest.fixture
def pretended():
    """Tensors that know their shape and device alone, so that a GPU may be missing."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # takes seconds

    yield FakeTensorMode(allow_non_fake_inputs=True)
    lines.blurring.cache_clear()


@pytest.mark.slow(seconds=15)
def test_all_is_computed_where_the_images_are(pretended):
    """But for what asks for values: photons, files of JPEG, and who has found a colour in glass."""
    for name in set(ALL) - {'shot_noise', 'jpeg_compression', 'glass_blur'}:
        for c in constants.IMAGENET[name][::4]:
            with pretended:
                images = torch.empty(2, 3, 40, 53, dtype=torch.float64, device='cuda')
                out = TENSOR[name](images, c, BatchDraws([Draws(1), Draws(2)], 'cuda'))
            assert out.device.type == 'cuda' and out.shape == images.shape, name
