"""Random generators: kept, restored, seeded, and as plain data for checkpoints.

`RandomState` is the one implementation. `preserved_rng()` keeps a piece of work from moving the
generators; `forked()` does so for work in which a checkpoint may be written (validation), and
`training_state()` is what that checkpoint stores of each rank. Plain data is made of ints, floats
and tensors, so it loads under `weights_only=True`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

_outside: list[RandomState] = []  # states set aside by forked(), outermost first


@dataclass(frozen=True)
class RandomState:
    """State of Python's, NumPy's, torch's and the current accelerator's generators."""

    python: tuple
    numpy: tuple
    torch: Tensor
    accelerator: Tensor | None

    @classmethod
    def now(cls, accelerator: bool = True) -> RandomState:
        """The generators of this process.

        Args:
            accelerator: False leaves out the accelerator's, which must not be asked for in a
                worker that was forked after it was first used.
        """
        device = _device_module() if accelerator else None
        return cls(
            random.getstate(),
            np.random.get_state(),
            torch.get_rng_state(),
            None if device is None else device.get_rng_state(),
        )

    def restore(self) -> None:
        """Set the generators to this state; the accelerator's on whatever device is current."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        device = _device_module() if self.accelerator is not None else None
        if device is not None:
            device.set_rng_state(self.accelerator)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the accelerator's state goes by the name of its kind ('cuda')."""
        version, words, gauss = self.python
        _, key, pos, has_gauss, numpy_gauss = self.numpy
        state = dict(
            python=dict(version=version, words=torch.tensor(words), gauss=gauss),
            numpy=dict(
                key=torch.from_numpy(key.astype(np.int64)),
                pos=int(pos),
                has_gauss=int(has_gauss),
                gauss=float(numpy_gauss),
            ),
            torch=self.torch,
        )
        if self.accelerator is not None:
            state[_kind()] = self.accelerator
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> RandomState:
        """What `to_dict` wrote, its tensors on any device."""
        python = state['python']
        numpy = state['numpy']
        accelerator = state.get(_kind())
        return cls(
            (python['version'], tuple(python['words'].tolist()), python['gauss']),
            (
                'MT19937',
                numpy['key'].cpu().numpy().astype(np.uint32),
                numpy['pos'],
                numpy['has_gauss'],
                numpy['gauss'],
            ),
            state['torch'].cpu(),
            None if accelerator is None else accelerator.cpu(),
        )


def generator_state() -> dict[str, Any]:
    """The generators of this process as plain data."""
    return RandomState.now().to_dict()


def restore_generators(state: Mapping[str, Any]) -> None:
    """Set the generators to what `generator_state` returned."""
    RandomState.from_dict(state).restore()


@contextmanager
def preserved_rng(start: RandomState | None = None) -> Iterator[None]:
    """Afterwards all generators are where they are now; inside they go on from `start`, or here."""
    live = RandomState.now()
    try:
        if start is not None:
            start.restore()
        yield
    finally:
        live.restore()


@contextmanager
def forked() -> Iterator[None]:
    """Run a block without moving the training's generators, nor those of a checkpoint inside."""
    _outside.append(RandomState.now())
    try:
        yield
    finally:
        _outside.pop().restore()


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Run a block with Python, NumPy and torch (CPU) seeded from `key`, then put them back."""
    before = RandomState.now(accelerator=False)
    reseed(*key)
    try:
        yield
    finally:
        before.restore()


def reseed(*key: int) -> None:
    """Seed Python, NumPy and torch (CPU) from `key`."""
    words = [int(word) for word in np.random.SeedSequence(key).generate_state(4)]
    random.seed(words[0] << 32 | words[1])
    np.random.seed(words)
    # torch.manual_seed would reach the GPU's generator, too
    torch.default_generator.manual_seed(words[2] << 32 | words[3])


def training_state() -> dict[str, Any]:
    """The generators as the training loop left them: those set aside by `forked()`, if any."""
    return _outside[0].to_dict() if _outside else generator_state()


def _kind() -> str | None:
    """What kind of accelerator there is: 'cuda', 'mps', ...; None on a machine without one."""
    if not torch.accelerator.is_available():
        return None
    return torch.accelerator.current_accelerator().type


def _device_module() -> ModuleType | None:
    """torch.cuda and its like."""
    kind = _kind()
    return None if kind is None else torch.get_device_module(kind)
