import torch

from mmrobustprune.corruption.functions import Draws
from mmrobustprune.corruption.tensor import BatchDraws, noise


def draws():
    return BatchDraws([Draws(1)], 'cpu')


def test_black_stays_black_under_noise_that_grows_with_light():
    black = torch.zeros(1, 3, 32, 32, dtype=torch.float64)
    assert noise.speckle_noise(black, 0.6, draws()).max() == 0
    assert noise.shot_noise(black, 3, draws()).max() == 0
    assert noise.gaussian_noise(black, 0.1, draws()).max() > 0


def test_impulses_are_white_and_black_and_the_rest_stays():
    grey = torch.full((1, 3, 64, 64), 77, dtype=torch.float64)
    out = noise.impulse_noise(grey, 0.25, draws())
    white, black, left = (float((out == level).double().mean()) for level in (255, 0, 77))
    assert white + black + left == 1
    assert abs(white - 0.125) < 0.02 and abs(black - 0.125) < 0.02


def test_shots_are_whole_photons():
    grey = torch.full((1, 3, 32, 32), 51, dtype=torch.float64)
    photons = noise.shot_noise(grey, 5, draws()) / 255 * 5
    assert torch.allclose(photons, photons.round(), atol=1e-9) and photons.max() <= 5
