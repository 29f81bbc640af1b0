"""What a benchmark measured, kept as JSON with what the figures depend on."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


def keep(file: Path | None, **result: object) -> None:
    """Write the result with threads, versions and its command, where a file is named."""
    if file is None:
        return
    versions = {}
    for name in (
        'torch',
        'torchvision',
        'pytorch_optimizer',
        'mmengine',
        'mmcv',
        'mmdet',
        'mmpretrain',
    ):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    whole = (
        dict(threads=torch.get_num_threads())
        | result
        | dict(command=shlex.join(['python', *sys.argv]), versions=versions)
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(whole, indent=1) + '\n')
