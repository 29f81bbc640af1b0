"""Checkpoints: read without running code, the structure they hold, weights that must fit."""

from __future__ import annotations

import ast
import logging
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import find_latest_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmrobustprune.models.pruned import (
    is_pruned_config,
    pretrained_files,
    pruned_model_config,
    read_structure,
    without_pretrained,
)
from mmrobustprune.structure.record import Structure

from .config import model_of, plain_config

META = 'mmrobustprune'
RESUME = 'resume'  # of a checkpoint: what a resumed run goes on with (`resuming.resume`)


def write_structure(meta: dict, structure: Structure | None) -> None:
    """Put the record of a pruned network into a checkpoint's meta; a dense one has none."""
    if structure is not None:
        meta[META] = dict(structure=structure.to_dict())


def own_state(checkpoint: dict) -> dict[str, Any]:
    """What a checkpoint holds of this process alone; nothing where another number wrote it."""
    ranks = checkpoint.get(RESUME, {}).get('ranks', ())
    return ranks[get_rank()] if len(ranks) == get_world_size() else {}


def under_structure(
    model: dict, structure: Structure | None, checkpoint: str | None
) -> tuple[dict, Structure | None]:
    """A model's config pruned as its checkpoint is, unless it is a PrunedModel already.

    Args:
        model: of a dense or pruned network.
        structure: what the checkpoint holds; None for a dense one.
        checkpoint: its path, for messages.

    Returns:
        The config, and the structure of the network that it builds.

    Raises:
        ValueError: the config's structure and the checkpoint's differ.
    """
    inner = model.get('module', model)
    if not is_pruned_config(inner):
        return model if structure is None else pruned_model_config(model, structure), structure
    own = read_structure(inner['structure'])
    if structure is not None and structure.layers != own.layers:
        raise ValueError(
            f"{checkpoint} has another structure ({structure.summary()}) than the config's model "
            f'({own.summary()}); give the pruned.py that was written with it.'
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
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f"'{path}' holds a {type(checkpoint).__name__}, not a checkpoint; give a file that "
            'mmengine wrote.'
        )
    return checkpoint


def structure_of(meta: dict) -> Structure | None:
    """The structure record in a checkpoint's meta; None for a dense network.

    A stock training of a pruned network leaves it in the config's text alone.
    """
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
    model = _assigned(lines, 'model')
    while isinstance(model, ast.Call):  # wrappers hold the network under `module`
        fields = {word.arg: word.value for word in model.keywords}
        plain = {
            name: value.value for name, value in fields.items() if isinstance(value, ast.Constant)
        }
        if is_pruned_config(plain) and str(plain.get('structure')).startswith('{'):
            return plain['structure']
        model = fields.get('module')
    return None


def _assigned(lines: Sequence[ast.stmt], name: str) -> ast.expr | None:
    """What a module's code first assigns to a name."""
    for line in lines:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == name:
            return line.value
    return None


def load_model(config: Config, checkpoint: str) -> tuple[nn.Module, dict, Config]:
    """The network of a config with the weights of a checkpoint, pruned where the checkpoint is.

    Returns:
        The model in eval mode, the checkpoint's meta, the config that builds exactly this model.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: its weights are not this network's, or the config has no network.
    """
    config = plain_config(config)
    given = model_of(config)
    content = read_checkpoint(checkpoint)
    meta = content.get('meta', {})
    structure = structure_of(meta)
    init_default_scope(config.get('default_scope') or 'mmengine')
    config.model, structure = under_structure(given, structure, checkpoint)
    if structure is None:
        config.model = without_pretrained(config.model)
    preprocessor = config.get('data_preprocessor')
    if preprocessor is not None and config.model.get('data_preprocessor') is None:
        config.model.data_preprocessor = preprocessor
    model = MODELS.build(config.model)
    load_weights(model, content, checkpoint)
    return model.eval(), meta, config


def load_weights(model: nn.Module, checkpoint: dict, path: str) -> None:
    """Put the weights of a checkpoint into the network that they are of.

    Weights that the network does not have are left out, with one warning.

    Args:
        model: in any wrapper.
        checkpoint: its content, with or without a `state_dict` of its own.
        path: where it lies, for messages.

    Raises:
        ValueError: weights are missing, have another shape or are no numbers; the first three are
            named.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    state = weights_of(checkpoint)
    try:
        found = model.load_state_dict(state, strict=False)
    except (RuntimeError, ValueError) as error:
        wrong = _other_shapes(model, state) or str(error).splitlines()[1:]
    else:
        # as mmengine: counters that old checkpoints lack
        missing = [name for name in found.missing_keys if 'num_batches_tracked' not in name]
        wrong = [f'{name} is missing' for name in missing]
    if wrong:
        raise ValueError(
            f"the weights in '{path}' are not those of the config's model ({_first(wrong)}); give "
            'the config it was trained with, for a pruned checkpoint its pruned.py.'
        )
    lost = [name for name, value in model.state_dict().items() if value.isnan().any()]
    if lost:
        raise ValueError(
            f"the weights in '{path}' are no numbers (NaN in {_first(lost)}), as after a training "
            'that diverged; give an earlier checkpoint.'
        )
    if found.unexpected_keys:
        print_log(
            f"'{path}' holds weights that the network does not have "
            f'({_first(found.unexpected_keys)}); they are left out.',
            'current',
            logging.WARNING,
        )


def refuse_pruned_parts(model: Any) -> None:
    """Refuse a network whose parts would start from pruned weights, of which some do not fit.

    Args:
        model: its config, in which an `init_cfg` may name a checkpoint.
    Raises:
        ValueError: that checkpoint is pruned.
    """
    for path in pretrained_files(model):
        structure = structure_of(read_checkpoint(path).get('meta', {}))
        if structure is not None:
            raise ValueError(
                f"init_cfg gives weights of '{path}' to a dense network, and they are pruned "
                f'({structure.summary()}), so that a part of it would stay random; start from its '
                'pruned.py, or from the dense checkpoint.'
            )


def weights_of(checkpoint: dict) -> OrderedDict[str, Tensor]:
    """The state dict in a checkpoint, without the prefix of a data-parallel wrapper."""
    state = checkpoint.get('state_dict', checkpoint)
    plain = OrderedDict((name.removeprefix('module.'), value) for name, value in state.items())
    plain._metadata = getattr(state, '_metadata', OrderedDict())  # torch's: versions of layers
    return plain


def _other_shapes(model: nn.Module, state: dict[str, Tensor]) -> list[str]:
    wrong = []
    for name, own in model.state_dict().items():
        if name in state and state[name].shape != own.shape:
            here = tuple(own.shape)
            there = tuple(state[name].shape)
            wrong.append(f'{name} is {there} in the checkpoint and {here} in the network')
    return wrong


def _first(names: Sequence[str], count: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = f', and {len(names) - count} more' if len(names) > count else ''
    return ', '.join(name.strip() for name in names[:count]) + more
