"""What tools/train.py and tools/test.py share: a config, read as upstream does, and its Runner."""

from __future__ import annotations

import argparse
import os
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmrobustprune.engine.bridge.config import load_config, parse_options
from mmrobustprune.engine.bridge.runner import NO_TEST

from .train import TrainRunner

FLIP_META = 'img_id img_path ori_shape img_shape scale_factor flip flip_direction'.split()


def read_config(args: argparse.Namespace) -> Config:
    """The config with the options of the command line in it.

    Raises:
        FileNotFoundError, ValueError: as `load_config`.
    """
    path = args.config
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = load_config(path)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(path).stem))
    if cfg.get('default_scope') == 'mmpretrain':
        _set_loader_defaults(cfg)
    cfg.merge_from_dict(parse_options(args.cfg_options))
    return cfg


def _set_loader_defaults(cfg: Config) -> None:
    """mmpretrain's own scripts add these to every loader."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader:
            loader.setdefault('pin_memory', True)
            loader.setdefault('collate_fn', dict(type='default_collate'))
            loader.setdefault('persistent_workers', loader.get('num_workers', 0) > 0)


def amp_wrapper(wrapper: dict) -> dict:
    """An optim_wrapper config in its mixed-precision form, ours for ours.

    Raises:
        ValueError: a wrapper that has no such form.
    """
    kind = wrapper.get('type', 'OptimWrapper')
    full = kind if isinstance(kind, str) else f'{kind.__module__.partition(".")[0]}.{kind.__name__}'
    scope, _, name = full.rpartition('.')
    if not name.endswith('OptimWrapper') or name.startswith('Apex'):
        raise ValueError(
            f"--amp has no form of optim_wrapper.type '{full}'; use OptimWrapper, AmpOptimWrapper "
            'or a wrapper of mmrobustprune, or leave --amp away.'
        )
    name = name if name.startswith('Amp') else f'Amp{name}'
    scope = 'mmrobustprune' if scope.startswith('mmrobustprune') else ''
    return dict(dict(loss_scale='dynamic'), **dict(wrapper, type=f'{scope}.{name}'.lstrip('.')))


def add_test_time_augmentation(cfg: Config) -> None:
    """The config's own TTA, or horizontal flips.

    Raises:
        ValueError: the config has no test set.
    """
    if not cfg.get('test_dataloader'):
        raise ValueError(NO_TEST)
    detection = cfg.get('default_scope') == 'mmdet'
    data = cfg.test_dataloader.dataset
    while 'dataset' in data:
        data = data.dataset
    if 'tta_model' not in cfg:
        nms = dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)
        flipped = dict(type='DetTTAModel', tta_cfg=nms)
        cfg.tta_model = flipped if detection else dict(type='mmpretrain.AverageClsScoreTTA')
    if 'tta_pipeline' not in cfg:
        pack = deepcopy(data.pipeline[-1])
        if detection:
            pack.meta_keys = tuple(FLIP_META)
        flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
        cfg.tta_pipeline = [
            *deepcopy(data.pipeline[:-1]),
            dict(type='TestTimeAug', transforms=[flips, [pack]]),
        ]
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    data.pipeline = cfg.tta_pipeline


def show_predictions(cfg: Config, show: bool, folder: str | None, wait: float) -> None:
    """Let the config's VisualizationHook paint the predictions.

    Raises:
        ValueError: the config has none.
    """
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError(
            '--show and --show-dir need default_hooks.visualization in the config; add '
            "dict(type='VisualizationHook') there."
        )
    detection = cfg.get('default_scope') == 'mmdet'
    hook.update(
        {
            'draw' if detection else 'enable': True,
            'test_out_dir' if detection else 'out_dir': folder,
        },
        show=show,
        wait_time=wait,
    )


def dump_predictions(runner: Runner, path: str) -> None:
    """Let the test write its predictions to a .pkl file."""
    if runner.cfg.get('default_scope') == 'mmdet':
        from mmdet.evaluation import DumpDetResults as Dump
    else:
        from mmengine.evaluator import DumpResults as Dump
    runner.test_evaluator.metrics.append(Dump(out_file_path=path))


def build_runner(cfg: Config) -> Runner:
    """The Runner that the config names, or `TrainRunner`."""
    return RUNNERS.build(cfg) if cfg.get('runner_type') else TrainRunner.from_cfg(cfg)
