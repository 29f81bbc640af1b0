"""The map of what each group costs."""

import pytest
from matplotlib.figure import Figure

from mmrobustprune.report.figures import sensitivity_map as module
from mmrobustprune.report.figures.sensitivity_map import sensitivity_map


def group(name, units, *values):
    points = [
        dict(gone=gone, values=dict(clean=clean, **{'fog 3': fog})) for gone, clean, fog in values
    ]
    return dict(name=name, units=units, points=points)


RESULTS = dict(
    metric='accuracy/top1',
    dense={'clean': 80.0, 'fog 3': 40.0},
    allowed=0.05,
    ratios={'layer1': 0.0, 'layer2': 0.25},
    groups=[
        group('layer1', 10, (1, 40.0, 10.0), (5, 10.0, 10.0)),
        group('layer2', 16, (2, 79.0, 39.0), (5, 70.0, 30.0), (8, 60.0, 20.0)),
        group('layer3', 2, (1, 80.0, 40.0)),
    ],
)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    kept = []

    def keep(figure, path):
        kept.append(figure)
        assert isinstance(figure, Figure)
        return path

    monkeypatch.setattr(module, 'save', keep)
    return lambda results: (sensitivity_map(tmp_path / 'x.png', results), kept[-1])[1]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_number_is_there_and_every_limit(drawn):
    clean, fog = drawn(RESULTS).axes
    assert '40.0  −10%' in texts(clean) and '10.0  −50%' in texts(clean)
    assert '39.0  −12%' in texts(fog) and '20.0  −50%' in texts(fog)
    assert [label.get_text() for label in clean.get_yticklabels()] == ['layer1', 'layer2', 'layer3']
    assert texts(fog)[-3:] == ['stays', '25%', '–']
    assert clean.get_title(loc='left') == 'clean\ndense 80.0'
    assert fog.get_title(loc='left') == 'fog 3\ndense 40.0'
    assert len(clean.patches) == 6


def test_several_corruptions_are_one_mean_and_clean_alone_is_one_panel(drawn):
    several = dict(RESULTS, dense={'clean': 80.0, 'fog 3': 40.0, 'snow 3': 20.0}, groups=[])
    several['groups'] = [
        dict(
            name='a',
            units=4,
            points=[dict(gone=1, values={'clean': 80.0, 'fog 3': 30.0, 'snow 3': 10.0})],
        )
    ]
    _, mean = drawn(several).axes
    assert mean.get_title(loc='left') == 'mean of 2 corruptions\ndense 30.0'
    assert '20.0  −25%' in texts(mean)
    alone = dict(several, dense={'clean': 80.0})
    assert len(drawn(alone).axes) == 1


def test_a_file_is_written(tmp_path):
    path = sensitivity_map(tmp_path / 'map.png', RESULTS)
    assert path.stat().st_size > 5000
