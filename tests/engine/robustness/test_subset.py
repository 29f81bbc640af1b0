"""A random part of a test set, and what it says of the whole."""

import numpy as np
import pytest

from mmrobustprune.engine.robustness.runner import evaluate_config
from mmrobustprune.engine.robustness.table import verdict
from tests.engine.robustness.toys import arrays, save, voc

ASKED = dict(corruptions='gaussian_noise', severities=[2, 5], workers=0)


def test_a_part_gives_its_own_numbers_and_an_interval_for_the_whole(tmp_path):
    config = arrays(tmp_path)
    checkpoint = save(config, tmp_path / 'toy.pth')
    found = {
        size: evaluate_config(config, checkpoint, tmp_path / str(size), dict(ASKED, subset=size))
        for size in (7, 12)
    }
    whole = evaluate_config(config, checkpoint, tmp_path / 'all', ASKED)
    assert found[7]['images'] == 7 and found[7]['subset'] == dict(size=7, of=12, seed=0)
    assert found[7]['data'] != whole['data'] and 'subset' not in whole
    low, high = found[7]['mPC_interval']
    assert low < found[7]['mPC'] < high
    # all images are no part: nothing is open
    assert found[12]['cells'] == whole['cells'] and found[12]['data'] == whole['data']
    assert found[12]['mPC_interval'] == pytest.approx([whole['mPC']] * 2)
    assert 'of 7 images, mPC of all 12 at 95 %: ' in verdict(found[7])
    again = []
    evaluate_config(
        config, checkpoint, tmp_path / '7', dict(ASKED, subset=7), lambda *one: again.append(one)
    )
    assert not again
    with pytest.raises(ValueError, match='subset is 13 and the test set has 12 images'):
        evaluate_config(config, checkpoint, tmp_path / 'many', dict(ASKED, subset=13))


def test_a_detector_of_a_part_has_an_interval_too_and_coco_is_refused(root, checkpoint, tmp_path):
    config = voc(root, tmp_path)
    found = evaluate_config(config, checkpoint, tmp_path / 'part', dict(ASKED, subset=4))
    assert found['images'] == 4 and np.isfinite(found['mPC_interval']).all()
    config.test_dataloader.dataset.pipeline[-1].meta_keys += ('instances',)
    config.test_evaluator = dict(type='CocoMetric', metric='bbox')
    with pytest.raises(ValueError, match='CocoMetric counts all images of its annotation file'):
        evaluate_config(config, checkpoint, tmp_path / 'coco', dict(ASKED, subset=4))
