"""Every repair of a project underneath, shown to be needed and to work."""

import importlib.util
import os
import signal
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import checkpoint as checkpoints
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint
from torch import nn

from mmrobustprune.compat import fixes as compat
from mmrobustprune.compat import loading
from tests.support import hostile, toy
from tests.support.process import run_apart


def is_one_sentence(message):
    return message.endswith('.') and '\n' not in message and '. ' not in message


# --- loading --------------------------------------------------------------------------------------


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


def test_the_hostile_file_is_one(tmp_path):
    ran = tmp_path / 'ran'
    path = hostile.write(tmp_path / 'hostile.pth', f"open({str(ran)!r}, 'w').close()")
    run_apart(load_with_getattr_allowed, path)
    assert ran.exists()


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


# --- saving ---------------------------------------------------------------------------------------


def save_and_die(path):
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    save_checkpoint(dict(new=2), str(path))


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


# --- the others -----------------------------------------------------------------------------------


def test_ssd_predicts():
    pytest.importorskip('mmdet')
    from mmdet.models.dense_heads import SSDHead
    from mmdet.utils import register_all_modules

    register_all_modules()
    head = SSDHead(
        num_classes=2,
        in_channels=(8, 8),
        anchor_generator=dict(
            type='SSDAnchorGenerator',
            scale_major=False,
            strides=[8, 16],
            ratios=[[2], [2]],
            min_sizes=[8, 16],
            max_sizes=[16, 24],
        ),
        test_cfg=Config(
            dict(nms_pre=10, nms=dict(type='nms', iou_threshold=0.5), score_thr=0.0, max_per_img=5)
        ),
    )
    features = [torch.rand(1, 8, 4, 4), torch.rand(1, 8, 2, 2)]
    meta = dict(img_shape=(32, 32), scale_factor=(1, 1))
    assert len(head.predict_by_feat(*head(features), batch_img_metas=[meta])) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason='without a GPU only')
def test_amp_on_a_cpu():
    net = nn.Linear(2, 1)
    wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD(net.parameters(), lr=0.1), dtype='float16')
    before = net.weight.detach().clone()
    with wrapper.optim_context(net):
        out = net(torch.ones(1, 2))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.sum())
    assert not torch.equal(net.weight, before)
    wrapper.load_state_dict(wrapper.state_dict())


@pytest.mark.parametrize('editable', [False, True])
def test_our_configs_are_found_by_name(tmp_path, monkeypatch, editable):
    if editable:  # pip leaves only a record of the package in site-packages
        record = tmp_path / 'site' / 'mmrobustprune-0.1.0.dist-info'
        record.mkdir(parents=True)
        (record / 'METADATA').write_text(
            'Metadata-Version: 2.1\nName: mmrobustprune\nVersion: 0.1.0\n'
        )
        (record / 'top_level.txt').write_text('mmrobustprune\n')
        monkeypatch.syspath_prepend(tmp_path / 'site')
    (tmp_path / 'mine.py').write_text("_base_ = 'mmrobustprune::recipes/adasap.py'\n")
    assert Config.fromfile(tmp_path / 'mine.py').robust_prune.recipe == 'adasap'


def test_an_older_torch_is_named(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.5.1')
    spec = importlib.util.spec_from_file_location('compat_again', compat.__file__)
    with pytest.raises(ImportError) as error:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert 'torch 2.6 or newer' in str(error.value) and '2.5.1' in str(error.value)


def test_fixes_end_with_the_version_that_brings_them(monkeypatch):
    package = types.SimpleNamespace(__version__='3.3.0')
    monkeypatch.setitem(sys.modules, 'somepackage', package)
    applied = []
    fix = compat.Fix('somepackage.part', '3.4', applied.append, '#1')
    compat._repair(fix, package)
    package.__version__ = '3.4.0'
    compat._repair(fix, package)
    assert applied == [package]


def test_a_fix_waits_for_its_module(tmp_path, monkeypatch):
    (tmp_path / 'comes_later.py').write_text('value = 1\n')
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    finder = compat._AfterImport('comes_later', seen.append)
    monkeypatch.setattr(sys, 'meta_path', [finder, *sys.meta_path])
    import comes_later

    assert seen == [comes_later] and comes_later.value == 1 and finder not in sys.meta_path


def test_every_fix_says_where_it_was_reported():
    assert all(fix.issue and fix.below for fix in compat.FIXES)
