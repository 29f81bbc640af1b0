"""A removal tried at the start of a training, so that what would fail at its end fails now."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.runner import Runner
from torch import nn
from torch.optim import Optimizer

from mmrobustprune.copies import copied
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.flags import flags_restored
from mmrobustprune.rng import preserved_rng
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.record import Structure

from .removal import averages, remove_from_average


@contextmanager
def removed(model: nn.Module, structure: Structure) -> Iterator[nn.Module]:
    """Inside, the network itself lacks what `structure` leaves out; afterwards all is as before.

    In place, as copies of some networks still call layers of the original: a method that a
    constructor put into a closure belongs to the object that it was taken from.
    """
    before = [(module, _attributes(module)) for module in model.modules()]
    values = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield rebuild(model, structure)
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)
        for buffer, value in values:
            buffer.copy_(value)


def _attributes(module: nn.Module) -> dict[str, Any]:
    found = dict(vars(module))
    for slot in ('_parameters', '_buffers', '_modules'):
        found[slot] = copy.copy(found[slot])
    return found


def check_copy(model: nn.Module, twin: nn.Module, call: Callable[[nn.Module], Any]) -> None:
    """Refuse a network whose copies still use its own layers: masks in a copy would do nothing.

    Args:
        model: the network.
        twin: an untouched copy of it.
        call: a forward pass of a network.

    Raises:
        ValueError: the copy calls layers of the network that it was copied from.
    """
    called: list[str] = []

    def note(name: str) -> Callable:
        return lambda *_: called.append(name)

    handles = [
        layer.register_forward_pre_hook(note(name)) for name, layer in model.named_modules() if name
    ]
    try:
        with preserved_rng(), torch.no_grad(), flags_restored(twin):
            twin.eval()  # a map of 1x1 has no statistics; some detectors hand their heads more
            call(twin)
    finally:
        for handle in handles:
            handle.remove()
    if called:
        raise ValueError(
            f'the removal cannot be rehearsed: a copy of {type(model).__name__} still calls '
            f"'{called[0]}' of the network that it was copied from, so that no copy shows what a "
            'removal does; let its methods reach their layers through self.'
        )


def rehearse_training(runner: Runner, structure: Structure) -> None:
    """Take a training's optimizer and moving averages through a removal, on copies.

    Args:
        runner: about to train; what it holds stays as it is.
        structure: a removal of the kind that will come.

    Raises:
        ValueError: the optimizer keeps a state, once it has made a step, that cannot follow.
    """
    small = _rehearse_optimizer(runner, runner.optim_wrapper.optimizer, structure)
    for average in averages(runner):
        twin = copied(average)
        remove_from_average(twin, structure)
        twin.update_parameters(small)
    for hook in _hooks_with_networks(runner):
        runner.logger.warning(
            f'{hook} keeps a network of its own, from which the removal takes nothing; take the '
            'hook out of custom_hooks if it compares that network with the one that is trained.'
        )


def _rehearse_optimizer(runner: Runner, optimizer: Optimizer, structure: Structure) -> nn.Module:
    """A copy of the network, smaller, after a step before and one after the removal."""
    model = unwrap(runner.model)
    small = copied(model)
    try:
        small, twin = copied((model, optimizer))
        for name, value in vars(optimizer).items():  # what a copy by `__getstate__` lacks
            if name not in vars(twin) and not callable(value):
                vars(twin)[name] = value
        _step(small, twin)
    except (AttributeError, KeyError, RuntimeError, TypeError) as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        runner.logger.warning(
            f'the removal could not be rehearsed for {type(optimizer).__name__} '
            f'({(str(problem) or type(problem).__name__).splitlines()[0][:100]}).'
        )
        return rebuild(small, structure)
    rebuild(small, structure, optimizer=twin)
    try:
        _step(small, twin)
    except RuntimeError as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise ValueError(
            f'{type(optimizer).__name__} cannot go on after the removal '
            f'({str(problem).splitlines()[0]}): it keeps tensors of the weights outside its state; '
            'use an optimizer such as SGD or AdamW.'
        ) from problem
    return small


def _step(model: nn.Module, optimizer: Optimizer) -> None:
    """One step by gradients that are a thousandth of the weights, so that nothing is drawn."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = 1e-3 * parameter.detach()
    with preserved_rng():
        optimizer.step()


def _hooks_with_networks(runner: Runner) -> list[str]:
    """Type names of hooks that hold a network which is neither trained nor its moving average."""
    known = {id(module) for module in runner.model.modules()}
    known |= {id(average) for average in averages(runner)}
    found = []
    for hook in runner.hooks:
        held = [value for value in vars(hook).values() if isinstance(value, nn.Module)]
        if any(id(value) not in known for value in held):
            found.append(type(hook).__name__)
    return found
