"""A training without mmdet and mmpretrain: three generators, dropout, momentum, one second."""

import os
import random
import signal
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmrobustprune.engine.bridge.launch import prepare_launch
from mmrobustprune.engine.resuming.resume import ResumableRunner
from mmrobustprune.rng import generator_state


class NoisySamples(Dataset):
    """Points on a line, with noise from Python, NumPy and torch at every visit."""

    def __init__(self, length=22):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        x = torch.full((4,), index / self.length) + 0.1 * noise
        return dict(x=x, y=x.sum() > 2.1, index=index)

    def get_data_info(self, index):
        return dict(width=10 if index % 3 else 20, height=15)


class ToyNet(BaseModel):
    """Two layers with dropout: the main process draws random numbers too."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.seen = []
        self._input_size = (0, 0)  # as mmdet's random resizing keeps it: no buffer, yet it matters

    def forward(self, x, y, index, mode='tensor'):
        out = self.net(x)[:, 0] + 0.01 * np.random.rand() * random.random()
        if mode == 'loss':
            out = out * (1 + 0.01 * self._input_size[0])
            if MessageHub.get_current_instance().get_info('iter') % 4 == 0:
                self._input_size = (random.randint(1, 9), 1)
            self.seen.append(index.tolist())
            return dict(loss=nn.functional.binary_cross_entropy_with_logits(out, y.float()))
        return [dict(score=value) for value in out]


class Mean(BaseMetric):
    """A metric that draws random numbers itself: validation must not move the training's."""

    def process(self, data_batch, data_samples):
        self.results += [float(sample['score']) + np.random.rand() for sample in data_samples]

    def compute_metrics(self, results):
        torch.rand(3)
        return dict(mean=float(np.mean(results)))


class Kill(Hook):
    """SIGKILL at the end of an iteration, or in the validation that follows it."""

    priority = 'LOWEST'

    def __init__(self, iteration, stage='train'):
        self.iteration = iteration
        self.stage = stage

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.stage == 'train' and runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_val(self, runner):
        if self.stage == 'val' and runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


class QuickRunner(ResumableRunner):
    """Without the seconds that collecting compiler versions takes."""

    def _log_env(self, env_cfg):
        pass


def build(
    work_dir,
    by_epoch=True,
    workers=0,
    sampler='DefaultSampler',
    batch_sampler=None,
    seed=5,
    checkpoint=None,
    accumulate=1,
    hooks=(),
    kill_at=None,
    kill_stage='train',
    val_interval=None,
    runner=QuickRunner,
    stock=False,
    length=22,
    **more,
):
    """A Runner over NoisySamples: 6 iterations an epoch, 3 epochs or 16 iterations."""
    collate = dict(type='default_collate')
    loader = dict(
        dataset=NoisySamples(length),
        num_workers=workers,
        persistent_workers=workers > 0,
        sampler=dict(type=sampler, shuffle=True),
        collate_fn=collate,
        batch_size=4,
    )
    if batch_sampler:
        loader['batch_sampler'] = dict(type=batch_sampler)
    if stock:
        loop = dict(by_epoch=True, max_epochs=3)
        runner = Runner
    elif by_epoch:
        loop = dict(type='mmrobustprune.ResumableEpochLoop', max_epochs=3)
    else:
        loop = dict(type='mmrobustprune.ResumableIterLoop', max_iters=16)
    checkpoint = checkpoint or dict(by_epoch=False, interval=1, max_keep_ckpts=1)
    settings = dict(
        param_scheduler=dict(type='StepLR', step_size=2, by_epoch=False, gamma=0.9),
        randomness=dict(seed=seed),
        log_level='ERROR',
    )
    torch.manual_seed(5)  # a process begins with a seed of its own
    return runner(
        model=ToyNet(),
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg=dict(loop, val_interval=val_interval or (1 if by_epoch else 5)),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.1, momentum=0.9), accumulative_counts=accumulate
        ),
        val_dataloader=dict(
            dataset=NoisySamples(6),
            batch_size=3,
            num_workers=0,
            collate_fn=collate,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        val_cfg=dict(),
        val_evaluator=[Mean(prefix='toy')],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', **checkpoint)),
        custom_hooks=[*hooks, *([Kill(kill_at, kill_stage)] if kill_at else [])],
        **dict(settings, **more),
    )


def train(work_dir, result='end.pth', **options):
    """Train, and leave the end state in `<work_dir>/<result>`."""
    runner = build(work_dir, **options)
    runner.train()
    network = getattr(runner.model, 'module', runner.model)
    torch.save(
        dict(
            weights=network.state_dict(),
            optimizer=runner.optim_wrapper.state_dict(),
            generators=generator_state(),
            seen=network.seen,
            iter=runner.iter,
            epoch=runner.epoch,
        ),
        Path(work_dir) / result,
    )


def train_rank(rank, world, port, work_dir, **options):
    """`train` as one of several processes on a machine without a GPU."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    cfg = prepare_launch(
        Config(dict(launcher='pytorch', model=dict(), find_unused_parameters=False))
    )
    train(
        work_dir,
        result=f'end{rank}.pth',
        launcher='pytorch',
        cfg=cfg,
        randomness=dict(seed=5, diff_rank_seed=True),
        **options,
    )
