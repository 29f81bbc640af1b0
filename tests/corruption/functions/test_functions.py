"""With ImageNet's constants ours are the functions of `imagecorruptions`, bit for bit."""

import warnings

import cv2
import imagecorruptions
import numpy as np
import pytest
from PIL import Image

from mmrobustprune.corruption import ALL
from mmrobustprune.corruption.functions import FUNCTIONS, Draws, constants


def sample(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2) if seed % 2 else noise


def published(image, name, severity, words, draws):
    """imagecorruptions' own function on the same random numbers."""
    numbers = {}
    if name == 'glass_blur':
        numbers['seed'] = int(words[0])
    if name == 'impulse_noise':  # draws from a generator of its own
        numbers['seed'], draws.random = np.random.default_rng(5), np.random.default_rng(5).random
    before = np.random.get_state()
    np.random.seed(words)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return np.uint8(
                imagecorruptions.corruption_dict[name](Image.fromarray(image), severity, **numbers)
            )
    finally:
        np.random.set_state(before)


@pytest.mark.parametrize('name', ALL)
def test_our_function_is_the_published_one_bit_for_bit(name):
    for seed, shape in enumerate([(32, 32), (47, 81), (120, 33), (150, 211), (33, 700)]):
        for severity in range(1, 6):
            image = sample(*shape, seed)
            words = np.arange(severity, severity + 8, dtype=np.uint32)
            draws = Draws(words)
            expected = published(image, name, severity, words, draws)
            found = FUNCTIONS[name](image.copy(), constants.IMAGENET[name][severity - 1], draws)
            assert np.array_equal(np.uint8(found), expected), (shape, severity)


@pytest.mark.parametrize('name', ['frost', 'fog', 'zoom_blur', 'elastic_transform', 'snow'])
def test_images_larger_than_the_photographs_of_frost_too(name):
    image = np.tile(sample(65, 95), (10, 10, 1))
    words = np.arange(8, dtype=np.uint32)
    draws = Draws(words)
    expected = published(image, name, 2, words, draws)
    assert np.array_equal(
        np.uint8(FUNCTIONS[name](image, constants.IMAGENET[name][1], draws)), expected
    )
