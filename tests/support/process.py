"""Running a function in a process of its own, that may be killed; the imports are paid once."""

import gc
import multiprocessing
import os
import signal

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

_context = None


def run_apart(function, *args, timeout=300):
    """The exit code of `function(*args)` in a fresh process (-9 when it was killed)."""
    global _context
    if _context is None:
        _context = multiprocessing.get_context('forkserver')
        _context.set_forkserver_preload(
            ['mmrobustprune.engine', 'mmrobustprune.models', 'tests.support.tiny']
        )
    process = _context.Process(target=_quiet, args=(function, *args))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f'{function.__name__} took over {timeout} s')
    return process.exitcode


def _quiet(function, *args):
    import torch

    gc.freeze()  # what was imported before; data sets look for garbage
    torch.set_num_threads(1)
    function(*args)


@HOOKS.register_module(force=True)
class KillAt(Hook):
    """SIGKILL after the given number of iterations, to one rank or to all."""

    priority = 'LOWEST'

    def __init__(self, iteration, rank=None):
        self.iteration = iteration
        self.rank = rank

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration and self.rank in (None, runner.rank):
            os.kill(os.getpid(), signal.SIGKILL)


def train(config, kill_at=None, resume=False):
    """Train a config, to its end or until it is killed."""
    from mmengine.registry import RUNNERS

    if kill_at is not None:
        config.custom_hooks = [
            *(config.get('custom_hooks') or []),
            dict(type='KillAt', iteration=kill_at),
        ]
    config.resume = resume
    RUNNERS.build(config).train()


@HOOKS.register_module(force=True)
class ReplicasEqual(Hook):
    """Before every step and at the end all processes must hold the same weights, bit by bit."""

    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.after_train(runner)

    def after_train(self, runner):
        import torch
        import torch.distributed as dist

        flat = torch.cat([p.detach().flatten() for p in runner.model.parameters()])
        sizes = [0] * dist.get_world_size()
        dist.all_gather_object(sizes, flat.numel())
        if len(set(sizes)) > 1:
            raise AssertionError(f'replicas have {sizes} parameters')
        gathered = [torch.empty_like(flat) for _ in range(dist.get_world_size())]
        dist.all_gather(gathered, flat)
        if len(gathered) < 2 or not all(torch.equal(flat, other) for other in gathered):
            raise AssertionError('replicas differ')
