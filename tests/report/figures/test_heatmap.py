import pytest

from mmrobustprune.corruption import ALL, BENCHMARK
from mmrobustprune.report.figures import bars, heatmap
from tests.report.figures.drawn import figure_of, many_runs


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
def test_every_number_is_in_the_figures_of_any_size(monkeypatch, count, kinds, levels, whole):
    found = many_runs(count, kinds, levels, whole)
    form = '.1f' if whole == 100 else '.2f'
    figure = figure_of(monkeypatch, heatmap, heatmap.heat_map, found)
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
    figure = figure_of(monkeypatch, bars, bars.corruption_bars, found)
    panels = [axes for axes in figure.axes if axes.axison]
    last = found[-1]
    assert [bar.get_width() for bar in panels[-1].patches] == pytest.approx(
        [last.mean(kind) for kind in last.corruptions]
    )


def test_absent_cells_are_hatched_and_have_no_number(monkeypatch):
    found = many_runs(2, ('fog', 'snow'), (1, 3), drop=[('fog', 3)])
    axes = figure_of(monkeypatch, heatmap, heatmap.heat_map, found).axes[0]
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 4  # the cell, the means of its row and column, and of all
    figure = figure_of(monkeypatch, bars, bars.corruption_bars, found)
    assert len(figure.axes[0].patches) == 1 and 'not complete' in [
        text.get_text() for text in figure.axes[0].texts
    ]
