"""No tool evaluates or trains a network that is partly random."""

from pathlib import Path

import pytest
import torch
from mmpretrain import get_model

from tests.support.classifier import write_config, write_pictures, write_weights
from tests.support.tiny import classifier
from tests.support.tools import run_tool


@pytest.fixture
def dense(tmp_path):
    """The config and checkpoint of a small classifier."""
    config = write_config(tmp_path, write_pictures(tmp_path / 'data'))
    return config, write_weights(config, tmp_path / 'small.pth')[0]


def test_dense_weights_in_a_pruned_network_are_refused(monkeypatch, capsys, dense, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = (*dense, '--out', 'half', '--target', 0.3, '--shape', 32, 32)
    assert run_tool(monkeypatch, 'prune', *words) == 0
    capsys.readouterr()
    assert run_tool(monkeypatch, 'test', 'half/pruned.py', dense[1]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"test: the weights in '{dense[1]}' are not those of the config's model")
    assert 'pruned.py' in said


def test_missing_weights_are_refused_and_others_ignored(monkeypatch, capsys, dense, tmp_path):
    monkeypatch.chdir(tmp_path)
    checkpoint = torch.load(dense[1])
    checkpoint['state_dict']['more.weight'] = torch.zeros(1)
    torch.save(checkpoint, 'more.pth')
    assert run_tool(monkeypatch, 'test', dense[0], 'more.pth') == 0
    del checkpoint['state_dict']['head.fc.bias']
    torch.save(checkpoint, 'less.pth')
    assert run_tool(monkeypatch, 'test', dense[0], 'less.pth') == 2
    assert 'head.fc.bias' in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_dense_weights_start_no_training_of_a_pruned_network(monkeypatch, capsys, tmp_path):
    """`load_from` and `--resume`, which only log what does not fit, and mmpretrain's own loader."""
    monkeypatch.chdir(tmp_path)
    classifier('dense', epochs=1).dump('dense.py')
    dense = write_weights('dense.py', 'dense.pth')[0]
    words = ('dense.py', dense, '--out', 'half', '--target', 0.3, '--shape', 16, 16)
    assert run_tool(monkeypatch, 'prune', *words) == 0
    for start in (('--cfg-options', f'load_from={dense}'), ('--resume', dense)):
        capsys.readouterr()
        assert run_tool(monkeypatch, 'train', 'half/pruned.py', '--work-dir', 'again', *start) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith('train: the weights are not of this pruned network (backbone.')
        assert 'pruned.pth' in said and not list(Path('again').glob('*.pth'))
    with pytest.raises(ValueError, match='not of this pruned network'):
        get_model('half/pruned.py', dense)
