"""Work that one process does for all, and decisions that it takes for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process


def on_main(work: Callable[[], Any]) -> Any:
    """Do file work on the main process alone; its answer, or its error, is everybody's."""
    box = [None, None]
    if is_main_process():
        try:
            box[0] = work()
        except (ValueError, OSError) as error:
            box[1] = error
    broadcast_object_list(box)
    if box[1] is not None:
        raise box[1]
    return box[0]


def from_main(value: Any) -> Any:
    """What the main process passes here, on every process; tensors in it should lie on the CPU."""
    box = [value]
    broadcast_object_list(box)
    return box[0]
