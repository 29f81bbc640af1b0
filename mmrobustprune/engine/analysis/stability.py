"""How far masks of one network are from each other, and what was measured along whole searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmrobustprune.analysis import hamming, signed_difference
from mmrobustprune.engine.bridge.checkpoint import read_checkpoint
from mmrobustprune.engine.search.measure_hook import FILE
from mmrobustprune.mask_search import load_masks
from mmrobustprune.records import stamp
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.report.figures.layer_bars import layer_bars
from mmrobustprune.report.figures.search_plots import (
    Panel,
    curves,
    draw_panels,
    preview,
    rises,
    signed,
)
from mmrobustprune.report.figures.search_series import Runs, group, series


def named_paths(words: Sequence[str]) -> dict[str, Path]:
    """Paths by name, each given as a path or as NAME=PATH.

    A path alone is named by its stem, with its folder before it where several have that stem.

    Raises:
        ValueError: a name is given twice.
    """
    pairs = [_named_path(word) for word in words]
    stems = [path.stem for name, path in pairs if not name]
    found: dict[str, Path] = {}
    for name, path in pairs:
        if not name:
            folder = path.resolve().parent.name
            name = path.stem if stems.count(path.stem) == 1 else f'{folder}/{path.stem}'
        if name in found:
            raise ValueError(f"'{name}' is given twice; tell them apart as NAME=PATH.")
        found[name] = path
    return found


def _named_path(word: str) -> tuple[str, Path]:
    """NAME=PATH in two; the name is '' where a path is given alone."""
    if Path(word).exists():
        return '', Path(word)
    name, _, path = word.rpartition('=')
    return name, Path(path)


def is_run(path: str | Path) -> bool:
    """Whether a path is the work dir of a search that was measured, or its record."""
    return Path(path).name == FILE or Path(path, FILE).is_file()


def compare_masks(files: Mapping[str, str | Path], work_dir: str | Path) -> dict[str, Any]:
    """Hamming distance of every mask to the first one, in `<work_dir>/stability.json` and a figure.

    Args:
        files: name -> a mask file, or a checkpoint of a pruned network, whose mask are the weights
            other than zero.
        work_dir: for the results.
    Returns:
        `reference`, and `masks`: name, file, removed, and against the first one hamming, flipped,
        resized, layers.
    Raises:
        FileNotFoundError: a file is not there.
        ValueError: fewer than two files, one that holds no mask, masks of two networks.
    """
    if len(files) < 2:
        raise ValueError(f'{len(files)} mask was given; a distance needs two or more.')
    masks = _aligned({name: masks_of(path) for name, path in files.items()})
    first = next(iter(masks))
    rows = []
    for name, mask in masks.items():
        found = hamming(masks[first], mask)
        kept = sum(int(one.sum()) for one in mask.values())
        row = dict(
            name=name,
            file=str(files[name]),
            removed=1 - kept / found.entries,
            hamming=found.value,
            flipped=found.flipped,
            entries=found.entries,
            resized=found.resized,
            layers=found.layers,
        )
        rows.append(row)
    results = dict(reference=first, masks=rows, **_stamps())
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    write_json(Path(work_dir) / 'stability.json', results)
    layer_bars(
        Path(work_dir) / 'stability.png',
        {row['name']: row['layers'] for row in rows[1:]},
        {row['name']: row['hamming'] for row in rows[1:]},
        f'Hamming distance to {first}',
    )
    return results


def compare_runs(
    folders: Mapping[str, str | Path], work_dir: str | Path, warmup: int = 0
) -> dict[str, Any]:
    """What several searches measured, drawn over their epochs, and their stability compared.

    Args:
        folders: name -> work dir with a search.json; names that differ only in '-seedN' are
            repeats.
        work_dir: for the results.
        warmup: epochs to shade.
    Returns:
        `original`, `differences` (name -> epochs, h_original - h, their mean) and `pictures` (the
        figures' names); in stability.json too.
    Raises:
        FileNotFoundError, ValueError: a record is not there, or is none of a search.
    """
    runs = {name: read_records(folder) for name, folder in folders.items()}
    names = list(group(runs))
    out = Path(work_dir)
    out.mkdir(parents=True, exist_ok=True)
    figures = []
    for file, panels in _figures(runs, names, warmup).items():
        if panels:
            figures.append(draw_panels(out / f'{file}.png', panels, columns=3).name)
    measured = _measured(runs)
    differences = _differences(runs, names) if 'hamming_first' in measured else {}
    if {'hamming_first', 'attacked', 'lambda_max'} <= measured:
        for name in names[1:]:
            path = out / f'preview_{name}.png'
            figures.append(preview(path, runs, names[0], name, warmup).name)
    results = dict(original=names[0], differences=differences, pictures=figures, **_stamps())
    write_json(out / 'stability.json', results)
    return results


def _differences(runs: Runs, names: Sequence[str]) -> dict[str, dict]:
    """Stability of every group of runs less that of the first one, epoch by epoch."""
    means = {}
    for name, one in series(runs, 'hamming_first').items():
        pairs = zip(one.epochs, one.mean, strict=True)
        means[name] = [dict(epoch=epoch, hamming_first=value) for epoch, value in pairs]
    first = means[names[0]]
    return {name: asdict(signed_difference(first, means[name])) for name in names[1:]}


def masks_of(path: str | Path) -> dict[str, Tensor]:
    """Layer -> bool mask of a mask file, or of a checkpoint's weights that are not zero.

    Of a checkpoint those of two and more dimensions.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it holds no mask.
    """
    if Path(path).suffix == '.npz':
        return load_masks(path)[0]
    state = read_checkpoint(str(path))
    state = state.get('state_dict', state)
    masks = {
        name.removesuffix('.weight'): value != 0
        for name, value in state.items()
        if name.endswith('.weight') and isinstance(value, Tensor) and value.ndim > 1
    }
    if all(mask.all() for mask in masks.values()):
        raise ValueError(
            f"'{path}' holds no mask: no weight in it is zero; give a mask file, or a checkpoint "
            'whose pruned weights are zero and not yet removed.'
        )
    return masks


def read_records(folder: str | Path) -> list[dict[str, Any]]:
    """The records of a measured search.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file holds something else.
    """
    path = Path(folder) if Path(folder).name == FILE else Path(folder, FILE)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is not there; train with the hook mmrobustprune.SearchMeasureHook, or give '
            'another folder.'
        )
    content = read_json(path)
    if not isinstance(content, dict) or not content.get('records'):
        raise ValueError(f'{path} holds no measured epoch; train on, or give another folder.')
    return content['records']


_STABILITY = {
    'hamming_first': 'Distance to the first mask',
    'hamming_previous': 'Change per epoch',
    'displacement_first': 'Displacement of the scores',
}
_CURVATURE = {
    'lambda_max': 'Largest curvature',
    'residual': 'Residual',
    'attacked': 'Robust accuracy',
}


def _figures(runs: Runs, names: Sequence[str], warmup: int) -> dict[str, list[Panel]]:
    """File name -> its panels, of whatever all runs measured."""
    there = _measured(runs)
    stability = [
        curves(title, runs, key, warmup) for key, title in _STABILITY.items() if key in there
    ]
    if 'hamming_first' in there:
        for name in names[1:]:
            title = f'Stability: {name}'
            stability.append(signed(title, runs, names[0], name, warmup=warmup))
    curvature = []
    if 'lambda_max' in there:
        curvature = [
            curves(title, runs, key, warmup) for key, title in _CURVATURE.items() if key in there
        ]
    return dict(stability=stability, sharpness=curvature, loss_difference=_steep(runs))


def _steep(runs: Runs) -> list[Panel]:
    """Loss differences of the last measured epoch, where every run has them."""
    last = {}
    for name, records in runs.items():
        found = [one['loss_difference'] for one in records if one.get('loss_difference')]
        if not found:
            return []
        last[name] = found[-1]
    titles = {'value': 'Loss difference, last epoch', 'flipped': 'Changed entries'}
    return [rises(title, last, key) for key, title in titles.items()]


def _measured(runs: Runs) -> set[str]:
    """Keys that every run has a number for."""
    found = []
    for records in runs.values():
        keys: set[str] = set()
        for one in records:
            keys.update(key for key, value in one.items() if isinstance(value, (int, float)))
        found.append(keys)
    return set.intersection(*found)


def _aligned(masks: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """All masks over the same layers; one that a mask does not name keeps every weight."""
    shapes: dict[str, torch.Size] = {}
    for one in masks.values():
        shapes |= {layer: mask.shape for layer, mask in one.items()}
    shared = set.intersection(*(set(one) for one in masks.values()))
    if not shared:
        raise ValueError(
            f'{" and ".join(masks)} have no layer in common; compare masks of one network.'
        )
    aligned = {}
    for name, one in masks.items():
        kept = {layer: torch.ones(shape, dtype=torch.bool) for layer, shape in shapes.items()}
        aligned[name] = kept | {layer: mask.cpu() for layer, mask in one.items()}
    return aligned


def _stamps() -> dict[str, Any]:
    return dict(versions=stamp.versions(), commit=stamp.commit(), command=stamp.command())
