import numpy as np
import pytest

from mmrobustprune.corruption import SEVERITIES
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.functions import Draws, noise


def test_impulse_noise_hits_the_published_share_half_of_it_white():
    image = np.full((200, 200, 3), 100, np.uint8)
    for severity, amount in zip(SEVERITIES, (0.03, 0.06, 0.09, 0.17, 0.27), strict=True):
        out = apply(image, 'impulse_noise', severity)
        assert np.mean(out != 100) == pytest.approx(amount, abs=0.01)
        assert np.mean(out[out != 100] == 255) == pytest.approx(0.5, abs=0.02)
        assert set(np.unique(out)) == {0, 100, 255}


def test_shot_noise_has_the_variance_of_photons_and_speckle_grows_with_the_value():
    grey = np.full((200, 200, 3), 51, np.uint8)  # a fifth of white
    shots = noise.shot_noise(grey, 60, Draws(np.arange(8))) / 255
    assert shots.mean() == pytest.approx(0.2, abs=0.002)
    assert shots.var() == pytest.approx(0.2 / 60, rel=0.05)
    specks = noise.speckle_noise(grey, 0.15, Draws(np.arange(8))) / 255
    assert specks.std() == pytest.approx(0.2 * 0.15, rel=0.05)
    plain = noise.gaussian_noise(grey, 0.05, Draws(np.arange(8))) / 255
    assert plain.std() == pytest.approx(0.05, rel=0.05)
