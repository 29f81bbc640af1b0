"""Accuracy under natural shift: ImageNet's validation set against ImageNet-V2."""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmrobustprune.corruption.metrics import ratio
from mmrobustprune.datasets.imagenet_v2 import FOLDERS
from mmrobustprune.engine.bridge.checkpoint import read_checkpoint
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import fingerprint
from mmrobustprune.engine.bridge.runner import RebuildRunner
from mmrobustprune.naming import unknown
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.records.store import CellStore

from .metrics import main_metric

_serial = itertools.count()
CLEAN = ('imagenet', 0)


def imagenet_v2(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    data_root: str | Path,
    variants: Sequence[str] = tuple(FOLDERS),
    metainfo: dict | None = None,
) -> dict[str, Any]:
    """Accuracy on the config's own test set and on ImageNet-V2, and R_V2 = V2 / own.

    As in arXiv 2306.14306 and 1902.10811. Every finished test set is kept in `<work_dir>/cells`,
    and the same call goes on from there; the results are written to `<work_dir>/imagenet_v2.json`.

    Args:
        config: of an ImageNet classifier of mmpretrain; it is not changed.
        checkpoint: dense or pruned weights.
        data_root: folder of the unpacked variants.
        variants: of `datasets.imagenet_v2.FOLDERS`.
        metainfo: other classes, for other trees of that layout.
    Returns:
        `clean`, `variants` (name -> accuracy), `R_V2` (name -> ratio), `metric`, and what they
        depend on.
    Raises:
        FileNotFoundError, ValueError: config, checkpoint or data are not there, or cells of another
            run in the work dir.
    """
    config = as_config(config)
    config.work_dir = str(work_dir)
    config.load_from = str(checkpoint)
    config.resume = False
    if not config.get('test_dataloader'):
        raise ValueError('the config has no test_dataloader; add it.')
    # as mmpretrain's own test script does
    config.test_dataloader.setdefault('collate_fn', dict(type='default_collate'))
    for name in variants:
        if name not in FOLDERS:
            raise unknown('variant of ImageNet-V2', name, FOLDERS)
        if not (Path(data_root) / FOLDERS[name]).is_dir():
            raise FileNotFoundError(
                f'{Path(data_root) / FOLDERS[name]} is not there; give data_root the folder of the '
                'unpacked variants, or fewer variants.'
            )
    content = read_checkpoint(str(checkpoint))
    state = content.get('state_dict', content)  # some files are the weights alone
    whole = config.to_dict()
    settings = {
        key: whole.get(key) for key in ('model', 'data_preprocessor', 'test_evaluator', 'test_cfg')
    }
    settings |= dict(
        test_dataloader=stamp.loader_settings(whole['test_dataloader']), metainfo=metainfo
    )
    store = CellStore(
        Path(work_dir) / 'cells',
        dict(
            weights=stamp.state_hash(state),
            config=stamp.config_hash(settings),
            data_root=str(data_root),
            versions=stamp.versions(),
        ),
    )
    sets = {CLEAN: None, **{(name, 0): name for name in variants}}
    found = store.read(sets)
    for cell, variant in sets.items():
        runner = _runner(config, data_root, variant, metainfo)
        data = fingerprint(runner.test_loop.dataloader.dataset)
        if cell in found and found[cell].get('data') != data:
            print_log(
                f'images or labels of {cell[0]} have changed since; it is measured again.',
                'current',
                logging.WARNING,
            )
        if cell not in found or found[cell].get('data') != data:
            store.write(cell, dict(runner.test(), data=data))
    found = store.read(sets)
    metric = main_metric(found[CLEAN])
    accuracy = {name: found[(name, 0)][metric] for name in variants}
    results = dict(
        metric=metric,
        clean=found[CLEAN][metric],
        variants=accuracy,
        R_V2={name: ratio(value, found[CLEAN][metric]) for name, value in accuracy.items()},
        data={name: found[(name, 0)]['data'] for name in (CLEAN[0], *variants)},
        checkpoint=str(checkpoint),
        versions=stamp.versions(),
        commit=stamp.commit(),
        command=stamp.command(),
    )
    write_json(Path(work_dir) / 'imagenet_v2.json', results)
    return results


def _runner(
    config: Config, data_root: str | Path, variant: str | None, metainfo: dict | None
) -> RebuildRunner:
    config = copy.deepcopy(config)
    config.experiment_name = f'natural_shift_{next(_serial)}'
    if variant is not None:
        dataset = dict(
            type='mmrobustprune.ImageNetV2',
            data_root=str(data_root),
            variant=variant,
            pipeline=config.test_dataloader.dataset.pipeline,
        )
        config.test_dataloader.dataset = dict(dataset, metainfo=metainfo) if metainfo else dataset
    config.pop('robust_eval', None)
    return RebuildRunner.from_cfg(config)
