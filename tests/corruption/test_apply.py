import hashlib
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import imagecorruptions
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from mmrobustprune.corruption import ALL, GROUPS, SEVERITIES
from mmrobustprune.corruption.apply import LARGEST, apply

DRAWS = (
    'gaussian_noise',
    'shot_noise',
    'impulse_noise',
    'glass_blur',
    'motion_blur',
    'snow',
    'frost',
    'fog',
    'elastic_transform',
    'speckle_noise',
    'spatter',
)
DIGESTS = """
import hashlib, sys
import numpy as np
from mmrobustprune.corruption.apply import apply
image = np.arange(37 * 53 * 3, dtype=np.uint32).astype(np.uint8).reshape(37, 53, 3)
for name in sys.argv[1:]:
    print(name, hashlib.md5(apply(image, name, 3, 5)).hexdigest())
"""


def sample(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize('name', ALL)
def test_result_depends_on_image_corruption_severity_and_seed_alone(name):
    image = sample(40, 48)
    first = apply(image, name, 3, 7)
    np.random.seed(0)
    apply(sample(33, 35, 1), name, 2, 7)
    np.random.random(13)
    assert np.array_equal(apply(image.copy(), name, 3, 7), first)
    assert np.array_equal(apply(np.asfortranarray(image), name, 3, 7), first)
    assert not np.array_equal(first, image)
    if name in DRAWS:
        assert not np.array_equal(apply(image, name, 3, 8), first)


def test_the_order_of_calls_and_the_process_do_not_matter():
    image = np.arange(37 * 53 * 3, dtype=np.uint32).astype(np.uint8).reshape(37, 53, 3)
    here = {name: hashlib.md5(apply(image, name, 3, 5)).hexdigest() for name in ALL}
    there = subprocess.run(
        [sys.executable, '-c', DIGESTS, *reversed(ALL)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    assert dict(zip(there[::2], there[1::2], strict=True)) == here


def test_the_two_that_ignore_numpys_seed_are_tamed():
    image = sample(40, 48)
    for name in ('impulse_noise', 'glass_blur'):
        raw = []
        for _ in range(2):
            np.random.seed(3)
            raw.append(imagecorruptions.corrupt(image, 3, name))
        assert not np.array_equal(*raw)  # the defect
        assert np.array_equal(apply(image, name, 3, 3), apply(image, name, 3, 3))


def test_threads_do_not_share_random_numbers():
    image = sample(64, 80)
    cells = [(name, seed) for seed in range(3) for name in DRAWS]
    alone = [apply(image, name, 3, seed) for name, seed in cells]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda cell: apply(image, cell[0], 3, cell[1]), cells))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@njit
def _numba_draw():
    return np.random.random()


@njit
def _numba_seed(seed):
    np.random.seed(seed)


def test_every_global_generator_is_left_as_it_was():
    def draw():
        return random.random(), np.random.random(), torch.rand(1).item(), _numba_draw()

    def reseed():
        random.seed(1), np.random.seed(1), torch.manual_seed(1), _numba_seed(1)

    reseed()
    expected = [draw(), draw()]
    reseed()
    got = [draw()]
    for name in ALL:
        apply(sample(40, 48), name, 3)
    assert [*got, draw()] == expected
    with pytest.raises(ValueError):
        apply(sample(40, 48), 'fogg', 3)


KINDS = dict(
    black=lambda random: 0 * random,
    white=lambda random: 0 * random + 255,
    noise=lambda random: 255 * random,
    dots=lambda random: 255 * (random > 0.97),
)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(ALL),
    severity=st.sampled_from(SEVERITIES),
    seed=st.integers(-(2**40), 2**40),
    shape=st.sampled_from([(1, 1), (1, 60), (70, 1), (3, 500), (32, 32), (33, 65), (100, 41)]),
    channels=st.sampled_from([(), (1,), (3,)]),
    kind=st.sampled_from(list(KINDS)),
)
def test_any_image_is_a_function_of_its_arguments(name, severity, seed, shape, channels, kind):
    image = KINDS[kind](np.random.default_rng(abs(seed)).random((*shape, *channels))).astype(
        np.uint8
    )
    out = apply(image, name, severity, seed)
    np.random.seed(1)
    apply(255 - image, name, 6 - severity, seed + 1)
    assert out.shape == image.shape and out.dtype == np.uint8
    assert np.array_equal(apply(image, name, severity, seed), out)


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('shape', [(1, 1), (1, 50), (3, 5), (31, 32), (33, 97), (500, 37)])
def test_any_size_and_aspect(name, shape, capsys):
    for severity in (1, 5):
        image = sample(*shape, seed=severity)
        before = image.copy()
        out = apply(image, name, severity, 1)
        assert out.dtype == np.uint8 and out.shape == image.shape and out.flags.c_contiguous
        assert np.array_equal(image, before)
    assert capsys.readouterr().out == ''  # the library prints where shapes do not fit


@pytest.mark.parametrize('name', ALL)
def test_a_tiny_flat_image_stays_flat_in_the_mean(name):
    """Mirroring keeps an image of 8 pixels as bright as the large image of the same colour."""
    tiny = np.mean([apply(np.full((8, 8, 3), 120, np.uint8), name, 1, s).mean() for s in range(8)])
    large = np.mean(
        [apply(np.full((64, 64, 3), 120, np.uint8), name, 1, s).mean() for s in range(8)]
    )
    assert tiny == pytest.approx(large, abs=12)


@pytest.mark.parametrize('name', ALL)
def test_grey_is_the_rgb_image_it_stands_for(name):
    grey = sample(36, 40)[..., 0]
    out = apply(grey, name, 3, 2)
    assert out.shape == grey.shape and out.dtype == np.uint8
    rgb = apply(np.stack([grey] * 3, -1), name, 3, 2)
    assert np.array_equal(out, np.rint(rgb @ [0.299, 0.587, 0.114]))
    assert np.array_equal(apply(grey[..., None], name, 3, 2)[..., 0], out)


@pytest.mark.parametrize(
    'name', [name for name in ALL if name not in GROUPS['weather'] + ('saturate', 'zoom_blur')]
)
def test_a_higher_severity_is_farther_from_the_image(name):
    image = sample(96, 96)
    far = [np.abs(apply(image, name, level).astype(int) - image).mean() for level in (1, 5)]
    assert far[1] > far[0] > 0


def test_opencvs_threads_do_not_matter():
    image, threads = sample(120, 160), cv2.getNumThreads()
    try:
        outs = []
        for count in (0, 4):
            cv2.setNumThreads(count)
            outs.append([apply(image, name, 4) for name in ('defocus_blur', 'frost', 'spatter')])
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(*outs, strict=True))


@pytest.mark.parametrize(
    'image, error, sentence',
    [
        (np.zeros((40, 40, 3)), TypeError, 'fog got an image of float64; give a uint8 array'),
        ([[1]], TypeError, 'list'),
        (np.zeros((40, 40, 4), np.uint8), ValueError, r'shape \(40, 40, 4\)'),
        (np.zeros((0, 40, 3), np.uint8), ValueError, 'at least one'),
        (np.zeros(40, np.uint8), ValueError, r'shape \(40,\)'),
        (np.zeros((1, LARGEST + 1), np.uint8), ValueError, 'at most 16384'),
    ],
)
def test_what_is_no_image_is_refused_by_name(image, error, sentence):
    with pytest.raises(error, match=sentence):
        apply(image, 'fog', 3)


@pytest.mark.parametrize(
    'name, severity, sentence',
    [
        ('glas_blur', 3, "did you mean 'glass_blur'"),
        ('fog', 6, r'severity 6 is not in 1\.\.5'),
        ('fog', 0, 'severity 0'),
        ('fog', 2.0, r'severity 2\.0'),
        ('fog', True, 'severity True'),
    ],
)
def test_what_is_no_cell_is_refused(name, severity, sentence):
    with pytest.raises(ValueError, match=sentence):
        apply(sample(40, 40), name, severity)


def test_what_is_no_family_or_not_its_size_is_refused():
    with pytest.raises(ValueError, match="did you mean 'cifar'"):
        apply(sample(32, 32), 'fog', 1, family='cifar10')
    for shape in ((1, 1), (1, 32), (32, 33), (224, 224)):
        with pytest.raises(
            ValueError,
            match=f"32x32 images and got {shape[1]}x{shape[0]}; choose family 'imagenet'",
        ):
            apply(sample(*shape), 'fog', 1, family='cifar')


@pytest.mark.parametrize('name', ALL)
@pytest.mark.parametrize('family', ['imagenet', 'cifar'])
def test_both_families_depend_on_their_arguments_alone(family, name):
    image = sample(32, 32)
    for severity in SEVERITIES:
        out = apply(image, name, severity, 1, family)
        np.random.random(3)
        apply(255 - image, name, severity, 2, family)
        assert np.array_equal(apply(image, name, severity, 1, family), out)
        assert out.shape == image.shape and out.dtype == np.uint8
    grey = image[..., 0]
    assert np.array_equal(
        apply(grey, name, 3, 1, family),
        np.rint(apply(np.stack([grey] * 3, -1), name, 3, 1, family) @ [0.299, 0.587, 0.114]),
    )


@pytest.mark.parametrize('name', ALL)
def test_a_large_image_is_as_reproducible(name):
    image = np.tile(sample(60, 50), (10, 30, 1))
    assert np.array_equal(apply(image, name, 2, 1), apply(image, name, 2, 1))


def test_an_image_may_be_read_only():
    image = sample(40, 48)
    image.setflags(write=False)
    for name in ALL:
        out = apply(image, name, 1)
        out[0] = 0  # the result is the caller's own
