"""Peak of the memory that tensors made inside a block hold, on any device, in bytes."""

from __future__ import annotations

import weakref

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class PeakMemory(TorchDispatchMode):
    """Counts every storage from the operator that made it until it is freed.

    Attributes:
        live: bytes held now.
        peak: most bytes held at one time.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {id(t.untyped_storage()) for t in tree_iter((args, kwargs)) if _dense(t)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if _dense(tensor):
                self._count(tensor.untyped_storage(), given)
        return result

    def _count(self, storage, given: set[int]) -> None:
        key = id(storage)
        size = storage.nbytes()
        if key in self._known or key in given:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _dense(value) -> bool:
    return isinstance(value, Tensor) and value.device.type != 'meta' and not value.is_sparse
