"""The text of a config, formatted once.

mmengine asks for it four times while a Runner starts, and each time yapf takes half a second and
more to give the same text.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

KEPT = 8  # texts; of several models that are evaluated together each has one


def formats_again(module: ModuleType) -> bool:
    """Whether the same text is formatted anew when it is asked for again."""
    first, second = (module.FormatCode('a = 1\n')[0] for _ in range(2))
    return first is not second


def format_once(module: ModuleType) -> None:
    """Let `FormatCode` remember the last texts."""
    formatting = module.FormatCode
    kept: dict[str, Any] = {}

    @functools.wraps(formatting)
    def format_code(text: str, **options: Any) -> Any:
        key = f'{options}\n{text}'
        if key not in kept:
            kept[key] = formatting(text, **options)
            if len(kept) > KEPT:
                del kept[next(iter(kept))]
        return kept[key]

    module.FormatCode = format_code
