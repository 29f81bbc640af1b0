"""Independent parts of a computation on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

Part = TypeVar('Part')
Found = TypeVar('Found')


def in_threads(run: Callable[[Part], Found], parts: Sequence[Part]) -> list[Found]:
    """`run` of every part, in their order, as many at a time as torch has threads.

    Each part is computed by a single thread, and without gradients.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) < 2:
        return [run(part) for part in parts]
    try:
        with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
            return list(pool.map(torch.no_grad()(run), parts))
    finally:
        torch.set_num_threads(threads)  # what a thread sets is what threads to come begin with
