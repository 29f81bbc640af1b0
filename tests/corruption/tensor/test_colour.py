import pytest
import torch

from mmrobustprune.corruption.tensor.colour import recoloured

PIXELS = [[1.0, 0.2, 0.4], [0.3, 0.6, 0.0], [0.1, 0.2, 0.8], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]
UNIT = torch.tensor(PIXELS, dtype=torch.float64).T.reshape(1, 3, 1, 5)


def pixels(unit):
    return unit[0, :, 0].T.tolist()


def test_nothing_changed_is_the_same_colour():
    for found, expected in zip(pixels(recoloured(UNIT, 1, 0, 0)), PIXELS, strict=True):
        assert found == pytest.approx(expected, abs=1e-12)


def test_no_saturation_is_the_grey_of_the_brightest_channel():
    found = pixels(recoloured(UNIT, 0, 0, 0))
    assert found == [[max(pixel)] * 3 for pixel in PIXELS]


def test_more_value_keeps_the_hue():
    found = pixels(recoloured(UNIT, 1, 0, 0.2))
    assert found[1] == pytest.approx([0.4, 0.8, 0.0])  # all times 0.8 / 0.6
    assert found[0] == pytest.approx(PIXELS[0]) and found[4] == pytest.approx([0.2] * 3)
