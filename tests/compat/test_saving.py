"""Checkpoints are there whole or not at all, and the newest that is there is found."""

import os
import signal

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.runner import checkpoint as checkpoints
from mmengine.runner.checkpoint import save_checkpoint

import mmrobustprune.compat.fixes  # noqa: F401  applies the mends
from tests.support import toy
from tests.support.process import run_apart


def save_and_die(path):
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    save_checkpoint(dict(new=2), str(path))


@pytest.mark.slow
def test_a_kill_while_saving_leaves_the_old_file(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    save_checkpoint(dict(old=1), str(path))
    assert run_apart(save_and_die, path) == -signal.SIGKILL
    assert torch.load(path) == dict(old=1)


def test_a_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'replace', lambda *_: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        save_checkpoint(dict(x=1), str(tmp_path / 'x.pth'))
    assert not list(tmp_path.iterdir())


def test_the_oldest_checkpoint_goes_once_the_new_one_is_there(tmp_path):
    class Fails(toy.QuickRunner):
        def save_checkpoint(self, out_dir, filename, *args, **kwargs):
            if filename == 'iter_3.pth':
                raise OSError('disk full')
            super().save_checkpoint(out_dir, filename, *args, **kwargs)

    runner = toy.build(
        tmp_path, runner=Fails, checkpoint=dict(by_epoch=False, interval=1, max_keep_ckpts=1)
    )
    with pytest.raises(OSError, match='disk full'):
        runner.train()
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_2.pth']
    assert CheckpointHook._save_checkpoint_with_step.__wrapped__


@pytest.mark.parametrize('note', ['', 'gone/epoch_9.pth'])
def test_a_note_about_a_missing_checkpoint(tmp_path, note):
    (tmp_path / 'last_checkpoint').write_text(note)
    assert checkpoints.find_latest_checkpoint(str(tmp_path)) == (
        note or None
    )  # the loader then says it is gone
    for number, age in ((1, 100), (2, 50)):
        path = tmp_path / f'epoch_{number}.pth'
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))
    from mmengine.runner import find_latest_checkpoint as exported

    assert exported(str(tmp_path)) == str(tmp_path / 'epoch_2.pth')


def test_no_note_means_no_checkpoint(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    assert checkpoints.find_latest_checkpoint(str(tmp_path)) is None
