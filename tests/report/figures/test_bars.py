from mmrobustprune.report.figures import bars
from tests.report.figures.drawn import figure_of, many_runs


def test_black_ticks_are_the_reference(monkeypatch):
    found = many_runs(3, ('fog', 'snow'), (3,))
    figure = figure_of(
        monkeypatch,
        bars,
        lambda path, grids: bars.corruption_bars(path, grids, found[1].name),
        found,
    )
    ticks = []
    for axes in figure.axes[:3]:
        black = [line for line in axes.lines if line.get_color() == 'black']
        ticks.append([line.get_xdata()[0] for line in black])
    assert ticks[1] == [] and ticks[0] == ticks[2] == [
        found[1].mean(name) for name in found[1].corruptions
    ]
    assert figure.texts[-1].get_text().endswith(f'; dashed: clean; black ticks: {found[1].name}')
