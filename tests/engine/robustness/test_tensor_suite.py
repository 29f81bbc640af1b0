"""A suite of tensors from config to results.json."""

import pytest

from mmrobustprune.engine.robustness.runner import evaluate_config
from tests.engine.robustness.toys import voc

pytestmark = pytest.mark.usefixtures('steady')


def test_a_suite_of_tensors_gives_the_numbers_of_the_one_on_arrays(root, checkpoint, tmp_path):
    asked = dict(corruptions=['gaussian_noise'], severities=[3], workers=0)
    found = {}
    for suite in ('voc-c', 'imagenet-c-tensor'):
        options = dict(asked, suite=suite)
        found[suite] = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / suite, options)
    arrays_on, tensors_on = found.values()
    assert tensors_on['suite'] == 'imagenet-c-tensor'
    assert 0 < tensors_on['mPC'] < 1
    assert tensors_on['mPC'] == pytest.approx(arrays_on['mPC'], abs=0.05)
