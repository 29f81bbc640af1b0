import pytest

from mmrobustprune.report.figures import margin_chart as room
from mmrobustprune.report.figures.style import COLOURS
from mmrobustprune.report.tables.margins import Margins


def _drawn(monkeypatch, values, **fields):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    room.margin_chart('x.png', Margins('ours', 'theirs', 'top1', True, values, **fields))
    return seen[0].axes[0]


def test_bars_are_sorted_with_the_mean_last_and_intervals_as_lines(monkeypatch):
    values = {'snow': (0.0, -1.0, 1.0), 'fog': (10.0, 5.0, 15.0), 'mean': (5.0, 2.0, 8.0)}
    axes = _drawn(monkeypatch, values)
    assert [label.get_text() for label in axes.get_yticklabels()] == ['fog', 'snow', 'mean']
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([10, 0, 5])
    assert [bar.get_alpha() for bar in axes.patches] == [0.8, 0.4, 0.8]  # pale: not sure
    assert len(axes.containers) == 6  # a bar and an interval each
    assert [text.get_text() for text in axes.texts] == ['+10.0', '0.0', '+5.0']


def test_without_intervals_there_are_bars_alone_and_losses_have_their_colour(monkeypatch):
    values = {'fog': (-1.0, None, None), 'snow': (2.0, None, None)}
    axes = _drawn(monkeypatch, values, why='none were asked for')
    assert len(axes.containers) == 2
    assert [text.get_text() for text in axes.texts] == ['+2.0', '\u22121.0']
    colours = [bar.get_facecolor()[:3] for bar in axes.patches]
    assert colours == [room_colour(COLOURS[0]), room_colour(COLOURS[1])]


def room_colour(name):
    from matplotlib.colors import to_rgb

    return to_rgb(name)
