import pickle

import numpy as np
import pytest

from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.tensor.family import apply_batch, family_on
from tests.corruption.tensor.photographs import photographs


def test_a_batch_is_the_images_one_by_one_and_those_of_arrays():
    images = photographs(50, 41)
    batch = apply_batch(images, 'snow', 3, seed=7)
    family = pickle.loads(pickle.dumps(family_on('cpu')))  # as a worker gets it
    for image, found in zip(images, batch, strict=True):
        assert np.array_equal(found, apply(image, 'snow', 3, 7, family))
        away = np.abs(np.int16(found) - apply(image, 'snow', 3, 7))
        assert (away <= 1).mean() >= 0.999


def test_grey_and_small_images_are_what_they_are_on_arrays():
    image = photographs(20, 45)[0]
    for one in (image, image[..., 0], image[..., :1]):
        found = apply(one, 'fog', 2, family=family_on('cpu'))
        assert found.shape == one.shape
        assert np.abs(np.int16(found) - apply(one, 'fog', 2)).max() <= 1


@pytest.mark.parametrize(
    ('images', 'name', 'severity', 'sentence'),
    [
        (np.zeros((2, 20, 45, 3), np.uint8), 'fog', 1, 'at least 32 pixels'),
        (np.zeros((0, 40, 45, 3), np.uint8), 'fog', 1, 'at least one image'),
        (np.zeros((40, 45, 3), np.uint8), 'fog', 1, r'give \(N, H, W, 3\)'),
        (np.zeros((1, 40, 45, 3), np.uint8), 'fug', 1, "did you mean 'fog'"),
        (np.zeros((1, 40, 45, 3), np.uint8), 'fog', 6, 'severity 6'),
    ],
)
def test_a_wrong_batch_is_one_sentence(images, name, severity, sentence):
    with pytest.raises(ValueError, match=sentence):
        apply_batch(images, name, severity)
