"""One-shot surgery of a trained checkpoint: what `tools/prune.py` does."""
from __future__ import annotations

import copy
import json
from pathlib import Path

from mmengine.config import Config
from torch import nn

from mmrobustprune.report.cost import Cost, count
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import Structure, Trace, prune_channels, trace

from . import artifacts
from .base import structure_of
from .export import load_model
from .probe import example_of_shape, tensor_forward
from .saving import write_whole
from .stamp import command, commit

METHODS = dict(
    magnitude=dict(type='Magnitude', p=2), l1=dict(type='Magnitude', p=1), bn=dict(type='BNScale'), fpgm=dict(type='FPGM'),
    random=dict(type='Random'))


class OneShot:
    """A checkpoint, pruned in memory; `write` puts it on disk.

    Attributes:
        dense, pruned: cost of the network before and after, for one image of `size`.
        trace: the groups of channels, and what is left whole.
        structure: the record.

    Raises:
        ValueError: a network that is pruned already, cannot be traced, or cannot meet the target.
    """

    def __init__(self, config: Config, checkpoint: str, size: tuple[int, int], method: str, target: float, **options):
        self.user_cfg, self.checkpoint = config, checkpoint
        self.model, self.meta, _ = load_model(config, checkpoint)
        if structure_of(self.meta) is not None:
            raise ValueError(
                f"'{checkpoint}' is pruned already ({structure_of(self.meta).summary()}); prune from the dense checkpoint.")
        example = example_of_shape(self.model, *size)
        ignore = options.get('ignore') or ()
        self.trace: Trace = trace(self.model, example, tensor_forward, ignore)
        self.dense: Cost = count(self.model, example, tensor_forward)
        self.model: nn.Module = copy.deepcopy(self.model)
        self.structure: Structure = prune_channels(
            self.model, example, target, score=build_score(METHODS[method]), forward=tensor_forward, **options)
        self.structure.method = f'one-shot {method}'
        self.pruned: Cost = count(self.model, example, tensor_forward)

    def write(self, out: Path) -> None:
        """structure.json, pruned.py, pruned.pth and cost.json in `out`."""
        text = artifacts.stock_config(self.user_cfg, self.structure)
        artifacts.write_config(text, self.structure, str(out))
        cost = dict(dense=vars(self.dense), pruned=vars(self.pruned), whole=self.trace.whole, command=command(), commit=commit())
        write_whole(out / 'cost.json', json.dumps(cost, indent=1).encode())
        meta = {key: self.meta[key] for key in ('dataset_meta', 'seed') if key in self.meta}
        artifacts.write_weights(self.model.state_dict(), meta, self.structure, text, out / 'pruned.pth')
