"""One test image under corruptions: the evaluation's own images, the model's own answers."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmrobustprune.corruption.apply import apply
from mmrobustprune.engine.bridge.data import fingerprint
from mmrobustprune.engine.robustness import gallery as room
from mmrobustprune.engine.robustness.gallery import View, corruption_gallery, gallery_parts
from mmrobustprune.report.runs import Run
from tests.engine.robustness.toys import arrays, save, voc, write_voc

KINDS = ('gaussian_noise', 'fog')


@pytest.fixture
def tiles(monkeypatch):
    """What reached the sheet: (condition, picture, what draws it) of every call, and the legend."""
    seen = []
    monkeypatch.setattr(
        room,
        'sheet',
        lambda path, tiles, title, legend, captions: seen.append((tiles, legend)) or path,
    )
    return seen


def _files(config, folder):
    config.custom_imports = dict(imports=['tests.engine.robustness.toys'])
    config.dump(str(folder / 'toy.py'))
    return folder / 'toy.py', save(config, folder / 'toy.pth')


@pytest.fixture
def detector(tmp_path):
    return _files(voc(write_voc(tmp_path / 'voc'), tmp_path / 'out'), tmp_path)


def test_a_detector_is_shown_the_evaluations_images(detector, tiles, tmp_path):
    corruption_gallery(*detector, tmp_path / 'x.png', View(3, 5, KINDS, seed=7))
    shown, legend = tiles[0]
    assert [name for name, _, _ in shown] == ['clean', 'gaussian_noise 5', 'fog 5']
    clean, noise, fog = (picture for _, picture, _ in shown)
    assert clean.shape == (64, 64, 3) and clean[18, 15].tolist() == pytest.approx(
        [200, 90, 40], abs=12
    )  # RGB
    assert np.array_equal(noise, apply(clean, 'gaussian_noise', 5, 7)) and np.array_equal(
        fog, apply(clean, 'fog', 5, 7)
    )
    found = [draw.keywords['found'] for _, _, draw in shown]
    assert found[0].boxes[:2] == pytest.approx(np.array([[5, 6, 30, 29], [31, 8, 46, 32]]), abs=2)
    assert not np.allclose(found[2].boxes, found[0].boxes, atol=2) and set(legend) == {'cat', 'dog'}


def test_a_classifier_is_judged(tmp_path, tiles):
    corruption_gallery(
        *_files(arrays(tmp_path / 'out'), tmp_path),
        tmp_path / 'x.png',
        View(0, 3, KINDS, 'imagenet-c-at-32'),
    )
    shown, legend = tiles[0]
    assert legend is None and len(shown) == 3
    for name, picture, draw in shown:
        named = draw.keywords['named']
        scores = picture.mean((0, 1)) + 2.0 * picture[3, 3]
        assert named.label == ('red', 'green', 'blue')[scores.argmax()] and named.right in (
            True,
            False,
        ), name
        assert named.probability == pytest.approx(scores.max() / 999, rel=1e-4)


def test_the_picture_is_written(detector, tmp_path):
    from matplotlib import image

    path = corruption_gallery(
        *detector, tmp_path / 'new' / 'x.png', View(corruptions='noise', title='toy')
    )
    assert min(image.imread(path).shape[:2]) > 300


def test_a_report_has_a_section_for_every_evaluated_run_once(detector, tiles, tmp_path):
    results = dict(
        config=str(tmp_path / 'gone' / 'toy.py'),
        checkpoint=detector[1],
        severities=[1, 3, 5],
        corruptions=['fog'],
        suite='voc-c',
        seed=0,
    )
    runs = [
        Run('toy', results, folder=tmp_path),
        Run('toy', results, folder=tmp_path),
        Run('cost alone'),
    ]
    parts = gallery_parts(runs, tmp_path / 'out', 2)  # the config beside the results is taken
    assert [(part.title, part.figure) for part in parts] == [('What toy sees', 'gallery_0.png')]
    assert 'Image 2' in parts[0].note and tiles[0][0][1][0] == 'fog 3' and len(tiles) == 1
    with pytest.raises(ValueError, match="results of 'old' name no config and checkpoint"):
        gallery_parts([Run('old', dict(results, checkpoint=''))], tmp_path)


def test_a_report_does_not_show_images_that_have_changed_since_the_evaluation(
    detector, tiles, tmp_path
):
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = Runner.build_dataloader(_loader(detector[0])).dataset
    results = dict(
        config=str(detector[0]),
        checkpoint=detector[1],
        severities=[3],
        corruptions=['fog'],
        suite='voc-c',
        seed=0,
        data=fingerprint(dataset),
    )
    assert len(gallery_parts([Run('toy', results, folder=tmp_path)], tmp_path)) == 1
    image = tmp_path / 'voc' / 'JPEGImages' / '000001.jpg'
    cv2.imwrite(str(image), cv2.imread(str(image))[:, ::-1])
    with pytest.raises(ValueError, match='have changed since .*toy.pth was evaluated'):
        gallery_parts([Run('toy', results, folder=tmp_path)], tmp_path)


def _loader(config):
    return Config.fromfile(config).test_dataloader


@pytest.mark.parametrize(
    'changes, error, sentence',
    [
        (dict(index=6), ValueError, 'has 6 images and none of index 6; choose 0 to 5'),
        (dict(index=-1), ValueError, 'none of index -1'),
        (dict(corruptions='fgo'), ValueError, "did you mean 'fog'"),
        (dict(severity=6), ValueError, 'severity 6'),
        (dict(suite='voc'), ValueError, "unknown suite 'voc'"),
        (dict(checkpoint='no.pth'), FileNotFoundError, 'no.pth'),
        (dict(config='no.py'), FileNotFoundError, 'no.py'),
    ],
)
def test_wrong_input_is_one_sentence(detector, tmp_path, changes, error, sentence):
    words = dict(config=detector[0], checkpoint=detector[1])
    for key in set(changes) & set(words):
        words[key] = changes.pop(key)
    with pytest.raises(error, match=sentence):
        corruption_gallery(**words, path=tmp_path / 'x.png', view=View(**changes))
    assert not (tmp_path / 'x.png').exists()


def test_boxes_are_named_where_they_are_few_and_every_class_has_a_colour():
    def draws(count):
        answer = _Answer(
            InstanceData(
                bboxes=torch.zeros(count, 4), labels=torch.arange(count), scores=torch.ones(count)
            )
        )
        return room._draws([answer], dict(classes=('a', 'b')), None, 0.3)

    (few,), legend = draws(3)
    assert (
        few.keywords['text'] and list(legend) == ['a', 'b', '2'] and len(set(legend.values())) == 3
    )
    assert not draws(room.CROWD + 1)[0][0].keywords['text']


class _Answer(dict):
    def __init__(self, instances):
        super().__init__(pred_instances=instances)
        self.pred_instances = instances
