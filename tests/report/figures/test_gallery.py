import numpy as np
import pytest
from matplotlib import image as files

from mmrobustprune.corruption import BENCHMARK
from mmrobustprune.report.figures.gallery import Found, Named, draw_named, gallery, sheet

NOTHING = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))


def test_the_gallery_draws_confident_detections_only(tmp_path):
    image = np.full((96, 96, 3), 128, np.uint8)
    found = Found(
        np.array([[10, 20, 60, 80], [5, 5, 20, 20]]), np.array([0, 1]), np.array([0.9, 0.1])
    )

    def draw(name, cell):
        return files.imread(
            gallery(
                tmp_path / name,
                ['clean'],
                [('dense', [(image, cell)])],
                ('disc', 'ring'),
                [(255, 0, 0), (0, 0, 255)],
            )
        )[..., :3]

    with_boxes = draw('boxes.png', found)
    empty = draw('empty.png', NOTHING)
    assert (with_boxes == [1, 0, 0]).all(-1).sum() > 200 and not (with_boxes == [0, 0, 1]).all(
        -1
    ).any()
    assert not (empty == [1, 0, 0]).all(-1).any()


def test_a_row_of_another_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Row 'dense' has 0 images for 1 titles"):
        gallery(tmp_path / 'x.png', ['clean'], [('dense', [])], ('disc',), [(0, 0, 0)])
    assert not (tmp_path / 'x.png').exists()


def test_a_sheet_shows_every_condition_and_the_verdict_of_a_classifier(tmp_path):
    image = np.full((32, 32, 3), 128, np.uint8)
    names = ['clean', *BENCHMARK]

    def draw(right):
        def one(axes, image):
            draw_named(axes, image, Named('cat', 0.93, right))

        return files.imread(
            sheet(tmp_path / 'x.png', [(name, image, one) for name in names], captions=True)
        )[..., :3]

    def share(pixels, colour):
        return (abs(pixels * 255 - colour).max(-1) < 2).mean()

    right = draw(True)
    wrong = draw(False)
    green = (0x2F, 0x7D, 0x54)
    red = (0xC0, 0x39, 0x2B)
    assert share(right, green) > 0.005 and share(right, red) == 0
    assert share(wrong, red) > 0.005 and share(wrong, green) == 0
