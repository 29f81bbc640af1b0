"""Masks in a file: one bit per weight, with the layers they belong to."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import weighted_layers
from mmrobustprune.records.bits import pack_bits, unpack_bits
from mmrobustprune.records.files import replacing
from mmrobustprune.records.stamp import own_versions

from .layers import check_masks

FORMAT = 1


def save_masks(
    path: str | os.PathLike,
    masks: Mapping[str, Tensor],
    method: str = '',
    model: nn.Module | None = None,
    **facts: float | str,
) -> None:
    """Write {layer: bool mask} as an .npz file that holds no code, whole or not at all.

    Args:
        masks: each of its weight's shape.
        method: how they were found.
        model: their network; its layers without a mask are noted, so that a larger network is told
            from it.
        facts: anything else worth keeping beside them (epoch, seed, target).
    """
    shapes = {name: list(mask.shape) for name, mask in masks.items()}
    dense = None if model is None else _dense(model, masks)
    header = dict(
        format=FORMAT,
        method=method,
        facts=facts,
        layers=shapes,
        dense=dense,
        versions=own_versions(),
    )
    bits = {f'mask/{name}': pack_bits(mask).numpy() for name, mask in masks.items()}
    with replacing(path) as part, part.open('wb') as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), **bits)


def load_masks(
    path: str | os.PathLike, model: nn.Module | None = None
) -> tuple[dict[str, Tensor], dict]:
    """The masks of a file and its header.

    Returns:
        {layer: bool mask of its weight's shape}, and format, method, facts, layers, dense,
        versions.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another kind; with `model`, masks of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no mask file '{path}'; it is what save_masks wrote.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(str(stored['header']))
            masks = {
                name: unpack_bits(torch.from_numpy(stored[f'mask/{name}']), shape)
                for name, shape in header['layers'].items()
            }
            known = header['format'] == FORMAT
            dense = header['dense'] if known else None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as problem:
        raise ValueError(
            f"'{path}' is not a mask file ({type(problem).__name__}); give one that save_masks "
            'wrote.'
        ) from problem
    if not known:
        raise ValueError(
            f"'{path}' has mask format {header['format']!r} and this version reads {FORMAT}; use "
            'the version that wrote it.'
        )
    if model is not None:
        check_masks(model, masks)
        here = _dense(model, masks)
        dense = here if dense is None else dense
        other = [name for name in sorted({*here, *dense}) if here.get(name) != dense.get(name)]
        if other:
            raise ValueError(
                f"the masks of '{path}' are of another network: '{other[0]}' has a weight of shape "
                f'{dense.get(other[0])} there and {here.get(other[0])} here; give the masks that '
                'were searched on it.'
            )
    return masks, header


def _dense(model: nn.Module, masks: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """The shapes of the weights that have no mask."""
    return {
        name: list(layer.weight.shape)
        for name, layer in weighted_layers(model).items()
        if name not in masks
    }
