"""Checkpoints: read without running code, with the structure they hold, and put into the network that fits."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner, find_latest_checkpoint, load_checkpoint
from mmengine.runner import checkpoint as loading
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmrobustprune.models.pruned import (
    is_pruned_config,
    pruned_model_config,
    read_structure,
    without_pretrained,
)
from mmrobustprune.structure.record import Structure

from .config import plain_config
from .dist import on_main

META = 'mmrobustprune'


def write_structure(meta: dict, structure: Structure | None) -> None:
    """Put the record of a pruned network into a checkpoint's meta; a dense one has none."""
    if structure is not None:
        meta[META] = dict(structure=structure.to_dict())


def under_structure(
    model: dict, structure: Structure | None, checkpoint: str | None
) -> tuple[dict, Structure | None]:
    """A model's config pruned as the checkpoint is, where it is no PrunedModel already, and the structure that it has then.

    Raises:
        ValueError: the config's structure and the checkpoint's differ.
    """
    inner = model.get('module', model)
    if not is_pruned_config(inner):
        return model if structure is None else pruned_model_config(model, structure), structure
    own = read_structure(inner['structure'])
    if structure is not None and structure.layers != own.layers:
        raise ValueError(
            f"{checkpoint} has another structure ({structure.summary()}) than the config's model ({own.summary()}); "
            'give the pruned.py that was written with it.'
        )
    return model, own


def starting_checkpoint(cfg: Config) -> str | None:
    """The checkpoint that the Runner will load or resume, or None."""
    if cfg.get('load_from'):
        return cfg.load_from
    if cfg.get('resume') and os.path.isdir(cfg.work_dir):
        return find_latest_checkpoint(cfg.work_dir)
    return None


def read_checkpoint(path: str) -> dict:
    """A checkpoint's content on the CPU; nothing in the file is run.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it is cut short, no checkpoint, or holds more than weights and plain records.
    """
    if '://' not in path and not os.path.exists(path):
        raise FileNotFoundError(
            f"checkpoint '{path}' is not there; check load_from, or the path given to the tool."
        )
    checkpoint = CheckpointLoader.load_checkpoint(
        path, map_location='cpu', logger='silent'
    )  # who uses it says so
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f"'{path}' holds a {type(checkpoint).__name__}, not a checkpoint; give a file that mmengine wrote."
        )
    return checkpoint


def structure_of(meta: dict) -> Structure | None:
    """The structure record in a checkpoint's meta, or in the config there of a stock training; None for a dense network."""
    record = (meta.get(META) or {}).get('structure')
    if record is None:
        record = _structure_in(meta.get('cfg'))
    return read_structure(record) if record is not None else None


def _structure_in(text: Any) -> str | None:
    """The record in a config's text where its model is a PrunedModel; nothing of it is run."""
    if not isinstance(text, str) or 'PrunedModel' not in text:
        return None
    try:
        lines = ast.parse(text).body
    except SyntaxError:
        return None
    model = next(
        (
            line.value
            for line in lines
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == 'model'
        ),
        None,
    )
    while isinstance(model, ast.Call):  # wrappers hold the network under `module`
        fields = {word.arg: word.value for word in model.keywords}
        plain = {name: getattr(value, 'value', None) for name, value in fields.items()}
        if is_pruned_config(plain) and str(plain.get('structure')).startswith('{'):
            return plain['structure']
        model = fields.get('module')
    return None


def load_model(config: Config, checkpoint: str) -> tuple[nn.Module, dict, Config]:
    """The network of a config with the weights of a checkpoint, pruned where the checkpoint is.

    Returns:
        The model in eval mode, the checkpoint's meta, the config that builds exactly this model.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: its weights are not this network's.
    """
    config = plain_config(config)
    meta = read_checkpoint(checkpoint).get('meta', {})
    structure = structure_of(meta)
    init_default_scope(config.get('default_scope') or 'mmengine')
    config.model, structure = under_structure(config.model, structure, checkpoint)
    if structure is None:
        config.model = without_pretrained(config.model)
    if (
        config.get('data_preprocessor') is not None
        and config.model.get('data_preprocessor') is None
    ):
        config.model.data_preprocessor = config.data_preprocessor
    model = MODELS.build(config.model)
    try:
        load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise ValueError(
            f"the weights in '{checkpoint}' are not those of the config's model ({first[0].strip()}); give the config it was "
            'trained with.'
        ) from None
    return model.eval(), meta, config


@contextmanager
def fitting(runner: Runner) -> Iterator[None]:
    """Inside, weights that are missing or have another shape are an error, not a line in the log.

    Raises:
        ValueError: the checkpoint is of another network.
    """
    wrong: list[str] = []
    load = loading.load_state_dict

    def strictly(module: Any, state_dict: Any, strict: bool = False, logger: Any = None) -> None:
        try:
            load(module, state_dict, True, logger)
        except RuntimeError as error:  # after everything that fits was loaded
            wrong.extend(
                line.strip()
                for line in str(error).splitlines()
                if line.strip().startswith(('size mismatch', 'missing keys'))
            )

    loading.load_state_dict = strictly
    try:
        yield
    finally:
        loading.load_state_dict = load
    wrong = on_main(lambda: wrong)
    if wrong:
        raise ValueError(
            f'{runner._load_from} does not fit the config ({wrong[0][:300]}); give the config it was trained with, '
            'for a pruned checkpoint its pruned.py.'
        )
