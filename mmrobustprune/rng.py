"""Random generators as plain data, so that a resumed run draws the same numbers.

`generator_state()` / `restore_generators(state)` handle this process, `forked()` keeps a piece of
work (validation) from moving them, and `training_state()` is what a checkpoint stores of each rank.
A state is made of ints, floats and tensors, so it loads under `weights_only=True`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_outside: list[dict[str, Any]] = []  # states set aside by forked(), outermost first


def generator_state() -> dict[str, Any]:
    """The Python, NumPy, torch and (current device's) CUDA generators of this process."""
    version, words, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    state = dict(
        python=dict(version=version, words=torch.tensor(words), gauss=gauss),
        numpy=dict(
            key=torch.from_numpy(numpy['state']['key'].astype(np.int64)),
            pos=int(numpy['state']['pos']),
            has_gauss=int(numpy['has_gauss']),
            gauss=float(numpy['gauss']),
        ),
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def restore_generators(state: dict[str, Any]) -> None:
    """Set the generators to what `generator_state` returned (on whatever device it is now)."""
    python, numpy = state['python'], state['numpy']
    random.setstate((python['version'], tuple(python['words'].tolist()), python['gauss']))
    np.random.set_state(
        dict(
            bit_generator='MT19937',
            state=dict(key=numpy['key'].cpu().numpy().astype(np.uint32), pos=numpy['pos']),
            has_gauss=numpy['has_gauss'],
            gauss=numpy['gauss'],
        )
    )
    torch.set_rng_state(state['torch'].cpu())
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


@contextmanager
def forked() -> Iterator[None]:
    """Run a block without moving the training's generators, nor those of a checkpoint inside."""
    _outside.append(generator_state())
    try:
        yield
    finally:
        restore_generators(_outside.pop())


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Run a block with Python, NumPy and torch (CPU) seeded from `key`, then put them back."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = [int(word) for word in np.random.SeedSequence(key).generate_state(4)]
    random.seed(words[0] << 32 | words[1])
    np.random.seed(words)
    torch.default_generator.manual_seed(
        words[2] << 32 | words[3]
    )  # torch.manual_seed would reach the GPU's too
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def training_state() -> dict[str, Any]:
    """The generators as the training loop left them: those set aside by `forked()`, if any."""
    return _outside[0] if _outside else generator_state()
