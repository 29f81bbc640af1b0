from mmrobustprune.report.figures import rank_chart as room
from mmrobustprune.report.tables.ranks import rank_chart

SCORES = {
    'A': {'ours': dict(clean=2.0, PGD=1.0), 'theirs': dict(clean=1.0, PGD=0.0)},
    'B': {'ours': dict(clean=2.0, PGD=1.0), 'theirs': dict(clean=1.0, PGD=2.0)},
}


def test_a_row_per_method_a_mark_per_network_and_a_bar_at_the_mean(monkeypatch):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    room.draw_rank_chart('x.png', rank_chart(SCORES))
    axes = seen[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ['ours', 'theirs']
    marks = [group.get_offsets().tolist() for group in axes.collections]
    assert marks == [[[1.0, 0.0], [2.0, 1.0]], [[1.5, 0.0], [1.5, 1.0]]]
    assert [list(line.get_xdata()) for line in axes.lines] == [[1.25, 1.25], [1.75, 1.75]]


def test_the_chart_is_written(tmp_path):
    path = room.draw_rank_chart(tmp_path / 'new' / 'ranks.png', rank_chart(SCORES))
    assert path.read_bytes().startswith(b'\x89PNG')
