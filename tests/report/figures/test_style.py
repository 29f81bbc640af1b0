import pytest

from mmrobustprune.report.figures.style import short, stack


def test_rows_stand_in_groups_with_a_gap():
    heights, spans = stack(['gaussian_noise', 'shot_noise', 'fog', 'mine'], gap=0.5)
    assert heights == dict(gaussian_noise=0, shot_noise=1, fog=2.5, mine=4) and spans['noise'] == (
        0,
        1,
    )
    assert spans[''] == (4, 4)


@pytest.mark.parametrize(
    'value, percent, text',
    [(0.571, False, '0.57'), (0.0021, False, '2e-3'), (0.0, False, '0.00'), (57.06, True, '57.1')],
)
def test_numbers_for_crowded_places(value, percent, text):
    assert short(value, percent) == text
