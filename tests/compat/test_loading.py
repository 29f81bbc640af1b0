"""Checkpoints under `weights_only=True`: what loads, what runs nothing, what is said."""

import os
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import checkpoint
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint

import mmrobustprune.compat.fixes  # noqa: F401  applies the mends
from mmrobustprune.compat import loading
from tests.support import forked_loader, hostile
from tests.support.process import run_apart


def is_one_sentence(message):
    return message.endswith('.') and '\n' not in message and '. ' not in message


def log_history():
    hub = MessageHub('loading')
    hub.update_scalars(dict(loss=1.5, rate=dict(value=2, count=4)))
    hub.update_info('scores', dict(best=np.float32(0.5), counts=np.arange(3), flag=np.bool_(True)))
    return hub.state_dict()


def test_mmengines_own_checkpoints_load(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    save_checkpoint(dict(meta=dict(epoch=1), message_hub=log_history()), str(path))
    state = CheckpointLoader.load_checkpoint(str(path))['message_hub']
    assert state['log_scalars']['loss'].mean() == 1.5
    assert state['runtime_info']['scores']['best'] == 0.5
    assert state['runtime_info']['scores']['counts'].tolist() == [0, 1, 2]


def test_and_are_refused_without_the_repair(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    save_checkpoint(dict(message_hub=log_history()), str(path))
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with pytest.raises(Exception, match='Weights only load failed'):
            torch.load(path)
    finally:
        torch.serialization.add_safe_globals(allowed)


@pytest.mark.parametrize('module', ['numpy.core', 'numpy._core'])
def test_files_of_both_numpy_generations_load(tmp_path, module):
    torch.save(dict(value=np.float64(2.5), array=np.ones(2, np.int64)), tmp_path / 'new.pth')
    path = tmp_path / 'old.pth'
    with zipfile.ZipFile(tmp_path / 'new.pth') as source, zipfile.ZipFile(path, 'w') as target:
        for item in source.namelist():
            data = source.read(item)
            if item.endswith('data.pkl'):
                assert b'multiarray' in data
                data = data.replace(b'numpy._core.', b'numpy.core.').replace(
                    b'numpy.core.', f'{module}.'.encode()
                )
            target.writestr(item, data)
    assert CheckpointLoader.load_checkpoint(str(path))['value'] == 2.5


@pytest.mark.parametrize('method', loading.METHODS)
def test_the_stand_in_knows_four_methods(method):
    assert loading.history_method(HistoryBuffer, method) is getattr(HistoryBuffer, method)


@pytest.mark.parametrize(
    'owner, key',
    [
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, 'statistics'),
        (HistoryBuffer([1], [1]), 'mean'),
        (torch._utils._rebuild_parameter, '__globals__'),
        (os, 'system'),
    ],
)
def test_the_stand_in_knows_nothing_else(owner, key):
    with pytest.raises(Exception, match='it asks for attribute'):
        loading.history_method(owner, key)


def test_getattr_itself_is_never_allowed():
    assert getattr not in torch.serialization.get_safe_globals()
    assert (getattr, 'builtins.getattr') not in torch.serialization.get_safe_globals()


def load_with_getattr_allowed(path):
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals([HistoryBuffer, (getattr, 'builtins.getattr')])
    torch.load(path)


def test_a_hostile_file_runs_nothing(tmp_path):
    ran = tmp_path / 'ran'
    path = hostile.write(tmp_path / 'hostile.pth', f"open({str(ran)!r}, 'w').close()")
    helper = torch._utils._get_restore_location
    with pytest.raises(ValueError) as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert not ran.exists()
    assert torch._utils._get_restore_location is helper
    assert is_one_sentence(str(error.value)), str(error.value)
    assert "attribute '__globals__'" in str(error.value) and str(path) in str(error.value)


@pytest.mark.slow
def test_the_hostile_file_is_one(tmp_path):
    ran = tmp_path / 'ran'
    path = hostile.write(tmp_path / 'hostile.pth', f"open({str(ran)!r}, 'w').close()")
    run_apart(load_with_getattr_allowed, path)
    assert ran.exists()


@pytest.fixture
def forked(monkeypatch):
    """mmengine loads through a function with the faults of the fork's."""
    allowed = torch.serialization.get_safe_globals()

    def load_from_local(filename, map_location):
        return checkpoint._safe_torch_load(filename, map_location=map_location)

    monkeypatch.setattr(
        checkpoint, '_safe_torch_load', forked_loader._safe_torch_load, raising=False
    )
    monkeypatch.setitem(CheckpointLoader._schemes, '', load_from_local)
    yield checkpoint
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(allowed)


def test_a_loader_that_runs_code_is_found_and_replaced(forked, tmp_path):
    ran = tmp_path / 'ran'
    path = hostile.write(tmp_path / 'hostile.pth', f"open({str(ran)!r}, 'w').close()")
    own = tmp_path / 'epoch_1.pth'
    save_checkpoint(dict(message_hub=log_history()), str(own))
    assert loading.runs_code(forked)
    loading.run_no_code(forked)
    assert not loading.runs_code(forked)
    with pytest.raises(ValueError, match="it asks for attribute '__globals__'"):
        CheckpointLoader.load_checkpoint(str(path))
    assert not ran.exists()
    for load in (CheckpointLoader.load_checkpoint, torch.load):  # and ours stays allowed
        assert load(str(own))['message_hub']['log_scalars']['loss'].mean() == 1.5


def test_who_trusts_a_file_says_so(forked, tmp_path):
    torch.save(dict(x=Foreign()), tmp_path / 'own.pth')
    loading.run_no_code(forked)
    found = forked._safe_torch_load(tmp_path / 'own.pth', weights_only=False)
    assert isinstance(found['x'], Foreign)


class Foreign:
    pass


@pytest.mark.parametrize(
    'damage, said',
    [
        (lambda p: torch.save(dict(x=Foreign()), p), 'Foreign'),
        (lambda p: p.write_bytes(b''), 'cut short'),
        (lambda p: p.write_bytes(b'not a checkpoint'), 'cut short'),
        (lambda p: (torch.save(dict(x=torch.ones(99)), p), os.truncate(p, 700)), 'cut short'),
    ],
)
def test_files_that_are_not_loaded(tmp_path, damage, said):
    path = tmp_path / 'bad.pth'
    damage(path)
    with pytest.raises(ValueError) as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert is_one_sentence(str(error.value)), str(error.value)
    assert said in str(error.value) and str(path) in str(error.value)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'none.pth'))
