"""Our functions with ImageNet's constants are those of `imagecorruptions`, bit for bit, and the loops those of scipy and skimage."""

import importlib
import inspect
import re
import warnings

import cv2
import imagecorruptions
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian

from mmrobustprune.corruption import ALL, constants, functions, kernels
from mmrobustprune.corruption.functions import Draws


def picture(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2) if seed % 2 else noise


def published(image, name, severity, words, draws):
    """imagecorruptions' own function on the same random numbers."""
    numbers = {}
    if name == 'glass_blur':
        numbers['seed'] = draws.word
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
            image, words = picture(*shape, seed), np.arange(severity, severity + 8, dtype=np.uint32)
            draws = Draws(words)
            expected = published(image, name, severity, words, draws)
            found = functions.FUNCTIONS[name](
                image.copy(), constants.IMAGENET[name][severity - 1], draws
            )
            assert np.array_equal(np.uint8(found), expected), (shape, severity)


@pytest.mark.parametrize('name', ['frost', 'fog', 'zoom_blur', 'elastic_transform', 'snow'])
def test_images_larger_than_the_pictures_of_frost_too(name):
    image, words = np.tile(picture(65, 95), (10, 10, 1)), np.arange(8, dtype=np.uint32)
    draws = Draws(words)
    expected = published(image, name, 2, words, draws)
    assert np.array_equal(
        np.uint8(functions.FUNCTIONS[name](image, constants.IMAGENET[name][1], draws)), expected
    )


@pytest.mark.parametrize('family', [constants.IMAGENET, constants.CIFAR])
def test_five_constants_for_each_of_nineteen(family):
    assert set(family) == set(functions.FUNCTIONS) == set(ALL)
    assert all(len(five) == 5 for five in family.values())
    widths = {name: {np.size(one) for one in five} for name, five in family.items()}
    assert all(len(width) == 1 for width in widths.values())


def test_imagenets_constants_are_those_in_the_source_of_imagecorruptions():
    """Every number of ours stands in its function's list, in this order (zoom and elastic are expressions there)."""
    module = importlib.import_module('imagecorruptions.corruptions')
    for name in ALL:
        if name in ('zoom_blur', 'elastic_transform', 'glass_blur'):  # covered by the bits
            continue
        listed = re.search(
            r'c = (\[.*?\])\[\s*severity', inspect.getsource(getattr(module, name)), re.S
        )[1]
        assert tuple(eval(listed)) == constants.IMAGENET[name], name  # noqa: S307  the library's own text


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


def test_warp_is_scipys_far_outside_too():
    image = np.random.default_rng(3).random((13, 17, 3)).astype(np.float32)
    places = np.random.default_rng(4).uniform(-60, 60, (2, 13, 17))
    places[:, 0, :8] = [-1, -1e-16, 0, 12, 12.5, 13, 26, -13]
    found = kernels.warped(image, places[0], places[1])
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
            kernels.recoloured(colours, scale, offset, lift), np.clip(hsv2rgb(hsv), 0, 1) * 255
        )


@pytest.mark.parametrize('side', [2, 32, 64])
def test_plasma_is_the_published_map(side):
    module = importlib.import_module('imagecorruptions.corruptions')
    np.random.seed(7)
    expected = module.plasma_fractal(side, 1.7)
    assert np.array_equal(functions.plasma(side, 1.7, Draws(np.array([7]))), expected)


def test_the_pictures_of_frost_are_read_once(monkeypatch):
    functions.frost_picture.cache_clear()
    functions._grown_frost.cache_clear()
    read, files = cv2.imread, []
    monkeypatch.setattr(cv2, 'imread', lambda path: files.append(path) or read(path))
    for seed in range(40):
        functions.frost(picture(40, 40), (1, 0.4), Draws(np.array([seed])))
    assert len(files) == len(set(files)) == 6
