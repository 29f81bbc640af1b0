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
    """Paths by name, each given as a path or as NAME=PATH; alone, a file in a folder of its own goes by both.

    Raises:
        ValueError: a name is given twice.
    """
    pairs = [
        ('', Path(word)) if Path(word).exists() else (name, Path(path))
        for word in words
        for name, _, path in [word.rpartition('=')]
    ]
    stems = [path.stem for name, path in pairs if not name]
    found: dict[str, Path] = {}
    for name, path in pairs:
        name = name or (
            path.stem
            if stems.count(path.stem) == 1
            else f'{path.resolve().parent.name}/{path.stem}'
        )
        if name in found:
            raise ValueError(f"'{name}' is given twice; tell them apart as NAME=PATH.")
        found[name] = path
    return found


def is_run(path: str | Path) -> bool:
    """Whether a path is the work dir of a search that was measured, or its record."""
    return Path(path).name == FILE or Path(path, FILE).is_file()


def compare_masks(files: Mapping[str, str | Path], work_dir: str | Path) -> dict[str, Any]:
    """Hamming distance of every mask to the first one, written to `<work_dir>/stability.json` and drawn layer by layer.

    Args:
        files: name -> a mask file, or a checkpoint of a pruned network, whose mask are the weights other than zero.
    Returns:
        `reference`, and `masks`: name, file, removed, and against the first one hamming, flipped, resized, layers.
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
        rows.append(
            dict(
                name=name,
                file=str(files[name]),
                removed=1 - kept / found.entries,
                hamming=found.value,
                flipped=found.flipped,
                entries=found.entries,
                resized=found.resized,
                layers=found.layers,
            )
        )
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
    """What several searches measured, drawn over their epochs, and every run's stability less the first one's.

    Args:
        folders: name -> work dir with a search.json; names that differ only in '-seedN' are repeats.
        warmup: epochs to shade.
    Returns:
        `original`, `differences` (name -> epochs, h_original - h, their mean) and `pictures`; in stability.json too.
    Raises:
        FileNotFoundError, ValueError: a record is not there, or is none of a search.
    """
    runs = {name: read_records(folder) for name, folder in folders.items()}
    names, out = list(group(runs)), Path(work_dir)
    out.mkdir(parents=True, exist_ok=True)
    pictures = [
        draw_panels(out / f'{file}.png', panels, columns=3).name
        for file, panels in _pictures(runs, names, warmup).items()
        if panels
    ]
    differences = {}
    if 'hamming_first' in _measured(runs):
        means = {
            name: [
                dict(epoch=epoch, hamming_first=value)
                for epoch, value in zip(one.epochs, one.mean, strict=True)
            ]
            for name, one in series(runs, 'hamming_first').items()
        }
        differences = {
            name: asdict(signed_difference(means[names[0]], means[name])) for name in names[1:]
        }
        if {'attacked', 'lambda_max'} <= _measured(runs):
            pictures += [
                preview(out / f'preview_{name}.png', runs, names[0], name, warmup).name
                for name in names[1:]
            ]
    results = dict(original=names[0], differences=differences, pictures=pictures, **_stamps())
    write_json(out / 'stability.json', results)
    return results


def masks_of(path: str | Path) -> dict[str, Tensor]:
    """Layer -> bool mask of a mask file, or of a checkpoint's weights of two and more dimensions: those that are not zero.

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
            f"'{path}' holds no mask: no weight in it is zero; give a pruned checkpoint or a mask file."
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
            f'{path} is not there; train with the hook mmrobustprune.SearchMeasureHook, or give another '
            'folder.'
        )
    content = read_json(path)
    if not isinstance(content, dict) or not content.get('records'):
        raise ValueError(f'{path} holds no measured epoch; train on, or give another folder.')
    return content['records']


def _pictures(runs: Runs, names: Sequence[str], warmup: int) -> dict[str, list[Panel]]:
    """File name -> its panels, of whatever all runs measured."""
    there = _measured(runs)
    stability = [
        curves(title, runs, key, warmup)
        for key, title in (
            ('hamming_first', 'Distance to the first mask'),
            ('hamming_previous', 'Change per epoch'),
            ('displacement_first', 'Displacement of the scores'),
        )
        if key in there
    ]
    if 'hamming_first' in there:
        stability += [
            signed(f'Stability: {name}', runs, names[0], name, warmup=warmup) for name in names[1:]
        ]
    curvature = [
        curves(title, runs, key, warmup)
        for key, title in (
            ('lambda_max', 'Largest curvature'),
            ('residual', 'Residual'),
            ('attacked', 'Robust accuracy'),
        )
        if key in there
    ]
    last = {
        name: [one['loss_difference'] for one in records if one.get('loss_difference')][-1:]
        for name, records in runs.items()
    }
    steep = (
        [
            rises(title, {name: found[0] for name, found in last.items()}, key)
            for key, title in (
                ('value', 'Loss difference, last epoch'),
                ('flipped', 'Changed entries'),
            )
        ]
        if all(last.values())
        else []
    )
    return dict(
        stability=stability,
        sharpness=curvature if 'lambda_max' in there else [],
        loss_difference=steep,
    )


def _measured(runs: Runs) -> set[str]:
    """Keys that every run has a number for."""
    return set.intersection(
        *(
            {
                key
                for one in records
                for key, value in one.items()
                if isinstance(value, (int, float))
            }
            for records in runs.values()
        )
    )


def _aligned(masks: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """A layer that a mask does not name is whole, where the others that name it agree on its shape."""
    every = {layer: mask.shape for one in masks.values() for layer, mask in one.items()}
    shared = set.intersection(*(set(one) for one in masks.values()))
    if not shared:
        raise ValueError(
            f'{" and ".join(masks)} have no layer in common; compare masks of one network.'
        )
    return {
        name: {
            layer: one[layer].cpu() if layer in one else torch.ones(shape, dtype=torch.bool)
            for layer, shape in every.items()
        }
        for name, one in masks.items()
    }


def _stamps() -> dict[str, Any]:
    return dict(versions=stamp.versions(), commit=stamp.commit(), command=stamp.command())
