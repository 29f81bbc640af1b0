"""The two lines in a zoo's own config: three iterations on random samples, then pruned files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor, nn

from mmrobustprune.engine.runners.prune import PruneRunner

from .samples import RandomSamples
from .zoo import Case

ITERATIONS = 3
BOXES = 16


class Untrainable(ValueError):
    """The zoo itself does not train the network."""


def training_config(case: Case, channels: int, folder: Path, target: float) -> Config:
    """The zoo's config with the two lines, on random samples and without hooks for real data."""
    config = Config(case.read().to_dict(), format_python_code=False)  # which takes seconds
    kind = case.config.partition('::')[0]
    head = config.model.get('head') or {}
    several = 'MultiLabel' in str(head.get('type')) or 'CSRA' in str(head.get('type'))
    _sample_few_boxes(config.model)
    config.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(
            type=f'mmrobustprune.{RandomSamples.__name__}',
            kind=kind,
            size=case.size,
            channels=channels,
            several=several,
        ),
    )
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=ITERATIONS, val_interval=10**6)
    for phase in ('val', 'test'):  # there is no data for either
        for part in ('dataloader', 'cfg', 'evaluator'):
            config[f'{phase}_{part}'] = None
    config.optim_wrapper = _on_any_machine(config.optim_wrapper)
    config.param_scheduler = None
    config.custom_hooks = []
    config.work_dir = str(folder)
    config.experiment_name = folder.name  # mmengine's default is the same within a second
    config.load_from = None
    config.log_level = 'ERROR'
    config.runner_type = 'mmrobustprune.PruneRunner'
    config.robust_prune = dict(recipe='adasap', target=target)
    return config


def _sample_few_boxes(model: Any) -> None:
    """A second stage learns from BOXES of its boxes, not from 512, which take minutes on a core."""
    for value in model.values() if isinstance(model, dict) else model:
        if isinstance(value, (dict, list, tuple)):
            _sample_few_boxes(value)
    if (
        isinstance(model, dict)
        and isinstance(model.get('sampler'), dict)
        and 'num' in model.sampler
    ):
        model.sampler.num = BOXES


def _on_any_machine(wrapper: dict) -> dict:
    """An optim_wrapper in full precision: mixed precision needs an accelerator."""
    plain = {key: value for key, value in wrapper.items() if key not in ('dtype', 'loss_scale')}
    return dict(plain, type='OptimWrapper')


def train(case: Case, channels: int, folder: Path, target: float) -> dict[str, Tensor]:
    """Train by the two lines; pruned.py and pruned.pth lie in the folder afterwards.

    Args:
        case: the config.
        channels: of its images.
        folder: of the files.
        target: the fraction of the parameters that goes.

    Returns:
        The weights at the end.

    Raises:
        Untrainable: a part of the training is not implemented, without the two lines neither.
    """
    config = training_config(case, channels, folder, target)
    runner = PruneRunner.from_cfg(config)
    try:
        runner.train()
    except NotImplementedError:
        _train_without_the_lines(config)
        raise
    return runner.model.state_dict()


def _train_without_the_lines(config: Config) -> None:
    config = config.copy()
    for line in ('runner_type', 'robust_prune'):
        config.pop(line)
    try:
        Runner.from_cfg(config).train()
    except NotImplementedError as said:
        raise Untrainable(f'the zoo itself does not train it: {said}') from said


def load_as_stock(case: Case, folder: Path) -> nn.Module:
    """What the zoo's own loader makes of pruned.py and pruned.pth.

    Raises:
        ValueError: its weights are not those of the file.
    """
    files = [str(folder / name) for name in ('pruned.py', 'pruned.pth')]
    if case.config.startswith('mmdet'):
        from mmdet.apis import init_detector

        model = init_detector(*files, palette='random', device='cpu')  # no data to ask
    else:
        from mmpretrain.apis import get_model

        model = get_model(files[0], pretrained=files[1], device='cpu')
    saved: dict[str, Any] = torch.load(files[1], weights_only=True)['state_dict']
    found = model.state_dict()
    wrong = [key for key in saved if key not in found or not _same(saved[key], found[key])]
    if wrong or found.keys() - saved.keys():
        raise ValueError(f'the stock loader gives other weights than pruned.pth ({wrong[:3]}).')
    return model.eval()


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal; random weights may have diverged to NaN in three steps."""
    if one.shape != other.shape:
        return False
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
