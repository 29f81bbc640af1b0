from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.report.figures import scatter as room
from mmrobustprune.report.figures.scatter import Point, tradeoff

NAMES = (
    'dense',
    'magnitude, half',
    'Taylor',
    'AdaSAP, half',
    'AdaSAP, three quarters of the channels',
    'SR-GKP',
)


def _drawn(points):
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, 'save', lambda figure, path: seen.append(figure))
        tradeoff('x.png', points, 'AP50')
    return seen[0].axes[0]


def _names(axes, points):
    names = {point.name for point in points}
    return [text for text in axes.texts if text.get_text().replace('\n', ' ') in names]


def _overlap(one, other):
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > 1
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(0.6, 0.8), st.floats(0.3, 0.6)), min_size=2, max_size=6))
def test_no_label_covers_another_one_or_leaves_the_picture(places):
    points = [Point(name, *place) for name, place in zip(NAMES, places, strict=False)]
    axes = _drawn(points)
    boxes = [text.get_window_extent() for text in _names(axes, points)]
    assert len(boxes) == len(points)
    assert not any(_overlap(one, other) for one, other in combinations(boxes, 2))
    frame = axes.get_window_extent()
    assert all(frame.x0 - 1 < box.x0 and box.x1 < frame.x1 + 1 for box in boxes)


def test_lines_are_ratios_and_sizes_go_with_parameters():
    points = [Point('a', 0.8, 0.4, 4e6), Point('b', 0.7, 0.35, 1e6)]
    axes = _drawn(points)
    along, up = axes.lines[0].get_data()
    assert (along == up).all()  # the ideal line
    ratios = [
        line.get_ydata()[0] / line.get_xdata()[0]
        for line in axes.lines[1:]
        if len(line.get_xdata()) == 2
    ]
    assert all(round(10 * ratio, 6).is_integer() for ratio in ratios) and 0.5 in [
        round(ratio, 6) for ratio in ratios
    ]
    sizes = [dots.get_sizes()[0] for dots in axes.collections]
    assert sizes[0] > sizes[1]
    assert axes.get_ylim()[1] >= 0.8


def test_repeats_share_a_label_a_colour_and_a_mark():
    points = [Point('a', 0.8, 0.4), Point('a', 0.79, 0.41), Point('b', 0.7, 0.3)]
    axes = _drawn(points)
    assert len(_names(axes, points)) == 2 and len(axes.collections) == 3
    colours = [tuple(dots.get_facecolor()[0]) for dots in axes.collections]
    assert colours[0] == colours[1] != colours[2]


def test_a_run_above_the_ideal_line_is_in_the_picture():
    points = [Point('dense', 0.003, 0.001), Point('odd', 0.002, 0.005)]
    axes = _drawn(points)
    (left, right) = axes.get_xlim()
    (bottom, top) = axes.get_ylim()
    assert all(left < point.clean < right and bottom < point.robust < top for point in points)
