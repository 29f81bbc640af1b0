"""Which weights a method starts from, how long it trains, and what is refused."""

import json
from pathlib import Path

import pytest

from mmrobustprune.engine.comparison.experiment import Arm, Experiment
from mmrobustprune.engine.comparison.job import Job
from tests.support.comparing import CONFIG

METHODS = dict(one=Arm('half.py', {'robust_prune.target': 0.3}), two=Arm('half.py', {}, 2, 'one'))


def job(name='one', seed=1, epochs=12, work=Path('w'), **fields):
    given = dict(name='x', title='', base='base.py', methods=METHODS, epochs=12, size=(1, 1))
    return Job(Experiment(**dict(given, **fields)), name, seed, epochs, work)


@pytest.mark.parametrize(
    'name, fields, dense, length',
    [
        ('one', {}, 'w/x/dense-seed1/epoch_12.pth', 12),
        ('two', {}, 'w/x/dense-seed1/epoch_12.pth', 24),
        ('dense', {}, 'w/x/dense-seed1/epoch_12.pth', 12),
        ('one', dict(weights='{work}/y/e.pth'), 'w/y/e.pth', 12),
        ('dense', dict(weights='data/e.pth'), 'data/e.pth', None),
        ('one', dict(dense_seed=0, dense_epochs=20), 'w/x/dense-seed0/epoch_20.pth', 12),
        ('dense', dict(dense_seed=0, dense_epochs=20), 'w/x/dense-seed0/epoch_20.pth', 20),
        ('one', dict(dense_seed=0, kept=__file__), __file__, 12),
        ('dense', dict(kept=__file__), 'w/x/dense-seed1/epoch_12.pth', 12),
    ],
)
def test_where_a_method_starts_and_how_long_it_trains(name, fields, dense, length):
    one = job(name, **fields)
    assert (one.dense, one.length) == (Path(dense), length)


def test_options_of_a_training(tmp_path):
    (tmp_path / 'half.py').write_text(CONFIG)
    arm = Arm(str(tmp_path / 'half.py'), {'robust_prune.target': 0.3})
    found = job('a', methods=dict(a=arm), weights='data/e.pth', table='{work}/t.json').options()
    assert found[0] == 'train_cfg.max_epochs=12' and 'param_scheduler.1.milestones=[6,9]' in found
    assert found[-4:] == [
        'randomness.seed=1',
        'load_from=data/e.pth',
        'robust_prune.target=0.3',
        'robust_prune.table=w/t.json',
    ]


def test_a_folder_that_was_begun_otherwise_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('half.py').write_text(CONFIG)
    job(work=tmp_path).begin()
    job(work=tmp_path).begin()
    with pytest.raises(ValueError, match='was begun with epochs 12 and 10 is asked for now'):
        job(epochs=10, work=tmp_path).begin()
    other = dict(one=Arm('half.py', {'robust_prune.target': 0.4}))
    with pytest.raises(ValueError, match=r"was begun with options \['robust_prune.target=0.3'\]"):
        job(work=tmp_path, methods=other).begin()
    Path('half.py').write_text(CONFIG.replace('lr=0.05', 'lr=0.5'))
    with pytest.raises(
        ValueError, match='was begun with config_content [0-9a-f]+ and [0-9a-f]+ is'
    ):
        job(work=tmp_path).begin()
    plan = job(work=tmp_path).folder / 'plan.json'
    plan.write_text(json.dumps(dict(epochs=12)))  # as older versions wrote it
    job(work=tmp_path).begin()


@pytest.mark.parametrize(
    'fields, sentence',
    [
        (dict(weights='data/e.pth'), 'data/e.pth is not there; unpack or train it first'),
        (dict(dense_seed=0), "run 'dense' with --seeds 0 and the same --epochs first"),
    ],
)
def test_weights_that_are_not_there_are_said(tmp_path, monkeypatch, fields, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=sentence):
        job(**fields).refuse_absent_weights()
    job('dense').refuse_absent_weights()  # it is trained here
