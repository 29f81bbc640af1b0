"""Accuracy by frequencies: bands as probes."""

import pytest
import torch
from torch import nn

from mmrobustprune.attack import Classifier
from mmrobustprune.engine.analysis.frequency import Band, frequency_accuracy
from tests.support.classifier import write_config, write_pictures, write_weights


class Bright(nn.Module):
    """Class 1 where the mean is above a half; the mean is the lowest frequency of all."""

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], 1)


def test_what_rests_on_the_mean_is_right_by_low_frequencies_and_wrong_by_high_ones():
    x = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    x[3:] += 0.8
    y = torch.tensor([0, 0, 0, 1, 1, 1])
    model = Classifier(Bright())
    right = {}
    for part in ('low', 'high'):
        outcome = Band(part, 0.2, space='pixel')(model, x, y, torch.arange(6))
        right[part] = outcome.robust['frequency'].tolist()
    assert right['low'] == [True] * 6
    assert right['high'] == [True] * 3 + [False] * 3  # a mean of zero is dark


def test_a_band_has_a_key_of_its_own_and_says_its_settings():
    bands = [Band('low', 0.5), Band('low', 0.25), Band('high', 0.5), Band('low', 0.5, 'square')]
    assert len({band.key for band in bands}) == 4
    assert bands[1].stamp(None, None) == dict(
        part='low', theta=0.25, shape='circle', normaliser='half_side', space='normalised'
    )
    with pytest.raises(ValueError, match="space='lab' is unknown"):
        Band('low', 0.5, space='lab')


def test_everything_low_is_the_clean_accuracy(tmp_path):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 10))
    checkpoint, _ = write_weights(config, tmp_path / 'small.pth')
    found = frequency_accuracy(config, checkpoint, tmp_path / 'out', [Band('low', 2.0)])
    assert found['bands'][0]['accuracy'] == found['clean']
    assert (tmp_path / 'out' / 'frequency.json').is_file()
