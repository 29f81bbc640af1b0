from mmrobustprune.report.figures.style import stack


def test_rows_stand_in_groups_with_a_gap():
    heights, spans = stack(['gaussian_noise', 'shot_noise', 'fog', 'mine'], gap=0.5)
    assert heights == dict(gaussian_noise=0, shot_noise=1, fog=2.5, mine=4) and spans['noise'] == (
        0,
        1,
    )
    assert spans[''] == (4, 4)
