"""ImageNet-C as its authors made it: what is cut out, its own forms and constants, JPEG."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from mmrobustprune.corruption import ALL
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.functions import (
    FUNCTIONS,
    Draws,
    cifar,
    constants,
    imagenet_c,
    weather,
)
from mmrobustprune.corruption.functions.kernels import zoomed_size


def photograph(height, width):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize('shape', [(375, 500), (500, 333), (224, 224), (90, 301), (1000, 257)])
def test_the_middle_is_cut_out_as_by_the_authors(shape):
    image = photograph(*shape)
    steps = Compose([Resize(256), CenterCrop(224)])  # of PIL images: bilinear
    assert np.array_equal(imagenet_c.cropped(image), np.asarray(steps(Image.fromarray(image))))


def test_five_forms_are_its_own_and_one_row_of_constants():
    own = {name for name in ALL if imagenet_c.FUNCTIONS[name] is not FUNCTIONS[name]}
    assert own == {'motion_blur', 'snow', 'frost', 'pixelate', 'elastic_transform'}
    rows = [name for name in ALL if constants.IMAGENET_C[name] != constants.IMAGENET[name]]
    assert rows == ['elastic_transform']
    assert constants.IMAGENET_C['elastic_transform'][4] == pytest.approx((29.28, 2.44, 4.88))
    # parts of enlarged images: the middle and the upper left are the same
    for c in constants.IMAGENET_C['zoom_blur']:
        assert all(zoomed_size(224, factor) - 224 < 2 for factor in np.arange(*c))


def test_frost_is_a_part_of_a_photograph_as_it_is():
    image = photograph(224, 224)
    draws = np.random.RandomState(np.array([3]))
    photo = weather.frost_image(draws.randint(5))
    top, left = (draws.randint(0, side - 224) for side in photo.shape[:2])
    expected = 0.6 * image + 0.75 * photo[top : top + 224, left : left + 224]
    found = imagenet_c.frost(image, (0.6, 0.75), Draws(np.array([3])))
    assert np.array_equal(found, np.uint8(expected.clip(0, 255)))


@pytest.mark.parametrize('name', ['elastic_transform', 'fog'])
def test_a_photograph_is_cut_then_corrupted_then_packed(name):
    image = photograph(300, 400)
    found = apply(image, name, 3, 5, 'imagenet-c')
    assert found.shape == (224, 224, 3) and found.flags.writeable
    small = imagenet_c.cropped(image)
    # of the part alone, so the same random numbers: a square of 224 pixels is resized first
    draws = Draws(_words(small, name))
    plain = imagenet_c.FUNCTIONS[name](small, constants.IMAGENET_C[name][2], draws)
    file = BytesIO()
    Image.fromarray(np.uint8(plain)).save(file, 'JPEG', quality=85, optimize=True)
    assert np.array_equal(found, np.asarray(Image.open(file)))
    grey = apply(image[..., 0], name, 3, 5, 'imagenet-c')
    assert grey.shape == (224, 224) and grey.std() > 0
    form = cifar.FUNCTIONS if name == 'elastic_transform' else FUNCTIONS
    assert imagenet_c.FUNCTIONS[name] is form[name]


def _words(image, name):
    from mmrobustprune.corruption.apply import entropy

    return entropy(image, name, 3, 5)
