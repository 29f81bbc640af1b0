"""What a benchmark measured, kept as JSON with what the figures depend on."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import torch

from mmrobustprune.records.stamp import installed

_DEPENDENCIES = (
    'torch',
    'torchvision',
    'pytorch_optimizer',
    'mmengine',
    'mmcv',
    'mmcv-lite',
    'mmdet',
    'mmpretrain',
)


def keep(file: Path | None, **result: object) -> None:
    """Write the result with threads, versions and the command that repeats it.

    Nothing is written where no file is named.
    """
    if file is None:
        return
    about = dict(command=shlex.join(['python', *sys.argv]), versions=installed(_DEPENDENCIES))
    whole = dict(threads=torch.get_num_threads()) | result | about
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(whole, indent=1) + '\n')
