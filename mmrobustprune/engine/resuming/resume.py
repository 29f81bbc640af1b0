"""A Runner whose checkpoints hold all that a bit-identical continuation needs.

`ResumableRunner` is the base to inherit; with a train_cfg from `loops.make_resumable` nothing else
is needed. It adds one key to every checkpoint, `checkpoint['resume']` (plain types and tensors):
    ranks       one entry per process: generators; sample_seed, sampler_seed; gradients, where an
                accumulation window is open; buffers, except of the first process, whose are in the
                state_dict; rule, likewise, what of its state is the process's own; input_sizes,
                which mmdet's random resizing keeps in an attribute; model, what its own
                `resume_state()` gives, where it has one
    epoch, done the epoch and how many of its batches are trained on
    validated   whether the checkpoint was written during the validation of that point
    stop, early_stopping   what mmengine's early stopping keeps in attributes
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from mmrobustprune.engine.bridge.checkpoint import RESUME
from mmrobustprune.engine.bridge.model import KeepsState, unwrap
from mmrobustprune.rng import restore_generators, training_state

from .loops import Resumable

KEY = RESUME


@runtime_checkable
class DiffersByRank(Protocol):
    """An OptimWrapper whose rule has a state of its own on every process."""

    def rank_state(self) -> dict[str, Any]:
        """That state, in plain types and tensors."""


class ResumableRunner(Runner):
    """A Runner that a killed training can continue bit for bit."""

    _resume_state: dict[str, Any] | None = None

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        *args,
        **kwargs,
    ) -> None:
        """As mmengine's; every rank calls it, and every rank's state goes into the file."""
        self._resume_state = resume_state(self, gradients=save_optimizer)
        super().save_checkpoint(
            out_dir, filename, file_client_args, save_optimizer, *args, **kwargs
        )

    def resume(self, *args, **kwargs) -> None:
        """As mmengine's, then the state of this rank."""
        super().resume(*args, **kwargs)
        load_resume_state(self, self._resume_state)

    def call_hook(self, fn_name: str, **kwargs) -> None:
        if fn_name == 'before_save_checkpoint':
            kwargs['checkpoint'][KEY] = self._resume_state
        elif fn_name == 'after_load_checkpoint':
            self._resume_state = kwargs['checkpoint'].get(KEY)
        super().call_hook(fn_name, **kwargs)

    def register_hooks(self, *args, **kwargs) -> None:
        """As mmengine's, but early stopping decides before the checkpoint is written."""
        super().register_hooks(*args, **kwargs)
        early = [hook for hook in self._hooks if isinstance(hook, EarlyStoppingHook)]
        rest = [hook for hook in self._hooks if not isinstance(hook, EarlyStoppingHook)]
        saves = [isinstance(hook, CheckpointHook) for hook in rest]
        place = saves.index(True) if True in saves else len(rest)
        self._hooks = rest[:place] + early + rest[place:]


def resume_state(runner: Runner, gradients: bool = True) -> dict[str, Any]:
    """What a checkpoint holds beside weights, optimizer and schedulers; every rank must call it."""
    loop = runner.train_loop
    model = unwrap(runner.model)
    own = dict(
        generators=training_state(),
        sample_seed=None,
        sampler_seed=None,
        buffers=_own_buffers(runner),
        rule=_own_rule(runner),
        input_sizes={name: module._input_size for name, module in _resizers(runner)},
        model=model.resume_state() if isinstance(model, KeepsState) else {},
        gradients=_open_gradients(runner) if gradients else {},
    )
    state: dict[str, Any] = dict(epoch=loop._epoch, done=0, validated=False)
    if isinstance(loop, Resumable):
        own.update(
            sample_seed=loop.dataloader.dataset.sample_seed,
            sampler_seed=getattr(loop.dataloader.batch_sampler.sampler, 'seed', None),
        )
        state.update(done=loop.done, validated=loop.validating)
    return dict(
        state,
        ranks=all_gather_object(own),
        stop=bool(loop.stop_training),
        early_stopping=[
            dict(best_score=float(hook.best_score), wait_count=hook.wait_count)
            for hook in _early_stopping(runner)
        ],
    )


def load_resume_state(runner: Runner, state: dict[str, Any] | None) -> None:
    """Take up the `resume` entry of a checkpoint; call it after mmengine's own `Runner.resume`.

    A checkpoint without one, or of another number of processes, is continued with fresh generators,
    and a warning says so.
    """
    if state is None:
        runner.logger.warning(
            'The checkpoint holds no generator states (mmrobustprune did not write it): training '
            'goes on, but not bit for bit as it would have.'
        )
        return
    loop = runner.train_loop
    ranks = state['ranks']
    same = len(ranks) == runner.world_size
    if not same:
        runner.logger.warning(
            f'The checkpoint was written by {len(ranks)} processes and {runner.world_size} resume '
            'it: training goes on, but not bit for bit as it would have.'
        )
    own = ranks[get_rank()] if same else ranks[0]
    loop.stop_training = state['stop']
    for hook, saved in zip(_early_stopping(runner), state['early_stopping'], strict=False):
        vars(hook).update(saved)
    for name, module in _resizers(runner):
        module._input_size = own['input_sizes'].get(name)
    if not same:
        done = state['done'] * len(ranks) // runner.world_size
    else:
        done = state['done']
        model = unwrap(runner.model)
        parameters = dict(model.named_parameters())
        for name, gradient in own['gradients'].items():
            parameters[name].grad = gradient.to(parameters[name])
        buffers = dict(model.named_buffers())
        for name, buffer in own['buffers'].items():
            buffers[name].copy_(buffer)
        if own.get('model'):
            model.load_resume_state(own['model'])
    if not isinstance(loop, Resumable):
        return restore_generators(own['generators']) if same else None
    loop.resumed = dict(
        epoch=state['epoch'],
        done=done,
        validated=state['validated'],
        generators=own['generators'] if same else None,
    )
    loop.dataloader.dataset.sample_seed = own['sample_seed']
    if own['sampler_seed'] is not None:
        # The endless samplers read it at their first draw, which is still to come.
        loop.dataloader.batch_sampler.sampler.seed = own['sampler_seed']


def _open_gradients(runner: Runner) -> dict[str, torch.Tensor]:
    wrapper = runner.optim_wrapper
    if not isinstance(wrapper, OptimWrapper) or wrapper.should_update():
        return {}
    return {
        name: parameter.grad.detach().cpu()
        for name, parameter in unwrap(runner.model).named_parameters()
        if parameter.grad is not None
    }


def _own_buffers(runner: Runner) -> dict[str, torch.Tensor]:
    if get_rank() == 0:
        return {}
    return {name: buffer.cpu() for name, buffer in unwrap(runner.model).named_buffers()}


def _own_rule(runner: Runner) -> dict[str, Any]:
    wrapper = runner.optim_wrapper
    return wrapper.rank_state() if get_rank() and isinstance(wrapper, DiffersByRank) else {}


def _early_stopping(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]


def _resizers(runner: Runner) -> list[tuple[str, nn.Module]]:
    modules = unwrap(runner.model).named_modules()
    return [(name, module) for name, module in modules if hasattr(module, '_input_size')]
