"""A value that is made once for as long as what it was made from does not change."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor


class Cache:
    """The value made of these tensors as they were with the last key.

    Another tensor in their place makes it anew. Copies start empty, since versions count per
    tensor.
    """

    def __init__(self):
        self._key: tuple | None = None
        self._value: Any = None
        self._seen: tuple[weakref.ref, ...] = ()

    def __call__(self, key: Hashable, make: Callable[[], Any], *tensors: Tensor) -> Any:
        key = (key, tuple(tensor._version for tensor in tensors))
        same = len(tensors) == len(self._seen) and all(
            seen() is tensor for seen, tensor in zip(self._seen, tensors, strict=True)
        )
        if key != self._key or not same:
            # A tensor made in inference mode could not be saved for a later backward pass.
            with torch.inference_mode(False), torch.no_grad():
                self._value = make()
            self._key = key
            self._seen = tuple(weakref.ref(tensor) for tensor in tensors)
        return self._value

    def __reduce__(self):
        return Cache, ()
