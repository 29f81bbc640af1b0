"""CIFAR-10-C: published constants, and its five own forms against sums written out here."""

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.filters import gaussian

from mmrobustprune.corruption import ALL, SEVERITIES
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.functions import FUNCTIONS, Draws, blur, cifar, constants, weather
from mmrobustprune.corruption.functions.kernels import zoomed_size

OWN = ('motion_blur', 'snow', 'frost', 'pixelate', 'elastic_transform')


def sample(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


def both(name, severity, seed=3):
    """Our result, its constants, the image, and the same random numbers again."""
    image, c = sample(seed), constants.CIFAR[name][severity - 1]
    return (
        cifar.FUNCTIONS[name](image, c, Draws(np.array([seed]))),
        c,
        image,
        np.random.RandomState(np.array([seed])),
    )


def test_five_forms_are_its_own_and_fourteen_are_shared():
    assert {name for name in ALL if cifar.FUNCTIONS[name] is not FUNCTIONS[name]} == set(OWN)


@pytest.mark.parametrize(
    'name, severity, published',
    [
        ('gaussian_noise', 5, 0.10),
        ('shot_noise', 1, 500),
        ('impulse_noise', 5, 0.07),
        ('speckle_noise', 3, 0.12),
        ('gaussian_blur', 1, 0.4),
        ('glass_blur', 5, (0.4, 1, 2)),
        ('defocus_blur', 5, (1.5, 0.1)),
        ('motion_blur', 5, (9, 2.5)),
        ('zoom_blur', 5, (1, 1.26, 0.01)),
        ('fog', 5, (1.5, 1.75)),
        ('frost', 5, (0.75, 0.45)),
        ('snow', 5, (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
        ('spatter', 5, (0.65, 0.1, 0.5, 0.68, 0.6, 1)),
        ('contrast', 5, 0.15),
        ('brightness', 5, 0.3),
        ('saturate', 5, (2.5, 0.2)),
        ('jpeg_compression', 5, 40),
        ('pixelate', 5, 0.65),
        ('elastic_transform', 5, (3.2, 0.96, 0.96)),
    ],
)
def test_published_constants(name, severity, published):
    assert constants.CIFAR[name][severity - 1] == pytest.approx(published)


def test_only_desaturation_has_imagenets_constants():
    same = {
        name
        for name in ALL
        for ours, theirs in zip(constants.CIFAR[name], constants.IMAGENET[name], strict=True)
        if ours == theirs
    }
    assert same == {'saturate'}


@pytest.mark.parametrize('severity', SEVERITIES)
def test_gaussian_noise_written_out(severity):
    out, c, image, draws = both('gaussian_noise', severity)
    assert np.array_equal(
        out, np.uint8(np.clip(image / 255.0 + draws.normal(size=image.shape, scale=c), 0, 1) * 255)
    )


@pytest.mark.parametrize('severity', SEVERITIES)
def test_pixels_are_enlarged_by_averaging(severity):
    out, c, image, _ = both('pixelate', severity)
    small = Image.fromarray(image).resize((int(32 * c),) * 2, Image.Resampling.BOX)
    assert np.array_equal(out, small.resize((32, 32), Image.Resampling.BOX))


@pytest.mark.parametrize('seed', range(6))
def test_frost_is_a_part_of_a_photographshrunk_to_a_fifth(seed):
    out, c, image, draws = both('frost', 3, seed)
    photograph = weather.frost_image(draws.randint(5))
    small = cv2.resize(photograph, None, fx=0.2, fy=0.2)
    assert small.shape[0] == round(photograph.shape[0] / 5)
    top, left = draws.randint(0, small.shape[0] - 32), draws.randint(0, small.shape[1] - 32)
    assert np.array_equal(
        out,
        np.uint8(np.clip(c[0] * image + c[1] * small[top : top + 32, left : left + 32], 0, 255)),
    )


def test_the_sixth_photographof_frost_is_never_drawn(monkeypatch):
    drawn = set()
    small = cifar._small_frost
    monkeypatch.setattr(cifar, '_small_frost', lambda index: drawn.add(index) or small(index))
    for seed in range(60):
        cifar.frost(sample(), (1, 0.2), Draws(np.array([seed])))
    assert drawn == {0, 1, 2, 3, 4}


@pytest.mark.parametrize('severity', SEVERITIES)
def test_motion_blur_gives_whole_numbers(severity):
    out, c, image, draws = both('motion_blur', severity)
    exact = blur.moved(image, *c, draws.uniform(-45, 45))
    assert np.array_equal(out, np.uint8(np.rint(exact))) and 0 < np.abs(out - exact).max() <= 0.5


@pytest.mark.parametrize('severity', SEVERITIES)
def test_snow_is_cut_in_its_middle_and_of_256_greys(severity):
    out, c, image, draws = both('snow', severity)
    noise, part = draws.normal(size=(32, 32), loc=c[0], scale=c[1]), int(np.ceil(32 / c[2]))
    top = (32 - part) // 2
    layer = ndimage.zoom(noise[top : top + part, top : top + part], c[2], order=1)
    top = (len(layer) - 32) // 2
    layer = layer[top : top + 32, top : top + 32]
    layer = np.uint8(np.clip(np.where(layer < c[3], 0, layer), 0, 1) * 255)
    layer = np.rint(blur.moved(layer, c[4], c[5], draws.uniform(-135, -45))) / 255
    unit = np.float32(image) / 255
    grey = cv2.cvtColor(unit, cv2.COLOR_RGB2GRAY)[..., None]
    expected = c[6] * unit + (1 - c[6]) * np.maximum(unit, grey * 1.5 + 0.5)
    expected = np.clip(expected + layer[..., None] + np.rot90(layer, 2)[..., None], 0, 1) * 255
    assert np.abs(np.float64(out) - np.uint8(expected + 1e-4)).max() == 0
    assert (top == 1) == (severity == 4)  # 2.25 times 15 pixels are 34


@pytest.mark.parametrize('severity', SEVERITIES)
def test_the_elastic_transform_begins_with_an_affine_one(severity):
    out, (far, sigma, corner), image, draws = both('elastic_transform', severity)
    corners = np.float32([[26, 26], [26, 6], [6, 6]])  # 16 + 10 and 16 - 10
    moved = corners + draws.uniform(-corner, corner, (3, 2)).astype(np.float32)
    unit = cv2.warpAffine(
        np.float32(image) / 255,
        cv2.getAffineTransform(corners, moved),
        (32, 32),
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if severity == 1:  # nothing but the affine one
        assert far == 0 and np.array_equal(out, np.uint8(np.clip(unit, 0, 1) * 255))
    right, down = (
        gaussian(draws.uniform(-1, 1, (32, 32)), sigma, mode='reflect', truncate=3) * far
        for _ in range(2)
    )
    rows, columns = np.mgrid[:32, :32]
    for channel in range(3):
        expected = ndimage.map_coordinates(
            unit[..., channel],
            [rows + np.float32(down), columns + np.float32(right)],
            order=1,
            mode='reflect',
        )
        assert np.array_equal(out[..., channel], np.uint8(np.clip(expected, 0, 1) * 255))


def test_fog_has_a_map_of_32_by_32():
    out, (thickness, decay), image, _ = both('fog', 4)
    unit, draws = image / 255.0, Draws(np.array([3]))
    expected = (
        (unit + (thickness * weather.plasma(32, decay, draws))[..., None])
        * unit.max()
        / (unit.max() + thickness)
    )
    assert np.array_equal(out, np.uint8(np.clip(expected, 0, 1) * 255))


def test_zoom_never_leaves_pixels_to_cut():
    """The published script keeps the middle of the enlarged image and ImageNet's its upper left.

    Here they agree.
    """
    for c in constants.CIFAR['zoom_blur']:
        assert all(zoomed_size(32, factor) - 32 < 2 for factor in np.arange(*c))


@pytest.mark.parametrize('name', [name for name in ALL if name not in ('saturate', 'spatter')])
def test_cifars_severities_are_milder_than_imagenets(name):
    """At 32x32 ImageNet's constants change far more, so their numbers must not be called
    CIFAR-10-C.
    """

    def change(family):
        return np.mean(
            [
                np.abs(apply(sample(seed), name, 5, seed, family).astype(int) - sample(seed)).mean()
                for seed in range(8)
            ]
        )

    assert 0 < change('cifar') < change('imagenet')
