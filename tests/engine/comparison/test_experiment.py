"""Experiments are read from files, and what is wrong in them is said."""

from pathlib import Path

import pytest

from mmrobustprune.engine.comparison.experiment import Arm, Budget, Experiment, read_experiment
from tests.support.comparing import CONFIG, EXPERIMENT, PRUNED


def write(folder, text=EXPERIMENT):
    (folder / 'base.py').write_text(CONFIG)
    (folder / 'half.py').write_text(PRUNED)
    (folder / 'small.py').write_text(text)
    return str(folder / 'small.py')


def test_a_file_is_an_experiment(tmp_path):
    found = read_experiment(write(tmp_path))
    assert (found.name, found.title, found.seeds, found.size) == (
        'small',
        'Small',
        (0, 1),
        (32, 32),
    )
    assert found.base == str(tmp_path / 'base.py')
    assert found.budget == Budget('params', 0.4, 0.05)
    assert found.names == ['dense', 'magnitude', 'sam']
    assert found.methods['sam'].words()[0] == 'robust_prune.rule.type=SAM'
    assert found.attack_words() == {'pixel': '--attack fgsm --eps 8/255 --subset 6'.split()}
    assert found.chosen(None) == found.names and found.chosen(['sam']) == ['sam']
    with pytest.raises(ValueError, match=r"'sma' \(did you mean 'sam'\?\)"):
        found.chosen(['sma'])


def test_configs_lie_beside_the_file_and_are_named_from_here(tmp_path, monkeypatch):
    (tmp_path / 'a').mkdir()
    path = write(tmp_path / 'a')
    monkeypatch.chdir(tmp_path)
    assert read_experiment(path).base == 'a/base.py'


@pytest.mark.parametrize(
    'old, new, error, sentence',
    [
        ('epochs = 1', 'epoch = 1', ValueError, r"field of .*'epoch' \(did you mean 'epochs'"),
        ('epochs = 1', '', ValueError, 'has no epochs; add it'),
        (
            './base.py',
            './bas.py',
            FileNotFoundError,
            r"'./bas.py' is not there \(did you mean 'bas",
        ),
        ("of='params'", "of='param'", ValueError, r"'param' \(did you mean 'params'"),
        ('removed=0.4', 'removed=40', ValueError, 'removes 40; give a fraction'),
        ("of='params'", "of='latency'", ValueError, 'has a budget of latency and no table'),
        (
            'magnitude=dict(config',
            'dense=dict(config',
            ValueError,
            "at least one, and none 'dense'",
        ),
        ('        options=', '        optins=', ValueError, r"'optins' \(did you mean 'options'"),
        ('sam=dict(', 'sam=dict(times=2,', ValueError, "method 'sam' trains 2 times the epochs"),
        ('sam=dict(', "sam=dict(costs_as='sgd',", ValueError, "unknown method .* 'sgd'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, error, sentence):
    assert old in EXPERIMENT
    with pytest.raises(error, match=sentence):
        read_experiment(write(tmp_path, EXPERIMENT.replace(old, new)))


def test_a_package_names_configs_too():
    arm = Arm('mmrobustprune::cifar_jpeg/resnet20_10k_cifar10-jpeg.py')
    one = Experiment('x', 'X', 'b', {'m': arm}, 1, (1, 1))
    assert one.names == ['dense', 'm']


@pytest.mark.parametrize(
    'path',
    sorted((Path(__file__).parents[3] / 'configs' / 'comparisons').glob('*.py')),
    ids=lambda path: path.stem,
)
def test_the_experiments_of_the_repository_are_read(path):
    found = read_experiment(str(path))
    assert found.name == path.stem and len(found.methods) > 1 and found.budget


@pytest.mark.parametrize(
    'fields, sentence',
    [
        (dict(seeds=('0', '1')), r"has seeds=\('0', '1'\); give whole numbers, such as \(0, 1\)"),
        (dict(seeds=0), 'has seeds=0; give whole numbers'),
        (dict(severities=3), 'has severities=3; give whole numbers'),
        (dict(corruptions='fog'), "has corruptions='fog'; give names"),
        (dict(epochs='15'), "has epochs='15'; give a whole number of at least 1"),
        (dict(subset=-1), 'has subset=-1; give a whole number of at least 0'),
        (dict(dense_seed='0'), "has dense_seed='0'; give a whole number or None"),
    ],
)
def test_a_field_of_another_type_is_refused(fields, sentence):
    given = dict(name='x', title='', base='b', methods=dict(a=Arm('a')), epochs=1, size=(1, 1))
    with pytest.raises(ValueError, match=sentence):
        Experiment(**dict(given, **fields))


def test_nested_options_become_dotted_keys():
    """--cfg-options would take a dict for a string."""
    arm = Arm('a', {'robust_prune.score': dict(type='Magnitude', p=1), 'x': [1, 2]})
    expected = ['robust_prune.score.type=Magnitude', 'robust_prune.score.p=1', 'x=[1, 2]']
    assert arm.words() == expected
