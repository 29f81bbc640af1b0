"""What a finished search of masks leaves behind: masks.npz, sparsity.json, pruned.py and pruned.pth."""
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmrobustprune.scores.learned import ScoredNetwork, kept_masks, save_masks

from .artifacts import OURS, plain_types
from .probe import unwrap
from .saving import write_whole
from .stamp import command, commit, versions


def write_result(runner, recipe: Any) -> None:
    """The network with plain weights, zeros where the mask is, as any loader reads it; the masks, and how much each layer keeps."""
    folder, model = Path(runner.work_dir), unwrap(runner.model)
    masks = kept_masks(model)
    text = stock_text(getattr(runner, 'user_cfg', runner.cfg))
    meta = dict(dataset_meta=getattr(runner.train_dataloader.dataset, 'metainfo', {}), seed=runner.seed, epoch=runner.epoch,
                iter=runner.iter, recipe=dict(runner.cfg.robust_prune))
    state = {name: value.detach().cpu() for name, value in ScoredNetwork.plain_state(model).items()}
    part = folder / '.pruned.pth.part'
    torch.save(dict(meta=dict(plain_types(meta), cfg=text), state_dict=state), part)
    part.replace(folder / 'pruned.pth')
    save_masks(folder / 'masks.npz', masks, method=recipe.host['type'])
    write_whole(folder / 'pruned.py', text.replace('load_from = None', "load_from = '{{ fileDirname }}/pruned.pth'", 1).encode())
    write_whole(folder / 'sparsity.json', json.dumps(dict(
        sparsity(masks), recipe=plain_types(dict(runner.cfg.robust_prune)), seed=runner.seed, command=command(), commit=commit(),
        versions=versions()), indent=1).encode())
    runner.logger.info(f'{folder}/pruned.py and pruned.pth hold the network with the mask applied, masks.npz the mask.')


def sparsity(masks: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Fraction removed of all prunable weights, and weights and kept ones of each layer."""
    kept = {name: dict(weights=mask.numel(), kept=int(mask.sum())) for name, mask in masks.items()}
    weights = sum(layer['weights'] for layer in kept.values())
    return dict(removed=1 - sum(layer['kept'] for layer in kept.values()) / weights, weights=weights, kept=kept)


def stock_text(cfg: Config) -> str:
    """The user's config for stock tools: a plain classifier, nothing of our Runner, no dense checkpoint to load."""
    plain = {key: copy.deepcopy(value) for key, value in cfg.to_dict().items() if key not in OURS}
    if plain['model'].pop('robust_loss', None) is not None:
        plain['model']['type'] = 'mmpretrain.ImageClassifier'
    plain.update(load_from=None, resume=False)
    return Config(plain, format_python_code=cfg._format_python_code).pretty_text
