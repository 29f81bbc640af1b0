"""What a number depends on beside the model: versions, device, commit, command."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

import mmrobustprune

_IMAGING = (  # what corrupted images depend on
    'numpy',
    'scipy',
    'opencv-python',
    'opencv-python-headless',
    'pillow',
    'numba',
    'imagecorruptions',
    'imagecorruptions-imaug',
)
OPENMMLAB = (  # upstream's and the fork's, which have the same modules
    'mmengine',
    'mmcv',
    'mmcv-lite',
    'mmdet',
    'mmpretrain',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmdetection',
    'onedl-mmpretrain',
)
_EVALUATION = (*_IMAGING, 'scikit-image', *OPENMMLAB)
_SPEED_ONLY = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')


def own_versions() -> dict[str, str]:
    """The versions of this package and of torch, on which the result of every surgery depends."""
    return {'mmrobustprune': mmrobustprune.__version__, 'torch': str(torch.__version__)}


def versions() -> dict[str, str]:
    """Distribution name -> version of everything that the numbers of an evaluation depend on."""
    return own_versions() | installed(_EVALUATION)


def imaging_versions() -> dict[str, str]:
    """Distribution name -> version of everything that the pixels of corrupted images depend on."""
    return {'mmrobustprune': mmrobustprune.__version__} | installed(_IMAGING)


def installed(distributions: Iterable[str]) -> dict[str, str]:
    """Distribution name -> version of those that are installed."""
    found = {}
    for name in distributions:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def commit() -> str | None:
    """The package's commit, '-dirty' with uncommitted changes; None outside a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(
            ['git', '-C', str(Path(mmrobustprune.__file__).parent), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        dirty = git('status', '--porcelain', '--', '.')
        return git('rev-parse', 'HEAD') + ('-dirty' if dirty else '')
    except (OSError, subprocess.SubprocessError):
        return None


def command() -> str:
    """The command line of this process, to be typed again."""
    return shlex.join([Path(sys.executable).name, *sys.argv])


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU where it has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device('cpu'))


def device_name(model: nn.Module) -> str:
    """'cpu', or the GPU's name."""
    device = device_of(model)
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else device.type


def loader_settings(
    loader: Mapping[str, Any] | None, without: Collection[str] = ()
) -> dict[str, Any]:
    """A dataloader's config less what changes its speed alone, and less the fields named."""
    return {
        key: value for key, value in (loader or {}).items() if key not in (*_SPEED_ONLY, *without)
    }


def weights_hash(model: nn.Module) -> str:
    """blake2b of every parameter and buffer under its name, whatever file they came from."""
    return state_hash(model.state_dict())


def state_hash(state: Mapping[str, torch.Tensor]) -> str:
    """As `weights_hash`, of a state dict."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(state.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def config_hash(config: Mapping[str, Any]) -> str:
    """blake2b of a config's content, whatever the order of its keys."""
    text = json.dumps(
        config, sort_keys=True, default=lambda value: getattr(value, '__qualname__', str(value))
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
