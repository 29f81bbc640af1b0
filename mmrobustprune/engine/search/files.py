"""What a search of masks leaves behind: masks.npz, sparsity.json, pruned.py, pruned.pth, slim/."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmrobustprune.copies import copied
from mmrobustprune.engine.bridge.checkpoint import write_structure
from mmrobustprune.engine.bridge.config import type_name
from mmrobustprune.engine.bridge.model import example_of, unwrap
from mmrobustprune.engine.bridge.runner import given_config
from mmrobustprune.engine.pruning.artifacts import (
    plain_types,
    run_meta,
    stock_config,
    write_config,
    write_weights,
)
from mmrobustprune.engine.pruning.forward import structure_forward
from mmrobustprune.engine.pruning.hook import KEY
from mmrobustprune.mask_search import (
    ScoredNetwork,
    flops_ratio,
    kept_masks,
    make_plain,
    save_masks,
)
from mmrobustprune.recipes.search import MaskSearch
from mmrobustprune.records.files import replacing, write_file
from mmrobustprune.records.stamp import command, commit, versions
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery import remove_unread


def write_result(runner: Runner, recipe: MaskSearch, structure: Structure | None) -> None:
    """The network with plain weights, zeros where the mask is, as any loader reads it; the masks.

    sparsity.json says how much each layer keeps. Where the mask is one of channels, `slim/` has the
    network without the channels that no layer reads any more.

    Args:
        runner: the training, ended.
        recipe: what was asked.
        structure: of the network before the search; None for a dense one.
    """
    folder = Path(runner.work_dir)
    model = unwrap(runner.model)
    masks = kept_masks(model)
    config, meta = write_plain(runner, structure, folder)
    save_masks(folder / 'masks.npz', masks, method=recipe.host['type'], model=model)
    record = dict(
        sparsity(masks),
        recipe=plain_types(dict(runner.cfg.get('robust_prune') or asdict(recipe))),
        seed=runner.seed,
        command=command(),
        commit=commit(),
        versions=versions(),
    )
    if recipe.of_channels and structure is not None:
        runner.logger.warning(
            f'{folder}/slim is not written: channels were removed from this network before the '
            'search.'
        )
    elif recipe.of_channels:
        record.update(_write_slim(runner, recipe.forward, config, meta))
    write_file(folder / 'sparsity.json', json.dumps(record, indent=1).encode())
    runner.logger.info(
        f'{folder}/pruned.py and pruned.pth hold the network with the mask applied, masks.npz the '
        'mask.'
    )


def write_plain(runner: Runner, structure: Structure | None, folder: Path) -> tuple[Config, dict]:
    """pruned.py and pruned.pth of the network as it stands, the mask applied.

    Returns:
        The config, and what the weights come from.
    """
    config = plain_classifier(given_config(runner))
    meta = run_meta(runner)
    state = ScoredNetwork.plain_state(unwrap(runner.model))
    write_network(config, state, meta, structure, folder)
    return config, meta


def write_scores(runner: Runner, search: ScoredNetwork, structure: Structure | None) -> None:
    """mask/scores.pth: the search at the mask that was taken, as its checkpoints hold it."""
    model = unwrap(runner.model)
    raw = {name: value.cpu() for name, value in model.state_dict().items()}
    plain = {name: value.cpu() for name, value in ScoredNetwork.plain_state(model).items()}
    meta = plain_types(run_meta(runner))
    write_structure(meta, structure)
    state = dict(kind='search', stage='search', raw=raw, search=search.state_dict())
    path = Path(runner.work_dir) / 'mask' / 'scores.pth'
    path.parent.mkdir(exist_ok=True)
    with replacing(path, alone=True) as part:
        torch.save({'meta': meta, 'state_dict': plain, KEY: state}, part)


def _write_slim(runner: Runner, forward: str, config: Config, meta: dict) -> dict[str, Any]:
    """The network without unread channels in slim/; what went, what stays and why, and how many
    times fewer operations mask and network have.
    """
    folder = Path(runner.work_dir) / 'slim'
    slim = make_plain(copied(unwrap(runner.model)))
    example = example_of(slim, runner.train_dataloader)
    by_mask = flops_ratio(slim, kept_masks(unwrap(runner.model)), example['inputs'].shape[1:])
    done = remove_unread(slim, example, structure_forward(forward, slim))
    write_network(config, slim.state_dict(), meta, done.structure, folder)
    runner.logger.info(f'{folder}: {done.structure.summary()}')
    for layer, reason in done.left.items():
        runner.logger.info(f'{layer}: {reason}')
    really = 1 / (1 - done.structure.achieved['macs'])
    runner.logger.info(
        f'the mask has {by_mask:.2f} times fewer FLOPs, each layer counted by itself, and the '
        f'network in {folder} {really:.2f} times fewer MACs.'
    )
    return dict(
        slim=done.structure.achieved,
        left=done.left,
        fewer=dict(flops_of_mask=by_mask, macs_of_slim=really),
    )


def write_network(
    config: Config,
    state: dict[str, Tensor],
    meta: dict,
    structure: Structure | None,
    folder: Path,
) -> None:
    """pruned.py and pruned.pth, and structure.json where channels went."""
    text = stock_config(config, structure)
    write_config(text, structure, str(folder))
    state = {name: value.detach().cpu() for name, value in state.items()}
    write_weights(state, meta, structure, text, folder / 'pruned.pth')


def sparsity(masks: dict[str, Tensor]) -> dict[str, Any]:
    """Fraction removed of all prunable weights, and weights and kept ones of each layer."""
    kept = {name: dict(weights=mask.numel(), kept=int(mask.sum())) for name, mask in masks.items()}
    weights = sum(layer['weights'] for layer in kept.values())
    return dict(
        removed=1 - sum(layer['kept'] for layer in kept.values()) / weights,
        weights=weights,
        kept=kept,
    )


def plain_classifier(cfg: Config) -> Config:
    """The config without adversarial training and the measuring of a search.

    Stock tools know neither.
    """
    plain = cfg.to_dict()
    if plain.get('custom_hooks'):
        plain['custom_hooks'] = [
            hook for hook in plain['custom_hooks'] if type_name(hook['type']) != 'SearchMeasureHook'
        ]
    if plain['model'].pop('robust_loss', None) is not None:
        plain['model']['type'] = 'mmpretrain.ImageClassifier'
    return Config(plain, format_python_code=cfg._format_python_code)
