"""Training on two processes, whose imports are paid once, beside training on one."""

import concurrent.futures
import functools
import gc
import os
import socket
from pathlib import Path

import torch
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS, RUNNERS
from mmengine.utils import import_modules_from_strings
from torch.nn.parallel import DistributedDataParallel

from mmrobustprune.scores import Random
from tests.support.process import run_apart
from tests.support.tiny import pruned, quick

PATIENCE = 1800  # seconds


@DATA_SAMPLERS.register_module(force=True)
class RankOrder(DefaultSampler):
    """In one process what `ranks` processes see: per step the batch of rank 0, of rank 1, ..."""

    def __init__(self, *args, ranks, batch, **kwargs):
        super().__init__(*args, **kwargs)
        self.ranks = ranks
        self.step = ranks * batch

    def __iter__(self):
        order = list(super().__iter__())
        for first in range(0, len(order), self.step):
            for rank in range(self.ranks):
                yield from order[first : first + self.step][rank :: self.ranks]


@HOOKS.register_module(force=True)
class OwnScores(Hook):
    """Every rank ranks its channels by chance of its own."""

    priority = 'LOWEST'

    def before_train(self, runner):
        next(hook for hook in runner.hooks if hasattr(hook, 'pruning')).pruning.score = Random(
            seed=runner.rank
        )


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def train_pair(config, **options):
    """Exit codes of the two ranks that train a config; each leaves its end in `end<rank>.pth`."""
    config = quick(dict(config.to_dict(), launcher='pytorch'))
    port = free_port()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ranks = [
            pool.submit(
                run_apart,
                functools.partial(_as_rank, rank, port, config, options),
                timeout=PATIENCE,
            )
            for rank in (0, 1)
        ]
        return [rank.result() for rank in ranks]


def train_alone(config, **options):
    """The exit code of one process, which leaves its end in `end0.pth`."""
    return run_apart(functools.partial(train_and_leave, config, **options), timeout=PATIENCE)


def ends(folder):
    """What the ranks left, by rank."""
    return [torch.load(path, weights_only=True) for path in sorted(Path(folder).glob('end*.pth'))]


def equal(left, right):
    """Whether two dicts of tensors agree bit by bit."""
    return left.keys() == right.keys() and all(
        torch.equal(left[name], right[name]) for name in left
    )


def gradual(config, **recipe):
    """The config under a gradual recipe that leaves out what a test of weights does not need."""
    return pruned(config, measure=False, **recipe)


def train_and_leave(config, kill=None, resume=False):
    """Train, and leave weights, buffers and the number of data-parallel wrappers alive.

    Args:
        kill: (rank, iteration).
    """
    if kill is not None:
        rank, iteration = kill
        config.custom_hooks = [
            *(config.get('custom_hooks') or []),
            dict(type='KillAt', rank=rank, iteration=iteration),
        ]
    config.resume = resume
    import_modules_from_strings(**config.custom_imports)  # as a config that is read from a file
    runner = RUNNERS.build(config)
    runner.train()
    network = getattr(runner.model, 'module', runner.model)
    gc.collect()
    torch.save(
        dict(
            parameters={name: value.detach().cpu() for name, value in network.named_parameters()},
            buffers={name: value.cpu() for name, value in network.named_buffers()},
            wrappers=sum(isinstance(thing, DistributedDataParallel) for thing in gc.get_objects()),
        ),
        Path(runner.work_dir) / f'end{os.environ.get("RANK", 0)}.pth',
    )


def _as_rank(rank, port, config, options):
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    train_and_leave(config, **options)
