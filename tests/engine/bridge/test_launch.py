"""Two processes on a machine without a GPU."""

import concurrent.futures
import functools
import signal
import socket

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmrobustprune.engine.bridge import launch
from tests.support import toy
from tests.support.process import run_apart

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='gloo is for machines without a GPU'
)


def two(work_dir, **options):
    """The exit codes of two ranks that train together."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ranks = [
            functools.partial(toy.train_rank, rank, 2, port, work_dir, **options) for rank in (0, 1)
        ]
        return [future.result() for future in [pool.submit(run_apart, rank) for rank in ranks]]


def ends(work_dir):
    return [torch.load(work_dir / f'end{rank}.pth', weights_only=True) for rank in (0, 1)]


def equal(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


def test_replicas_are_equal_and_a_kill_changes_nothing(tmp_path):
    """Accumulation is open at the kill: each rank has gradients and generators of its own."""
    options = dict(by_epoch=True, accumulate=3, length=40)
    whole = tmp_path / 'whole'
    killed = tmp_path / 'killed'
    assert two(whole, **options) == [0, 0]
    left, right = ends(whole)
    learned = [
        name for name in left['weights'] if 'running' not in name and 'num_batches' not in name
    ]
    assert all(torch.equal(left['weights'][name], right['weights'][name]) for name in learned)
    assert left['seen'] != right['seen']
    assert not torch.equal(left['generators']['torch'], right['generators']['torch'])

    assert two(killed, kill_at=8, **options) == [-signal.SIGKILL] * 2
    gradients = [rank['gradients'] for rank in torch.load(killed / 'iter_8.pth')['resume']['ranks']]
    assert gradients[0] and not equal(*gradients)
    assert two(killed, resume=True, **options) == [0, 0]
    for before, after in zip(ends(whole), ends(killed), strict=True):
        assert equal(before['weights'], after['weights'])
        assert torch.equal(before['generators']['torch'], after['generators']['torch'])
        assert before['seen'][8:] == after['seen']


def test_another_number_of_processes_is_said(tmp_path, caplog):
    toy.train(tmp_path, by_epoch=True)
    path = str(next(tmp_path.glob('iter_*.pth')))
    checkpoint = torch.load(path)
    checkpoint['resume']['ranks'] *= 2
    torch.save(checkpoint, path)
    runner = toy.build(tmp_path, resume=True, log_level='WARNING')
    warnings = []
    runner.logger.warning = warnings.append
    runner.resume(path)
    assert any('written by 2 processes and 1 resume it' in text for text in warnings)
    assert runner.train_loop.resumed['generators'] is None


def config(**changes):
    return Config(dict(dict(launcher='pytorch', model=dict(type='X')), **changes))


@pytest.fixture
def started(monkeypatch):
    """prepare_launch with a group that is said to be there."""
    monkeypatch.setattr(launch.dist, 'is_initialized', lambda: True)
    monkeypatch.setattr(launch, 'is_main_process', lambda: True)
    return launch.prepare_launch


def test_nothing_changes_without_a_launcher():
    cfg = config(launcher='none')
    assert launch.prepare_launch(cfg) is cfg


def test_nothing_changes_with_a_gpu(monkeypatch):
    monkeypatch.setattr(launch, 'get_device', lambda: 'cuda')
    cfg = config()
    assert launch.prepare_launch(cfg) is cfg


def test_the_wrapper_has_no_device(started):
    cfg = config(find_unused_parameters=True)
    before = cfg.to_dict()
    assert started(cfg).model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    assert cfg.to_dict() == before


def test_a_wrapper_of_the_users_is_kept(started):
    cfg = config(model_wrapper_cfg=dict(type='Mine', static_graph=True))
    assert started(cfg).model_wrapper_cfg == dict(type='Mine', static_graph=True, device_ids=None)


@pytest.fixture
def said(monkeypatch):
    """The lines of the log."""
    lines = []
    monkeypatch.setattr(launch, 'print_log', lambda line, logger: lines.append(line))
    return lines


@pytest.mark.parametrize('norm', ['SyncBN', nn.SyncBatchNorm, 'torch.nn.SyncBatchNorm', 'MMSyncBN'])
def test_no_synchronised_norms_on_a_cpu(started, said, norm):
    parts = [dict(norm_cfg=dict(type=norm, eps=0.1)), dict(norm_cfg=dict(type=norm))]
    cfg = started(config(model=dict(type='X', parts=parts)))
    assert cfg.model.parts[0].norm_cfg == dict(type='BN', eps=0.1)
    assert cfg.model.parts[1].norm_cfg == dict(type='BN')
    assert len(said) == 1 and 'SyncBatchNorm became BatchNorm' in said[0]


def test_sync_bn_is_left_out_on_a_cpu_and_said(started, said):
    assert started(config(sync_bn='torch')).sync_bn is None
    assert len(said) == 1


def test_nothing_is_said_of_other_norms(started, said):
    cfg = started(config(model=dict(type='X', norm_cfg=dict(type='BN'))))
    assert cfg.model.norm_cfg == dict(type='BN') and said == []
