"""tools/test.py never evaluates a network that is partly random."""

import pytest
import torch

from tests.support.classifier import write_config, write_pictures, write_weights
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
