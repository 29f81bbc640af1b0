"""Files of a finished pruning, and the config that stock loaders read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmrobustprune.engine.bridge.checkpoint import write_structure
from mmrobustprune.engine.bridge.config import formatted
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.records.files import replacing, write_file
from mmrobustprune.structure.record import Structure, save_structure

from .removal import averages

OURS = ('runner_type', 'robust_prune', 'robust_eval', 'work_dir')
HERE = "'{{ fileDirname }}/"  # the folder of the config file, in the words of mmengine


def stock_config(cfg: Config, structure: Structure | None) -> str:
    """The user's config as text for stock tools: the pruned model, no dense checkpoint to load.

    Nothing of our Runner is in it. Without a structure the shapes are the dense ones, here and
    below.
    """
    plain = {key: value for key, value in cfg.to_dict().items() if key not in OURS}
    if plain.get('custom_hooks'):
        plain['custom_hooks'] = [hook for hook in plain['custom_hooks'] if not _prunes(hook)]
    if structure is not None:
        plain['model'] = pruned_model_config(plain['model'], structure)
    plain.update(load_from=None, resume=False)
    return formatted(Config(plain, format_python_code=cfg._format_python_code))


def _prunes(hook: dict) -> bool:
    """Whether a hook in a config is one of a recipe: with it the network would be pruned twice."""
    return 'recipe' in hook and 'target' in hook


def write_config(text: str, structure: Structure | None, work_dir: str) -> None:
    """structure.json and pruned.py.

    The latter starts from the pruned.pth beside it, and trains in a folder of its own there.
    """
    folder = Path(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    if structure is not None:
        save_structure(folder / 'structure.json', structure)
    text = text.replace('load_from = None', f"load_from = {HERE}pruned.pth'", 1)
    # trained_on/: not among the files of the pruning
    text = f"{text.rstrip()}\nwork_dir = {HERE}trained_on'\n"
    write_file(folder / 'pruned.py', text.encode())


def deployed_state(runner: Runner) -> dict[str, Tensor]:
    """The weights that are evaluated: the moving average where the Runner keeps one."""
    state = dict(unwrap(runner.model).state_dict())
    for average in averages(runner):
        for key, value in average.state_dict().items():
            if key.startswith('module.'):
                state[key.removeprefix('module.')] = value
    return {key: value.detach().cpu() for key, value in state.items()}


def run_meta(runner: Runner) -> dict[str, Any]:
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
    """pruned.pth: state_dict and meta in plain types only, which any loader reads."""
    meta = dict(plain_types(meta), cfg=text)
    write_structure(meta, structure)
    with replacing(path, alone=True) as part:
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
