"""No number on an axis covers another one, near AP 0 and above, in one panel and in four."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mmrobustprune.report.figures import bars, curves, margin_chart, scatter
from mmrobustprune.report.figures.scatter import Point
from mmrobustprune.report.tables.grid import grids
from mmrobustprune.report.tables.margins import Margins
from tests.report.figures.drawn import figure_of
from tests.report.records import run

SCALES = (0.004, 0.0862, 0.862, 1.0, 86.2, 100.0)


def collisions(figure) -> list[tuple[str, str]]:
    """Pairs of numbers on the axes of one direction that cover each other."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = []
    for of_x in (True, False):
        labels = []
        for axes in figure.axes:
            texts = axes.get_xticklabels() if of_x else axes.get_yticklabels()
            labels += [text for text in texts if text.get_text() and axes.axison]
        boxes = [text.get_window_extent(renderer) for text in labels]
        for at, box in enumerate(boxes):
            for other in range(at):
                if box.overlaps(boxes[other]):
                    found.append((labels[other].get_text(), labels[at].get_text()))
    return found


def tables(count, scale):
    """Runs whose best value is `scale`."""
    runs = []
    for at in range(count):
        whole = scale / 0.8 * (1 - 0.1 * at)
        runs.append(run(f'model {at}', whole=whole, metric='pascal_voc/AP50', slope=0.01))
    return grids(runs)


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('count', [1, 2, 4])
def test_numbers_below_bars(monkeypatch, scale, count):
    figure = figure_of(monkeypatch, bars, bars.corruption_bars, tables(count, scale))
    assert not collisions(figure)
    assert all(len(axes.get_xticks()) >= 2 for axes in figure.axes)


@pytest.mark.parametrize('scale', SCALES)
def test_numbers_along_the_other_figures(monkeypatch, scale):
    found = tables(3, scale)
    points = [Point(table.name, table.clean, table.mean()) for table in found]
    values = {'fog': (scale, None, None), 'snow': (-scale / 2, None, None)}
    margins = Margins('a', 'b', 'AP50', scale > 1, values)
    for figure in (
        figure_of(monkeypatch, curves, curves.severity_curve, found),
        figure_of(monkeypatch, scatter, scatter.tradeoff, points),
        figure_of(monkeypatch, margin_chart, margin_chart.margin_chart, margins),
    ):
        assert not collisions(figure)


def test_values_near_zero_share_a_power_of_ten(monkeypatch):
    figure = figure_of(monkeypatch, bars, bars.corruption_bars, tables(2, 0.004))
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    assert [axes.xaxis.get_offset_text().get_text() for axes in figure.axes] == [
        '$\\times\\mathdefault{10^{\u22123}}\\mathdefault{}$'
    ] * 2
