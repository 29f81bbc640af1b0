from mmrobustprune.report.figures import layer_bars as room


def test_layer_bars_hold_every_layer_and_the_whole(monkeypatch):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    room.layer_bars(
        'x.png', dict(one=dict(a=0.1, b=0.3), two=dict(a=0.2)), dict(one=0.25, two=0.2), 'distance'
    )
    axes = seen[0].axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.1, 0.3, 0.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ['a', 'b']
    assert [text.get_text() for text in seen[0].legends[0].texts] == [
        'one: 0.25 of all',
        'two: 0.2 of all',
    ]


def test_a_bar_stands_at_its_own_layer_in_any_order(monkeypatch):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    values = dict(one=dict(a=0.1, b=0.3), two=dict(b=0.2, a=0.4))
    room.layer_bars('x.png', values, dict(one=0.25, two=0.2), 'distance')
    bars = seen[0].axes[0].patches
    places = [(bar.get_width(), round(bar.get_y() + bar.get_height() / 2, 3)) for bar in bars]
    assert places == [(0.1, -0.2), (0.3, 0.8), (0.2, 1.2), (0.4, 0.2)]
