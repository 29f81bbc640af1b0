"""What a search of masks leaves behind: masks.npz, sparsity.json, pruned.py and pruned.pth, with the mask alone too, and slim."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmrobustprune.engine.bridge.config import type_name
from mmrobustprune.engine.bridge.model import example_of, tensor_forward, unwrap
from mmrobustprune.engine.pruning.artifacts import (
    plain_types,
    run_meta,
    stock_config,
    write_config,
    write_weights,
)
from mmrobustprune.mask_search import ScoredNetwork, kept_masks, make_plain, save_masks
from mmrobustprune.records.files import write_file
from mmrobustprune.records.stamp import command, commit, versions
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery import remove_unread


def write_result(runner, recipe: Any) -> None:
    """The network with plain weights, zeros where the mask is, as any loader reads it; the masks, and how much each layer keeps.

    Where the mask is one of channels, `slim/` has the network without the channels that no layer reads any more.
    """
    folder, model = Path(runner.work_dir), unwrap(runner.model)
    masks, (config, meta) = kept_masks(model), write_plain(runner, folder)
    save_masks(folder / 'masks.npz', masks, method=recipe.host['type'], model=model)
    record = dict(
        sparsity(masks),
        recipe=plain_types(dict(runner.cfg.robust_prune)),
        seed=runner.seed,
        command=command(),
        commit=commit(),
        versions=versions(),
    )
    if recipe.of_channels and runner.structure is not None:
        runner.logger.warning(
            f'{folder}/slim is not written: channels were removed from this network before the search.'
        )
    elif recipe.of_channels:
        record.update(write_slim(runner, model, config, meta, folder / 'slim'))
    write_file(folder / 'sparsity.json', json.dumps(record, indent=1).encode())
    runner.logger.info(
        f'{folder}/pruned.py and pruned.pth hold the network with the mask applied, masks.npz the mask.'
    )


def write_plain(runner, folder: Path) -> tuple[Config, dict]:
    """pruned.py and pruned.pth of the network as it stands, the mask applied; returns the config and what the weights come from."""
    config, meta = plain_classifier(getattr(runner, 'user_cfg', runner.cfg)), run_meta(runner)
    write_network(
        config, ScoredNetwork.plain_state(unwrap(runner.model)), meta, runner.structure, folder
    )
    return config, meta


def write_slim(
    runner, model: nn.Module, config: Config, meta: dict, folder: Path
) -> dict[str, Any]:
    """structure.json, pruned.py and pruned.pth of the network without unread channels; what went, and what stays and why."""
    slim = make_plain(copy.deepcopy(model))
    example = example_of(slim, runner.train_dataloader)
    done = remove_unread(slim, example, tensor_forward)
    write_network(config, slim.state_dict(), meta, done.structure, folder)
    runner.logger.info(f'{folder}: {done.structure.summary()}')
    for layer, reason in done.left.items():
        runner.logger.info(f'{layer}: {reason}')
    return dict(slim=done.structure.achieved, left=done.left)


def write_network(
    config: Config,
    state: dict[str, torch.Tensor],
    meta: dict,
    structure: Structure | None,
    folder: Path,
) -> None:
    """pruned.py and pruned.pth, and structure.json where channels went."""
    text = stock_config(config, structure)
    write_config(text, structure, str(folder))
    write_weights(
        {name: value.detach().cpu() for name, value in state.items()},
        meta,
        structure,
        text,
        folder / 'pruned.pth',
    )


def sparsity(masks: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Fraction removed of all prunable weights, and weights and kept ones of each layer."""
    kept = {name: dict(weights=mask.numel(), kept=int(mask.sum())) for name, mask in masks.items()}
    weights = sum(layer['weights'] for layer in kept.values())
    return dict(
        removed=1 - sum(layer['kept'] for layer in kept.values()) / weights,
        weights=weights,
        kept=kept,
    )


def plain_classifier(cfg: Config) -> Config:
    """The config without adversarial training and without the measuring of a search, which stock tools do not know."""
    plain = cfg.to_dict()
    if plain.get('custom_hooks'):
        plain['custom_hooks'] = [
            hook for hook in plain['custom_hooks'] if type_name(hook['type']) != 'SearchMeasureHook'
        ]
    if plain['model'].pop('robust_loss', None) is not None:
        plain['model']['type'] = 'mmpretrain.ImageClassifier'
    return Config(plain, format_python_code=cfg._format_python_code)
