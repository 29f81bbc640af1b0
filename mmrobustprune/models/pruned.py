"""A pruned network as a config: the dense architecture and the record that shrinks it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import MODELS as ROOT
from torch import nn

from mmrobustprune.registry import MODELS
from mmrobustprune.structure import rebuild
from mmrobustprune.structure.fitting import refuse_other_structures
from mmrobustprune.structure.record import Structure, load_structure

TYPE = 'mmrobustprune.PrunedModel'


@MODELS.register_module()
def PrunedModel(
    architecture: dict,
    structure: str,
    data_preprocessor: dict | None = None,  # noqa: N802
    backbone: dict | None = None,
) -> nn.Module:
    """The plain network that `architecture` becomes under `structure`; no wrapper, no key prefix.

    It takes only weights of its own structure, whoever loads them.

    Args:
        architecture: the dense model's config.
        structure: the record as JSON text, or the path of a structure.json (in a config file:
            '{{ fileDirname }}/structure.json').
        data_preprocessor: given to the architecture where it names none, as the Runner does.
        backbone: ignored; mmdet's init_detector looks for the key.

    Raises:
        FileNotFoundError: the path is not there.
        ValueError: the record is not of this architecture.
    """
    architecture = without_pretrained(architecture)
    if data_preprocessor is not None and architecture.get('data_preprocessor') is None:
        architecture['data_preprocessor'] = data_preprocessor
    record = read_structure(structure)
    model = rebuild(ROOT.build(ConfigDict(architecture)), record)
    refuse_other_structures(model, record)
    return model


def read_structure(structure: str | dict) -> Structure:
    """A structure from JSON text, a path or a plain dict."""
    if isinstance(structure, dict):
        return Structure.from_dict(structure)
    if structure.lstrip().startswith('{'):
        return Structure.from_dict(json.loads(structure))
    if not Path(structure).exists():
        raise FileNotFoundError(
            f"structure file '{structure}' is not there; give its path (in a config file "
            "'{{ fileDirname }}/structure.json') or the JSON text itself."
        )
    return load_structure(structure)


def pruned_model_config(architecture: dict, structure: Structure) -> dict:
    """The model dict that builds `architecture` pruned, the record inside it as JSON text.

    Wrappers that hold the network under `module` (test-time augmentation) are kept round it.
    """
    if isinstance(architecture.get('module'), dict):
        return dict(architecture, module=pruned_model_config(architecture['module'], structure))
    if is_pruned_config(architecture):
        architecture = architecture['architecture']
    text = json.dumps(structure.to_dict(), separators=(',', ':'))
    config = dict(
        type=TYPE, architecture=without_pretrained(architecture), structure=text, backbone=dict()
    )
    if architecture.get('data_preprocessor') is not None:
        config['data_preprocessor'] = architecture['data_preprocessor']
    return config


def is_pruned_config(model: dict) -> bool:
    """Whether a model dict already builds a pruned network."""
    kind = model.get('type')
    return kind is PrunedModel or (
        isinstance(kind, str) and kind.rsplit('.', 1)[-1] == 'PrunedModel'
    )


def without_pretrained(config: Any) -> Any:
    """A copy of a model config that loads no weights, which would be of the dense shapes."""
    if isinstance(config, dict):
        plain = {key: without_pretrained(value) for key, value in config.items()}
        init = plain.get('init_cfg')
        inits = init if isinstance(init, list) else [init]
        if any(isinstance(i, dict) and _loads(i) for i in inits):
            plain['init_cfg'] = None
        if plain.get('pretrained') is not None:
            plain['pretrained'] = None
        return plain
    if isinstance(config, (list, tuple)):
        return type(config)(without_pretrained(value) for value in config)
    return copy.deepcopy(config)


def pretrained_files(config: Any) -> Iterator[str]:
    """The files on this machine from which a model config takes weights, of all parts."""
    if isinstance(config, dict):
        file = config.get('checkpoint')
        if isinstance(file, str) and _loads(config) and Path(file).is_file():
            yield file
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for one in config:
            yield from pretrained_files(one)


def _loads(init: dict) -> bool:
    """Whether an init_cfg names a file; some backbones take one without a type."""
    return 'Pretrained' in str(init.get('type')) or 'checkpoint' in init
