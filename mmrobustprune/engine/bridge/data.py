"""What a data set is, for comparisons of numbers made on it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np


def fingerprint(dataset: Any) -> str:
    """blake2b of the image list and its annotations, wherever they lie."""
    digest = hashlib.blake2b(digest_size=16)
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        name = '/'.join(Path(str(info.get('img_path', index))).parts[-2:])
        image = info['img'].tobytes() if isinstance(info.get('img'), np.ndarray) else b''
        truth = [info.get('gt_label')] + [
            [one.get('bbox'), one.get('bbox_label'), one.get('ignore_flag')]
            for one in info.get('instances') or ()
        ]
        digest.update(f'{name} {_plain(truth)}'.encode() + image)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Lists and numbers whatever they were, so that equal annotations read equal."""
    if hasattr(value, 'tolist'):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, (int, float)) else value
