"""Killed at any iteration and started again, a training ends with the same bits."""

import functools
import signal

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mmrobustprune.engine.resuming.loops import make_resumable
from tests.support import toy
from tests.support.process import run_apart


def same(left, right):
    """Whether two nests of plain types and tensors are equal, bit by bit."""
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def end(folder):
    return torch.load(folder / 'end.pth', weights_only=True)


def assert_same_end(whole, resumed, parts=('weights', 'optimizer', 'generators', 'iter', 'epoch')):
    for part in parts:
        assert same(whole[part], resumed[part]), part
    assert 0 < len(resumed['seen']) < len(whole['seen'])
    assert same(whole['seen'][-len(resumed['seen']) :], resumed['seen'])


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    """The end of a whole run with the given options and no workers, once per module."""

    @functools.cache
    def run(**options):
        folder = tmp_path_factory.mktemp('whole')
        assert run_apart(functools.partial(toy.train, folder, **options)) == 0
        return end(folder)

    return run


def killed_and_resumed(folder, kill_at, kill_stage='train', **options):
    killed = functools.partial(toy.train, folder, kill_at=kill_at, kill_stage=kill_stage, **options)
    assert run_apart(killed) == -signal.SIGKILL
    assert run_apart(functools.partial(toy.train, folder, resume=True, **options)) == 0
    return end(folder)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('kill_at', [1, 6, 9])
@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_kill_changes_nothing(tmp_path, uninterrupted, by_epoch, kill_at, workers):
    whole = uninterrupted(by_epoch=by_epoch)
    resumed = killed_and_resumed(tmp_path, kill_at, by_epoch=by_epoch, workers=workers)
    assert_same_end(whole, resumed)
    assert len(resumed['seen']) == len(whole['seen']) - kill_at


def test_checkpoints_per_epoch(tmp_path, uninterrupted):
    options = dict(by_epoch=True, checkpoint=dict(by_epoch=True, interval=1))
    resumed = killed_and_resumed(tmp_path, 9, **options)
    assert_same_end(uninterrupted(by_epoch=True), resumed)
    assert len(resumed['seen']) == 12


@pytest.mark.parametrize('kill_at, stage', [(6, 'val'), (7, 'train')])
def test_what_validation_decides_survives(tmp_path, kill_at, stage):
    """The rate that falls on a plateau, the best score, and early stopping."""
    options = dict(
        by_epoch=True,
        checkpoint=dict(by_epoch=True, interval=1, save_best='toy/mean', rule='less'),
        param_scheduler=dict(
            type='ReduceOnPlateauLR',
            monitor='toy/mean',
            rule='greater',
            factor=0.5,
            patience=0,
            by_epoch=True,
        ),
        hooks=[dict(type='EarlyStoppingHook', monitor='toy/mean', rule='greater', patience=2)],
    )
    (tmp_path / 'whole').mkdir()
    assert run_apart(functools.partial(toy.train, tmp_path / 'whole', **options)) == 0
    resumed = killed_and_resumed(tmp_path / 'killed', kill_at, stage, **options)
    assert_same_end(end(tmp_path / 'whole'), resumed)


def test_early_stopping_state_is_in_the_checkpoint(tmp_path):
    runner = toy.build(tmp_path, hooks=[EarlyStoppingHook('toy/mean', rule='greater', patience=1)])
    runner.train()
    checkpoint = torch.load(tmp_path / f'iter_{runner.iter}.pth', weights_only=True)
    saved = checkpoint['resume']['early_stopping'][0]
    assert saved['best_score'] > 0 and saved['wait_count'] in (0, 1)
    again = toy.build(
        tmp_path, hooks=[EarlyStoppingHook('toy/mean', rule='greater', patience=1)], resume=True
    )
    again.train_loop, again.load_or_resume()
    hook = next(h for h in again.hooks if isinstance(h, EarlyStoppingHook))
    assert dict(best_score=hook.best_score, wait_count=hook.wait_count) == saved


@pytest.mark.parametrize('by_epoch', [True, False])
def test_an_open_accumulation_window(tmp_path, uninterrupted, by_epoch):
    options = dict(by_epoch=by_epoch, accumulate=4)
    assert_same_end(uninterrupted(**options), killed_and_resumed(tmp_path, 10, **options))
    saved = torch.load(next(tmp_path.glob('iter_*.pth')), weights_only=True)
    assert not saved['resume']['ranks'][0]['gradients']  # at the end the window is closed


@pytest.mark.parametrize('workers', [0, 2])
def test_an_endless_sampler(tmp_path, uninterrupted, workers):
    options = dict(by_epoch=False, sampler='InfiniteSampler')
    assert_same_end(
        uninterrupted(**options), killed_and_resumed(tmp_path, 9, workers=workers, **options)
    )


@pytest.mark.parametrize('by_epoch', [True, False])
def test_aspect_ratio_buckets(tmp_path, uninterrupted, by_epoch):
    pytest.importorskip('mmdet')
    options = dict(by_epoch=by_epoch, batch_sampler='mmdet.AspectRatioBatchSampler')
    assert_same_end(uninterrupted(**options), killed_and_resumed(tmp_path, 8, workers=2, **options))


def test_a_seed_that_was_drawn_is_kept(tmp_path):
    killed = functools.partial(toy.train, tmp_path, seed=None, result='killed.pth')
    assert run_apart(killed) == 0
    (tmp_path / 'last_checkpoint').unlink()
    checkpoint = torch.load(next(tmp_path.glob('iter_*.pth')), weights_only=True)
    runner = toy.build(tmp_path / 'again', seed=None)
    runner.resume(str(next(tmp_path.glob('iter_*.pth'))))
    loader = runner.train_dataloader
    saved = checkpoint['resume']['ranks'][0]
    assert loader.dataset.sample_seed == saved['sample_seed'] == checkpoint['meta']['seed']
    assert loader.batch_sampler.sampler.seed == saved['sampler_seed']


def test_a_checkpoint_of_mmengine_goes_on_at_the_next_batch(tmp_path):
    assert (
        run_apart(functools.partial(toy.train, tmp_path, stock=True, kill_at=9)) == -signal.SIGKILL
    )
    runner = toy.build(tmp_path, resume=True)
    runner.train()
    assert len(runner.model.seen) == 18 - 9


def test_checkpoints_load_as_plain_data(tmp_path):
    toy.train(tmp_path)
    state = torch.load(next(tmp_path.glob('iter_*.pth')), weights_only=True)['resume']
    torch.save(state, tmp_path / 'state.pth')
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        again = torch.load(tmp_path / 'state.pth', weights_only=True)
    finally:
        torch.serialization.add_safe_globals(allowed)
    assert again['ranks'][0]['generators'].keys() >= {'python', 'numpy', 'torch'}


@pytest.mark.parametrize(
    'train_cfg, expected',
    [
        (
            dict(by_epoch=True, max_epochs=2),
            dict(type='mmrobustprune.ResumableEpochLoop', max_epochs=2),
        ),
        (
            dict(by_epoch=False, max_iters=2),
            dict(type='mmrobustprune.ResumableIterLoop', max_iters=2),
        ),
        (
            dict(type='EpochBasedTrainLoop', max_epochs=2),
            dict(type='mmrobustprune.ResumableEpochLoop', max_epochs=2),
        ),
        (
            dict(type=IterBasedTrainLoop, max_iters=2),
            dict(type='mmrobustprune.ResumableIterLoop', max_iters=2),
        ),
        (
            dict(type='mmrobustprune.ResumableIterLoop', max_iters=2),
            dict(type='mmrobustprune.ResumableIterLoop', max_iters=2),
        ),
        (dict(type='mine.Loop', max_iters=2), dict(type='mine.Loop', max_iters=2)),
    ],
)
def test_make_resumable(train_cfg, expected):
    cfg = Config(dict(train_cfg=train_cfg))
    before = cfg.to_dict()
    assert make_resumable(cfg)['train_cfg'] == expected
    assert cfg.to_dict() == before


def test_make_resumable_without_training():
    cfg = Config(dict(model=dict()))
    assert make_resumable(cfg) is cfg


def test_the_loops_are_mmengines(tmp_path):
    assert isinstance(toy.build(tmp_path).train_loop, EpochBasedTrainLoop)
    assert isinstance(toy.build(tmp_path, by_epoch=False).train_loop, IterBasedTrainLoop)
