import matplotlib
import numpy as np
import pytest
from matplotlib import image as files

from mmrobustprune.report.curves import _smooth, corruption_chart, severity_curve, training_curve
from mmrobustprune.report.gallery import Found, gallery

KINDS = ('fog', 'gaussian_noise', 'motion_blur')
RUNS = {'dense': {level: dict.fromkeys(KINDS, .8 - level / 10) for level in (1, 3)},
        'AdaSAP': {level: dict.fromkeys(KINDS, .75 - level / 12) for level in (1, 3)}}
CLEAN = {'dense': .85, 'AdaSAP': .8}
NOTHING = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))


def _holds_a_picture(path):
    pixels = files.imread(path)[..., :3]
    return min(pixels.shape[:2]) > 200 and pixels.std() > .02


def test_curves_are_written_and_the_callers_settings_stay(tmp_path):
    before = dict(matplotlib.rcParams)
    paths = [severity_curve(tmp_path / 'new' / 'severity.png', RUNS, CLEAN),
             corruption_chart(tmp_path / 'corruptions.png', {name: cells[3] for name, cells in RUNS.items()}, CLEAN),
             training_curve(tmp_path / 'training.png', [(i, 1 / (i + 1)) for i in range(50)], [(0, .2), (49, .8)],
                            [('warm-up', 0, 20), ('pruning', 20, 30), ('fine-tuning', 30, 50)], share=[(0, 1), (49, .5)]),
             training_curve(tmp_path / 'loss.svg', [(0, 1.), (1, .5)])]
    assert all(_holds_a_picture(path) for path in paths[:3])
    assert paths[3].read_text().startswith('<?xml')
    assert dict(matplotlib.rcParams) == before


def test_a_corruption_that_a_run_lacks_is_left_empty(tmp_path):
    runs = {'dense': {'fog': .5, 'snow': .4}, 'AdaSAP': {'fog': .45}}
    assert _holds_a_picture(corruption_chart(tmp_path / 'some.png', runs, CLEAN))


def test_the_running_mean_keeps_constants_and_length():
    assert np.allclose(_smooth(np.full(101, 3.)), 3) and len(_smooth(np.arange(7.))) == 7


def test_the_gallery_draws_confident_detections_only(tmp_path):
    image = np.full((96, 96, 3), 128, np.uint8)
    found = Found(np.array([[10, 20, 60, 80], [5, 5, 20, 20]]), np.array([0, 1]), np.array([.9, .1]))
    def draw(name, cell):
        return files.imread(gallery(tmp_path / name, ['clean'], [('dense', [(image, cell)])], ('disc', 'ring'),
                                    [(255, 0, 0), (0, 0, 255)]))[..., :3]
    with_boxes, empty = draw('boxes.png', found), draw('empty.png', NOTHING)
    assert (with_boxes == [1, 0, 0]).all(-1).sum() > 200 and not (with_boxes == [0, 0, 1]).all(-1).any()
    assert not (empty == [1, 0, 0]).all(-1).any()


def test_a_row_of_another_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Row 'dense' has 0 pictures for 1 titles"):
        gallery(tmp_path / 'x.png', ['clean'], [('dense', [])], ('disc',), [(0, 0, 0)])
    assert not (tmp_path / 'x.png').exists()
