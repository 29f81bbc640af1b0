"""A value that is made once for as long as what it was made from does not change."""
from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch


class Cache:
    """The value made for the last key; copies start empty, since versions count per tensor."""

    def __init__(self):
        self._key = self._value = None

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key != self._key:
            # A tensor made in inference mode could not be saved for a later backward pass.
            with torch.inference_mode(False), torch.no_grad():
                self._value = make()
            self._key = key
        return self._value

    def __reduce__(self):
        return Cache, ()
