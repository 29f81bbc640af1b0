"""Panels of searches: values in their places, colours of signs, bands of repeats."""

from itertools import chain

import pytest
from matplotlib import image as files
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mmrobustprune.report.figures.search_plots import (
    curves,
    draw_panels,
    gammas,
    preview,
    rise_bars,
    rises,
    signed,
)
from mmrobustprune.report.figures.style import BAD, GOOD, dress
from tests.report.figures.drawn import records


def drawn(panel):
    axes = Figure().subplots()
    panel.draw(axes, dress(panel.names))
    return axes


def test_curves_hold_every_value_and_the_warm_up():
    axes = drawn(
        curves('t', dict(ours=records(3.0, -1.0), dense=records(5.0, 4.0)), 'lambda_max', warmup=1)
    )
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines['ours'] == [3.0, -1.0] and lines['dense'] == [5.0, 4.0]
    assert [text.get_text().strip() for text in axes.texts] == ['warm-up']
    assert len(lines) == 3  # and zero, as a value is below it
    assert len(drawn(curves('t', dict(ours=records(3.0, 1.0)), 'lambda_max')).lines) == 1


@pytest.mark.parametrize(
    'theirs, own, colours',
    [
        ((0.3, 0.4), (0.1, 0.2), {GOOD}),
        ((0.1, 0.2), (0.3, 0.4), {BAD}),
        ((0.1, 0.5), (0.3, 0.2), {GOOD, BAD}),
    ],
)
def test_green_is_more_stable_and_red_less(theirs, own, colours):
    runs = dict(
        theirs=records(*theirs, key='hamming_first'), ours=records(*own, key='hamming_first')
    )
    axes = drawn(signed('t', runs, 'theirs', 'ours'))
    assert list(axes.lines[0].get_ydata()) == pytest.approx(
        [a - b for a, b in zip(theirs, own, strict=True)]
    )
    areas = set()
    for area in axes.collections:
        if any(len(path) > 4 or path.get_extents().height for path in area.get_paths()):
            areas.add(tuple(area.get_facecolor()[0][:3]))
    assert areas == {to_rgba(colour)[:3] for colour in colours}


def test_signed_needs_two_runs_with_a_common_epoch():
    runs = dict(a=records(1.0, key='hamming_first'), b=records(1.0, key='hamming_first', first=2))
    with pytest.raises(ValueError, match='no epoch in common'):
        signed('t', runs, 'a', 'b')
    with pytest.raises(ValueError, match="'c' is none of the runs; choose two of a, b"):
        signed('t', runs, 'a', 'c')


def test_rises_bars_and_gammas_hold_every_value():
    rows = [dict(rho=0.001, value=0.1, flipped=3), dict(rho=0.01, value=0.4, flipped=5)]
    assert list(drawn(rises('t', dict(a=rows))).lines[0].get_xydata()[1]) == [0.01, 0.4]
    assert list(drawn(rises('t', dict(a=rows), 'flipped')).lines[0].get_ydata()) == [3, 5]
    axes = drawn(rise_bars('t', {'80 %': dict(a=0.221, b=0.2032), '90 %': dict(b=0.16)}))
    assert sorted(bar.get_height() for bar in axes.patches) == [0.16, 0.2032, 0.221]
    assert {text.get_text() for text in axes.texts} == {'0.221', '0.203', '0.160'}
    axes = drawn(gammas('t', dict(net={0.01: 2.0, 0.001: [3.0, 5.0], 0.0025: 1.0})))
    assert [text.get_text() for text in axes.get_xticklabels()] == ['0.001', '0.0025', '0.01']
    assert list(axes.collections[-1].get_offsets()[0]) == [0, 4.0]  # the best one is ringed


def test_a_name_has_one_colour_in_all_panels_and_one_legend(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'mmrobustprune.report.figures.search_plots.save', lambda figure, path: seen.append(figure)
    )
    draw_panels(
        'x.png',
        [
            curves('one', dict(b=records(1.0, 2.0)), 'lambda_max'),
            curves('two', dict(a=records(1.0), b=records(2.0)), 'lambda_max'),
        ]
        * 2,
        columns=3,
    )
    (figure,) = seen
    lines = chain.from_iterable(axes.lines for axes in figure.axes)
    colours = {(line.get_label(), line.get_color()) for line in lines}
    assert len(colours) == 2 and len({colour for _, colour in colours}) == 2
    assert [text.get_text() for text in figure.legends[0].texts] == ['b', 'a']
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2
    with pytest.raises(ValueError, match='no panels'):
        draw_panels('x.png', [])


def test_the_preview_is_three_panels_of_the_two_runs(tmp_path):
    def run(rise):
        return [
            dict(epoch=e, attacked=30 + e * rise, lambda_max=9 / e, hamming_first=0.01 * e / rise)
            for e in range(1, 6)
        ]

    runs = {'HARP-seed0': run(1), 'HARP-seed1': run(1.1), 'ours': run(2), 'other': []}
    path = preview(tmp_path / 'p.png', runs, 'HARP', 'ours')
    pixels = files.imread(path)[..., :3]
    green = to_rgba(GOOD)[:3]
    assert pixels.shape[1] > 2.5 * pixels.shape[0] and pixels.std() > 0.02
    pale = [0.7 + 0.3 * one for one in green]  # the area is green at 30 %
    assert (abs(pixels - pale) < 0.02).all(-1).mean() > 0.01
