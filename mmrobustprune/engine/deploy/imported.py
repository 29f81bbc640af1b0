"""Networks that were pruned elsewhere: their weights become a checkpoint that all tools read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor, nn

from mmrobustprune.cost.count import count
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.checkpoint import read_checkpoint, weights_of
from mmrobustprune.engine.bridge.config import load_config, model_of, test_size
from mmrobustprune.engine.bridge.model import example_of_shape
from mmrobustprune.engine.pruning import artifacts
from mmrobustprune.engine.pruning.forward import structure_forward
from mmrobustprune.models.backbones import published_state
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.structure.rebuild import rebuild
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery import remove_unread
from mmrobustprune.surgery.constants import fold_constants
from mmrobustprune.surgery.widths import structure_of_widths

ORIGINAL = '_orig'  # as torch.nn.utils.prune calls a weight, and the mask it is multiplied by
MASK = '_mask'


class Imported:
    """Weights that were pruned elsewhere, in the network that they are of.

    Weights of other widths than the dense network's give its structure; of weights with zeros, or
    with masks as `torch.nn.utils.prune` keeps them, the filters of zeros are removed.

    Args:
        configs: of dense networks, as paths; the one that the weights fit is taken.
        weights: a state dict, or a dict that holds one as 'state_dict'.
        size: input (H, W) in pixels; None takes the test pipeline's.
        forward: 'package.module:function' that calls the network; '' is its own.
    Attributes:
        config: that fits.
        model: the smaller network.
        structure: its record; one without layers where nothing could be removed.
        left: {layer: why it still reads channels of zero filters}.
    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds more than weights, or fits none of the configs, or several.
    """

    def __init__(
        self,
        configs: Sequence[str],
        weights: str,
        size: tuple[int, int] | None = None,
        forward: str = '',
    ) -> None:
        self.weights = weights
        self.left: dict[str, str] = {}
        state = weights_of(read_checkpoint(weights))
        _check_numbers(state, weights)
        state = without_masks(state)
        found: dict[str, tuple[Config, nn.Module, Structure]] = {}
        refused: dict[str, str] = {}
        for path in configs:
            try:
                found[path] = self._fit(load_config(path), state, size, forward)
            except ValueError as error:
                refused[path] = str(error)
        if len(found) > 1:
            raise ValueError(
                f"the weights in '{weights}' fit {' and '.join(found)}; give the config of the one "
                'they were trained as.'
            )
        if not found:
            said = '; '.join(f'{path}: {why}' for path, why in refused.items())
            raise ValueError(said if len(configs) == 1 else f"'{weights}' fits none ({said})")
        self.config, self.model, self.structure = next(iter(found.values()))

    def write(self, out: Path) -> None:
        """Write structure.json, pruned.py and pruned.pth as a pruning does."""
        text = artifacts.stock_config(self.config, self.structure)
        artifacts.write_config(text, self.structure, str(out))
        meta = dict(source=Path(self.weights).name)
        artifacts.write_weights(
            self.model.state_dict(), meta, self.structure, text, out / 'pruned.pth'
        )

    def _fit(
        self, config: Config, state: Mapping[str, Tensor], size: Any, forward: str
    ) -> tuple[Config, nn.Module, Structure]:
        init_default_scope(config.get('default_scope') or 'mmengine')
        given = without_pretrained(model_of(config))
        if config.get('data_preprocessor') and given.get('data_preprocessor') is None:
            given = dict(given, data_preprocessor=config.data_preprocessor)
        model = MODELS.build(given).eval()
        call = structure_forward(forward, model)
        example = example_of_shape(model, *(size or test_size(config)), call)
        count(model, example, call)  # a network that does not run is said to be one
        own = _named(state, model)
        dense = {name: value.shape for name, value in model.state_dict().items()}
        if all(value.shape == dense.get(name) for name, value in own.items()):
            _load(model, own, self.weights)
            return config, model, self._without_zeros(model, example, call)
        structure = structure_of_widths(model, example, own, call)
        structure.method = 'imported widths'
        rebuild(model, structure)
        _load(model, own, self.weights)
        return config, model, structure

    def _without_zeros(self, model: nn.Module, example: Any, call: Forward) -> Structure:
        self.left = fold_constants(model, example, call)
        done = remove_unread(model, example, call)
        done.structure.method = 'imported zeros'
        return done.structure


def _check_numbers(state: Mapping[str, Any], path: str) -> None:
    """Refuse (ValueError) what is no state dict of plain, finite tensors."""
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"'{path}' has {type(value).__name__} as '{name}' and no tensor; give a state "
                "dict, as torch.save(model.state_dict(), 'weights.pth') writes one."
            )
        if value.is_quantized:
            raise ValueError(
                f"'{path}' holds '{name}' in {value.dtype}; save the weights before they are "
                'quantised, or value.dequantize() of each.'
            )
        if not torch.isfinite(value).all():
            raise ValueError(
                f"'{path}' holds '{name}' with NaN or infinity; give weights of an epoch before "
                'the training diverged.'
            )


def without_masks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights times the masks that `torch.nn.utils.prune` keeps beside them; others as they are."""
    found = {}
    for name, value in state.items():
        if name.endswith(ORIGINAL):
            plain = name.removesuffix(ORIGINAL)
            found[plain] = value * state.get(plain + MASK, torch.ones(()))
        elif not name.endswith(MASK):
            found[name] = value
    return found


def _named(state: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
    """The weights under the names of the model, where a published layout is known."""
    if not set(model.state_dict()) & set(state):
        with suppress(ValueError):
            return published_state(state, model)
    return state


def _load(model: nn.Module, state: Mapping[str, Tensor], path: str) -> None:
    """Put all weights into the model; counters of batches may lack."""
    found = model.load_state_dict(state, strict=False)
    missing = [name for name in found.missing_keys if 'num_batches_tracked' not in name]
    if missing or found.unexpected_keys:
        name = (missing or found.unexpected_keys)[0]
        where = 'lacks' if missing else 'has also'
        raise ValueError(
            f"'{path}' {where} '{name}'; give the config of the architecture that was pruned."
        )
