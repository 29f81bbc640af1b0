import matplotlib
import numpy as np
import pytest

from mmrobustprune.report.figures import bars, curves, heatmap
from mmrobustprune.report.figures.curves import _smooth, severity_curve, training_curve
from mmrobustprune.report.figures.style import dress
from tests.report.figures.drawn import figure_of, holds_an_image, many_runs


def test_curves_are_written_and_the_callers_settings_stay(tmp_path):
    before = dict(matplotlib.rcParams)
    found = many_runs(2, ('fog', 'snow'), (1, 3), classes=('cat', 'dog'))
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
    assert all(holds_an_image(path) for path in paths[:-1])
    assert paths[-1].read_text().startswith('<?xml')
    assert dict(matplotlib.rcParams) == before


def test_a_severity_without_all_its_cells_leaves_a_gap(monkeypatch):
    found = many_runs(2, ('fog', 'snow'), (1, 3, 5), drop=[('fog', 3)])
    lines = figure_of(monkeypatch, curves, severity_curve, found).axes[0].lines
    clean, one, three, five = lines[0].get_ydata()
    assert np.isnan(three) and (clean, one, five) == pytest.approx(
        (0.8, found[0].mean(severity=1), found[0].mean(severity=5))
    )


def test_any_number_of_runs_has_a_line_and_a_look_of_its_own(monkeypatch):
    found = many_runs(8, ('fog', 'snow'), (1, 3))
    assert len(figure_of(monkeypatch, curves, severity_curve, found).axes[0].lines) == 8
    assert len(set(dress(range(36)).values())) == 36


def test_the_running_mean_keeps_constants_and_length():
    assert np.allclose(_smooth(np.full(101, 3.0)), 3) and len(_smooth(np.arange(7.0))) == 7
