"""The images of a config's test set, to be written corrupted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, init_default_scope

from mmrobustprune.corruption import get_suite
from mmrobustprune.corruption.workers import Progress
from mmrobustprune.corruption.write import write_tree
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import image_sizes, infos_of

from .metrics import Sizes, check_sizes, suite_name


def write_test_set(
    config: str | Path | Config,
    out: str | Path,
    suite: str | None = None,
    corruptions: str | Sequence[str] | None = None,
    severities: int | Sequence[int] | None = None,
    seed: int | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict:
    """Write the test images of any mmdet or mmpretrain config under a corruption suite.

    See `corruption.write.write_tree`.

    Args:
        config: a path, or a config that was read.
        out: the tree's folder.
        suite, corruptions, severities, seed: by default those of the config's `robust_eval`;
            without it the suite that goes with its evaluator and image sizes, all its cells, seed
            0.
        workers: processes.
        progress: called after every image.
    Returns:
        The manifest.
    Raises:
        FileNotFoundError: the config is not there.
        ValueError: no test set, images that are not loaded as 8-bit colour, what `write_tree`
            refuses.
        OSError: as `write_tree`.
    """
    config = as_config(config)
    own = dict(config.get('robust_eval') or {})
    dataset = _test_set(config)
    images = _images(dataset)
    sizes = image_sizes(dataset)
    name = suite or own.get('suite', 'auto')
    chosen = get_suite(_default_suite(config, sizes) if name == 'auto' else name)
    check_sizes(chosen, sizes)
    cells = chosen.choose(
        own.get('corruptions') if corruptions is None else corruptions,
        own.get('severities') if severities is None else severities,
    )
    seed = own.get('seed', 0) if seed is None else seed
    return write_tree(images, out, chosen, cells, seed, workers, progress)


def test_images(config: Config) -> list[str] | list[np.ndarray]:
    """The images of a config's test set in its order.

    Returns:
        Files, each once, or uint8 RGB arrays (H, W, 3).
    Raises:
        ValueError: no test set or no image in it, or images that are not loaded as OpenCV's 8-bit
            colour.
    """
    return _images(_test_set(config))


test_images.__test__ = False  # no test, for pytest


def _test_set(config: Config) -> Any:
    dataset = (config.get('test_dataloader') or {}).get('dataset')
    if not dataset:
        raise ValueError('the config has no test_dataloader.dataset; add it.')
    for loading in _loading(dataset):
        for key, usual in (('imdecode_backend', 'cv2'), ('color_type', 'color')):
            if loading.get(key, usual) not in (usual, None):
                raise ValueError(
                    f"the test pipeline loads images with {key}='{loading[key]}', so those read "
                    f"back would differ; set it to '{usual}', or corrupt while evaluating."
                )
    init_default_scope(config.get('default_scope') or 'mmengine')
    return DATASETS.build(dataset)


def _images(dataset: Any) -> list[str] | list[np.ndarray]:
    images = [_image(info) for info in infos_of(dataset)]
    if not images:
        raise ValueError('the test set has no image; check its ann_file and data_root.')
    return images if isinstance(images[0], np.ndarray) else list(dict.fromkeys(images))


def _image(data: Mapping[str, Any]) -> str | np.ndarray:
    if isinstance(data.get('img'), np.ndarray):
        return data['img']
    if data.get('img_path'):
        return os.fspath(data['img_path'])
    raise ValueError(
        "the test set gives neither 'img' nor 'img_path' for image "
        f'{data.get("sample_idx", "?")}; use a data set of mmdet or mmpretrain.'
    )


def _loading(part: Any) -> Iterator[Mapping[str, Any]]:
    """The loading transforms anywhere in a data set's config."""
    if isinstance(part, Mapping):
        if str(part.get('type', '')).endswith('LoadImageFromFile'):
            yield part
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        for inner in part:
            yield from _loading(inner)


def _default_suite(config: Config, sizes: Sizes) -> str:
    """What suite='auto' means."""
    if not config.get('test_evaluator'):
        raise ValueError('the config has no test_evaluator to choose a suite by; give --suite.')
    kind = config.test_dataloader.dataset.type
    name = kind if isinstance(kind, str) else kind.__name__
    return suite_name(Evaluator(config.test_evaluator), sizes, name.rsplit('.', 1)[-1])
