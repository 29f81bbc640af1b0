"""Files of a finished pruning: structure.json, pruned.py, pruned.pth; the config that stock loaders read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from torch import Tensor

from mmrobustprune.engine.bridge.checkpoint import META
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.records.files import replacing, write_file
from mmrobustprune.structure.record import Structure, save_structure

OURS = ('runner_type', 'robust_prune', 'robust_eval', 'work_dir')


def stock_config(cfg: Config, structure: Structure | None) -> str:
    """The user's config as text for stock tools: the pruned model in it, nothing of our Runner, no dense checkpoint to load.

    Without a structure the shapes are the dense ones, here and below.
    """
    plain = {key: value for key, value in cfg.to_dict().items() if key not in OURS}
    if structure is not None:
        plain['model'] = pruned_model_config(plain['model'], structure)
    plain.update(load_from=None, resume=False)
    return Config(plain, format_python_code=cfg._format_python_code).pretty_text


def write_config(text: str, structure: Structure | None, work_dir: str) -> None:
    """structure.json and pruned.py; the latter starts from the pruned.pth beside it, and trains in a folder of its own there."""
    folder = Path(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if structure is not None:
        save_structure(folder / 'structure.json', structure)
    text = text.replace('load_from = None', "load_from = '{{ fileDirname }}/pruned.pth'", 1)
    text = f"{text.rstrip()}\nwork_dir = '{{{{ fileDirname }}}}/trained_on'\n"  # not among the files of the pruning
    write_file(folder / 'pruned.py', text.encode())


def deployed_state(runner) -> dict[str, Tensor]:
    """The weights that are evaluated: the moving average where the Runner keeps one."""
    state = {key: value.detach().cpu() for key, value in unwrap(runner.model).state_dict().items()}
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            averaged = hook.ema_model.state_dict()
            state.update(
                {k[7:]: v.detach().cpu() for k, v in averaged.items() if k.startswith('module.')}
            )
    return state


def run_meta(runner) -> dict[str, Any]:
    """What pruned.pth says of the training it comes from."""
    return dict(
        dataset_meta=getattr(runner.train_dataloader.dataset, 'metainfo', {}),
        seed=runner.seed,
        epoch=runner.epoch,
        iter=runner.iter,
        recipe=dict(runner.cfg.get('robust_prune') or {}),
    )


def write_weights(
    state: dict[str, Tensor], meta: dict, structure: Structure | None, text: str, path: Path
) -> None:
    """pruned.pth: state_dict and meta in plain types only, so any loader reads it without an allow-list."""
    meta = dict(plain_types(meta), cfg=text)
    if structure is not None:
        meta[META] = dict(structure=structure.to_dict())
    with replacing(path) as part:
        torch.save(dict(meta=meta, state_dict=dict(state)), part)


def plain_types(value: Any) -> Any:
    """Nested data as dict, list, str, int, float, bool and None."""
    if isinstance(value, dict):
        return {str(key): plain_types(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain_types(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return value.tolist()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
