"""A sigmoid in place of two outputs: accuracy would be the share of class 0."""

import pytest

pytest.importorskip('mmpretrain')
from mmrobustprune.engine.robustness.runner import evaluate_config
from tests.support.classifier import write_config, write_pictures, write_weights

SUITE = dict(suite='imagenet-c-at-32', corruptions='gaussian_noise', severities=[1], workers=0)


def test_one_output_is_refused_in_one_sentence(tmp_path):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 6, 'ab'), classes=1)
    checkpoint, _ = write_weights(config, tmp_path / 'one.pth')
    with pytest.raises(ValueError, match='has 1 output, .* give the head an output for each class'):
        evaluate_config(config, checkpoint, tmp_path / 'w', SUITE)


def test_two_outputs_are_evaluated(tmp_path):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 6, 'ab'), classes=2)
    checkpoint, _ = write_weights(config, tmp_path / 'two.pth')
    results = evaluate_config(config, checkpoint, tmp_path / 'w', SUITE)
    assert results['P'] in [100 * right / 6 for right in range(7)] and len(results['cells']) == 1
