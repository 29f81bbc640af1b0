import pytest

from mmrobustprune.report.figures import superscore_bars as room
from mmrobustprune.report.tables.superscore import Checkpoint

ROWS = [
    Checkpoint('ours', 1, dict(clean=94.0, PGD=40.0), dict(clean=1.0, PGD=3.0)),
    Checkpoint('ours', 2, dict(clean=93.0, PGD=44.0), dict(clean=2.0, PGD=1.0)),
    Checkpoint('theirs', 1, dict(clean=95.0, PGD=30.0), dict(clean=1.0, PGD=1.0)),
]


@pytest.mark.parametrize(
    'select_on, clean, attacked', [('test', [94, 95], [44, 30]), ('val', [93, 95], [40, 30])]
)
def test_a_bar_per_method_and_metric_and_who_chose(monkeypatch, select_on, clean, attacked):
    seen = []
    monkeypatch.setattr(room, 'save', lambda figure, path: seen.append(figure))
    room.superscore_bars('x.png', ROWS, select_on)
    axes = seen[0].axes[0]
    first, second = axes.containers
    assert [bar.get_height() for bar in first] == clean
    assert [bar.get_height() for bar in second] == attacked
    assert ('(oracle)' in axes.get_title('left')) == (select_on == 'test')


def test_the_bars_are_written(tmp_path):
    path = room.superscore_bars(tmp_path / 'new' / 'bars.png', ROWS)
    assert path.read_bytes().startswith(b'\x89PNG')
