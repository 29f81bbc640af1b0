"""Which weights an arm starts from, how long it trains, and what is refused."""

from pathlib import Path

import pytest


@pytest.fixture
def tool(beside):
    import run_arms

    return run_arms


def job(tool, name, arm, seed=1, epochs=12, work=Path('w')):
    return tool.Job(name, tool.EXPERIMENTS[name], arm, seed, epochs, work)


@pytest.mark.parametrize(
    'name, arm, dense, trained',
    [
        ('bccd', 'adasap', 'w/bccd/dense-seed1/epoch_12.pth', 12),
        ('bccd', 'magnitude-2x', 'w/bccd/dense-seed1/epoch_12.pth', 24),
        ('bccd', 'dense', 'w/bccd/dense-seed1/epoch_12.pth', 12),
        ('bccd_latency', 'halp', 'w/bccd/dense-seed0/epoch_20.pth', 12),
        ('bccd_pretrained', 'oneshot-layer', 'w/bccd_pretrained/dense-seed1/epoch_12.pth', 12),
        ('cifar_jpeg_ranking', 'adasap-mean', 'data/resnet20_cifar10.pth', 12),
        ('cifar_jpeg', 'dense', 'data/resnet20_cifar10.pth', None),
        ('s2ap', 'harp', 'w/s2ap/dense-seed0/epoch_20.pth', 12),
        ('s2ap', 'dense', 'w/s2ap/dense-seed0/epoch_20.pth', 20),
    ],
)
def test_where_an_arm_starts_and_how_long_it_trains(tool, name, arm, dense, trained):
    one = job(tool, name, arm)
    assert (one.dense_weights(), one.trained) == (Path(dense), trained)


def test_another_length_in_the_same_folder_is_refused(tool, tmp_path):
    tool.begin(job(tool, 'bccd', 'adasap', work=tmp_path))
    tool.begin(job(tool, 'bccd', 'adasap', work=tmp_path))
    with pytest.raises(ValueError, match='was begun with --epochs 12, not 10; give that'):
        tool.begin(job(tool, 'bccd', 'adasap', epochs=10, work=tmp_path))


@pytest.mark.parametrize(
    'name, sentence',
    [
        ('bccd_latency', 'run the arm dense of another experiment first'),
        ('cifar_jpeg', 'unpack the data first: tools/experiments/prepare_data.py'),
    ],
)
def test_weights_that_are_not_there_are_said(tool, monkeypatch, tmp_path, name, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=sentence):
        tool.run_arm(job(tool, name, 'adasap', work=tmp_path))


def test_an_arm_without_its_dense_network_is_said(tool, tmp_path):
    with pytest.raises(FileNotFoundError, match='run the arm dense with --seeds 1 and the same'):
        tool.trained(job(tool, 'bccd', 'adasap', work=tmp_path), [])
