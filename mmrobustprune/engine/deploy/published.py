"""Published weights of a dense network as a checkpoint of a config's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmrobustprune.engine.bridge.checkpoint import read_checkpoint, weights_of
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.models.backbones import published_state
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.records.files import replacing


def import_published(
    config: str | Path | Config, weights: str, out: Path, cfg_options: Sequence[str] = ()
) -> int:
    """Write weights under the names of a config's network; see `models.backbones.published_state`.

    Args:
        config: of the dense classifier.
        weights: the published file, a state dict or a dict that holds one as 'state_dict'.
        out: the checkpoint.
        cfg_options: KEY=VALUE, over the config's own.
    Returns:
        The parameters that were written.
    Raises:
        FileNotFoundError: no such file.
        ValueError: the weights are of another network.
    """
    config = as_config(config, cfg_options)
    init_default_scope(config.get('default_scope') or 'mmengine')
    model = MODELS.build(without_pretrained(config.model))
    published = weights_of(read_checkpoint(weights))
    model.load_state_dict(published_state(published, model))
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as part:
        torch.save(dict(meta=dict(source=Path(weights).name), state_dict=model.state_dict()), part)
    return sum(value.numel() for value in model.parameters() if value.requires_grad)
