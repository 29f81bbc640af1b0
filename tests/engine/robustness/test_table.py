from mmrobustprune.engine.robustness.table import table, verdict


def test_the_last_row_is_what_the_means_are_of():
    """mPC knows nothing of the corruptions beyond the benchmark."""
    cells = [
        dict(corruption=name, severity=level, m=value)
        for name, values in dict(fog=(0.6, 0.2), spatter=(1.0, 0.8)).items()
        for level, value in zip((1, 3), values, strict=True)
    ]
    results = dict(
        P=0.8,
        metric='m',
        severities=[1, 3],
        corruptions=['fog', 'spatter'],
        cells=cells,
        per_corruption=dict(fog=0.4, spatter=0.9),
        per_severity={'1': 0.8, '3': 0.5},
    )
    assert '| mean | 0.600 | 0.200 | 0.400 |' in table(results).markdown()


def test_the_table_shows_every_cell_and_says_what_is_missing():
    results = dict(
        P=0.8,
        mPC=None,
        rPC=None,
        R_C=None,
        suite='voc-c',
        metric='m',
        severities=[1, 3],
        seed=0,
        corruptions=['fog', 'snow'],
        note='1 of 4 cells are missing.',
        per_corruption=dict(fog=0.4, snow=None),
        per_severity={'1': 0.3, '3': None},
        cells=[
            dict(corruption='fog', severity=1, m=0.5),
            dict(corruption='fog', severity=3, m=0.3),
            dict(corruption='snow', severity=1, m=0.1),
            dict(corruption='snow', severity=3),
        ],
    )
    text = table(results).markdown()
    assert '| fog | 0.500 | 0.300 | 0.400 |' in text and '| snow | 0.100 | - | - |' in text
    assert '| mean | 0.300 | - | - |' in text
    assert verdict(results) == (
        'voc-c, m: P 0.8, mPC -, rPC -, R_C - (2 of 19 corruptions, severities '
        '1 3, seed 0). 1 of 4 cells are missing.'
    )
