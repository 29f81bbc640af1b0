"""The configurations that are tried, and their networks without pretrained weights."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmrobustprune.engine.bridge.config import find_config, load_config
from mmrobustprune.models.pruned import without_pretrained


@dataclass(frozen=True)
class Case:
    """One configuration of a zoo.

    Attributes:
        config: `package::family/file.py`.
        size: height and width in pixels of the image that it is tried with.
        kind: 'cnn', 'transformer' or 'mlp' (or another that mixes tokens), which sets the goal.
    """

    config: str
    size: int
    kind: str = 'cnn'

    @property
    def family(self) -> str:
        """Package and family, `mmdet::atss`."""
        return self.config.rpartition('/')[0]

    @property
    def name(self) -> str:
        """The name of its record, without a suffix."""
        return self.config.replace('::', '_').replace('/', '_').removesuffix('.py')

    def read(self) -> Config:
        """The config, which loads no pretrained weights."""
        config = load_config(self.config)
        config.model = without_pretrained(config.model)
        _use_local_teacher(config.model)
        return config

    def build(self, seed: int = 0) -> nn.Module:
        """The network with random weights, in evaluation mode."""
        config = self.read()
        init_default_scope(config.get('default_scope') or 'mmengine')
        preprocessor = config.get('data_preprocessor')
        if preprocessor is not None and config.model.get('data_preprocessor') is None:
            config.model.data_preprocessor = preprocessor
        torch.manual_seed(seed)
        model: Any = MODELS.build(config.model)
        model.init_weights()
        return model.eval()


def _use_local_teacher(model: dict) -> None:
    """The teacher of a distillation has random weights, and its config comes from the package."""
    for key in ('teacher_config', 'teacher'):
        if isinstance(model.get(key), str):
            model[key] = str(find_config(model[key].replace('configs/', 'mmdet::', 1)))
    for key in ('teacher_ckpt', 'teacher_checkpoint'):
        if key in model:
            model[key] = None


def read_cases(path: str | Path, only: str = '', part: tuple[int, int] = (0, 1)) -> list[Case]:
    """The configurations of a CSV file with the columns `config`, `size` and `kind`.

    Args:
        path: of the file.
        only: a pattern of names; '' is all.
        part: (k, n), every n-th of them from the k-th on.

    Raises:
        ValueError: nothing matches.
    """
    with open(path, newline='') as file:
        every = [Case(row['config'], int(row['size']), row['kind']) for row in csv.DictReader(file)]
    found = [case for case in every if not only or fnmatchcase(case.config, f'*{only}*')]
    first, step = part
    if not found[first::step]:
        raise ValueError(
            f"--only '{only}' and --part {first}/{step} leave none of the {len(every)} "
            f'configurations of {path}; give a part of a name that is in it.'
        )
    return found[first::step]
