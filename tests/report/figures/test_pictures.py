import matplotlib
import numpy as np
import pytest
from matplotlib import image as files

from mmrobustprune.corruption import ALL, BENCHMARK
from mmrobustprune.report.figures import bars, curves, heatmap
from mmrobustprune.report.figures.curves import _smooth, severity_curve, training_curve
from mmrobustprune.report.figures.gallery import Found, Named, draw_named, gallery, sheet
from mmrobustprune.report.figures.style import dress, stack
from mmrobustprune.report.tables.grid import grids
from tests.report.records import run

NOTHING = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
LONG = 'AdaSAP, three quarters of the channels removed and distilled'


def _holds_a_picture(path):
    pixels = files.imread(path)[..., :3]
    return min(pixels.shape[:2]) > 150 and pixels.std() > 0.02


def _figure(monkeypatch, room, draw, *words):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    draw('x.png', *words)
    return seen[0]


def _many(count, kinds, levels, whole=1, **changes):
    names = ('dense', LONG, *(f'model {at}' for at in range(2, count)))[:count]
    return grids(
        [
            run(name, kinds=kinds, levels=levels, whole=whole, slope=0.1 + 0.005 * at, **changes)
            for at, name in enumerate(names)
        ]
    )


@pytest.mark.parametrize(
    'count, kinds, levels, whole',
    [
        (1, ALL[:4], (3,), 1),
        (2, BENCHMARK, (1, 2, 3, 4, 5), 1),
        (6, ALL, (1, 2, 3, 4, 5), 100),
        (6, ALL[:4], (3,), 100),
        (1, ('fog',), (5,), 1),
    ],
)
def test_every_number_is_in_the_pictures_of_any_size(monkeypatch, count, kinds, levels, whole):
    found = _many(count, kinds, levels, whole)
    form = '.1f' if whole == 100 else '.2f'
    figure = _figure(monkeypatch, heatmap, heatmap.heat_map, found)
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == count
    for axes, grid in zip(panels, found, strict=True):
        texts = [text.get_text() for text in axes.texts]
        means = len(kinds) * (len(levels) > 1) + (len(levels) + (len(levels) > 1)) * (
            len(kinds) > 1
        )
        assert len([text for text in texts if '.' in text]) == len(kinds) * len(levels) + 1 + means
        assert all(
            format(value, form) in texts
            for value in (grid.clean, *grid.values.values(), grid.mean())
        )
        assert axes.get_title('left').replace('\n', ' ') == grid.name
    figure = _figure(monkeypatch, bars, bars.corruption_bars, found)
    panels = [axes for axes in figure.axes if axes.axison]
    last = found[-1]
    assert [bar.get_width() for bar in panels[-1].patches] == pytest.approx(
        [last.mean(kind) for kind in last.corruptions]
    )


def test_black_ticks_are_the_reference(monkeypatch):
    found = _many(3, ('fog', 'snow'), (3,))
    figure = _figure(
        monkeypatch,
        bars,
        lambda path, grids: bars.corruption_bars(path, grids, found[1].name),
        found,
    )
    ticks = [
        [line.get_xdata()[0] for line in axes.lines if line.get_color() == 'black']
        for axes in figure.axes[:3]
    ]
    assert ticks[1] == [] and ticks[0] == ticks[2] == [
        found[1].mean(name) for name in found[1].corruptions
    ]


def test_absent_cells_are_hatched_and_have_no_number(monkeypatch):
    found = _many(2, ('fog', 'snow'), (1, 3), drop=[('fog', 3)])
    axes = _figure(monkeypatch, heatmap, heatmap.heat_map, found).axes[0]
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 4  # the cell, the means of its row and column, and of all
    figure = _figure(monkeypatch, bars, bars.corruption_bars, found)
    assert len(figure.axes[0].patches) == 1 and 'not complete' in [
        text.get_text() for text in figure.axes[0].texts
    ]


def test_curves_are_written_and_the_callers_settings_stay(tmp_path):
    before = dict(matplotlib.rcParams)
    found = _many(2, ('fog', 'snow'), (1, 3), classes=('cat', 'dog'))
    paths = [
        severity_curve(tmp_path / 'new' / 'severity.png', found),
        bars.corruption_bars(tmp_path / 'corruptions.png', found),
        heatmap.heat_map(tmp_path / 'heat.png', found),
        bars.class_bars(tmp_path / 'classes.png', found, ('cat', 'dog')),
        training_curve(
            tmp_path / 'training.png',
            [(i, 1 / (i + 1)) for i in range(50)],
            [(0, 0.2), (49, 0.8)],
            [('warm-up', 0, 20), ('pruning', 20, 30), ('fine-tuning', 30, 50)],
            share=[(0, 1), (49, 0.5)],
        ),
        training_curve(tmp_path / 'loss.svg', [(0, 1.0), (1, 0.5)]),
    ]
    assert all(_holds_a_picture(path) for path in paths[:-1])
    assert paths[-1].read_text().startswith('<?xml')
    assert dict(matplotlib.rcParams) == before


def test_a_severity_without_all_its_cells_leaves_a_gap(monkeypatch):
    found = _many(2, ('fog', 'snow'), (1, 3, 5), drop=[('fog', 3)])
    lines = _figure(monkeypatch, curves, severity_curve, found).axes[0].lines
    clean, one, three, five = lines[0].get_ydata()
    assert np.isnan(three) and (clean, one, five) == pytest.approx(
        (0.8, found[0].mean(severity=1), found[0].mean(severity=5))
    )


def test_any_number_of_runs_has_a_line_and_a_look_of_its_own(monkeypatch):
    found = _many(8, ('fog', 'snow'), (1, 3))
    assert len(_figure(monkeypatch, curves, severity_curve, found).axes[0].lines) == 8
    assert len(set(dress(range(36)).values())) == 36


def test_rows_stand_in_groups_with_a_gap():
    heights, spans = stack(['gaussian_noise', 'shot_noise', 'fog', 'mine'], gap=0.5)
    assert heights == dict(gaussian_noise=0, shot_noise=1, fog=2.5, mine=4) and spans['noise'] == (
        0,
        1,
    )
    assert spans[''] == (4, 4)


def test_the_running_mean_keeps_constants_and_length():
    assert np.allclose(_smooth(np.full(101, 3.0)), 3) and len(_smooth(np.arange(7.0))) == 7


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

    with_boxes, empty = draw('boxes.png', found), draw('empty.png', NOTHING)
    assert (with_boxes == [1, 0, 0]).all(-1).sum() > 200 and not (with_boxes == [0, 0, 1]).all(
        -1
    ).any()
    assert not (empty == [1, 0, 0]).all(-1).any()


def test_a_row_of_another_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Row 'dense' has 0 pictures for 1 titles"):
        gallery(tmp_path / 'x.png', ['clean'], [('dense', [])], ('disc',), [(0, 0, 0)])
    assert not (tmp_path / 'x.png').exists()


def test_a_sheet_shows_every_condition_and_the_verdict_of_a_classifier(tmp_path):
    image = np.full((32, 32, 3), 128, np.uint8)
    names = ['clean', *BENCHMARK]

    def draw(right):
        def one(axes, picture):
            draw_named(axes, picture, Named('cat', 0.93, right))

        return files.imread(
            sheet(tmp_path / 'x.png', [(name, image, one) for name in names], captions=True)
        )[..., :3]

    def share(pixels, colour):
        return (abs(pixels * 255 - colour).max(-1) < 2).mean()

    right, wrong = draw(True), draw(False)
    green, red = (0x2F, 0x7D, 0x54), (0xC0, 0x39, 0x2B)
    assert share(right, green) > 0.005 and share(right, red) == 0
    assert share(wrong, red) > 0.005 and share(wrong, green) == 0
