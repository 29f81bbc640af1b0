"""What every training that prunes leaves behind: the structure in its checkpoints, pruned.py and pruned.pth at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmrobustprune.engine.bridge.checkpoint import META
from mmrobustprune.records.files import write_file
from mmrobustprune.structure.record import Structure

from . import artifacts


class StructureHook(Hook):
    """Writes `structure` into every checkpoint from the surgery on, and the files for stock loaders.

    Attributes:
        structure: the record, or None while the network is dense.
    """

    priority = 'ABOVE_NORMAL'  # masks before the moving average sees the weights

    def __init__(self) -> None:
        self.structure: Structure | None = None
        self._text: str | None = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if self.structure is not None:
            checkpoint['meta'][META] = dict(structure=self.structure.to_dict())
            text = self._stock_text(runner)
            checkpoint['meta']['cfg'] = text
            checkpoint['message_hub']['runtime_info']['cfg'] = text

    def after_train(self, runner) -> None:
        if self.structure is None or not is_main_process():
            return
        self.write_config(runner)
        artifacts.write_weights(
            artifacts.deployed_state(runner),
            artifacts.run_meta(runner),
            self.structure,
            self._stock_text(runner),
            Path(runner.work_dir) / 'pruned.pth',
        )
        runner.logger.info(f'{runner.work_dir}/pruned.py and pruned.pth hold the pruned network.')

    def write_config(self, runner) -> None:
        """structure.json and pruned.py in the work dir."""
        if is_main_process():
            artifacts.write_config(self._stock_text(runner), self.structure, runner.work_dir)

    def _stock_text(self, runner) -> str:
        if self._text is None:  # formatting takes seconds
            self._text = artifacts.stock_config(
                getattr(runner, 'user_cfg', runner.cfg), self.structure
            )
        return self._text


def write_rounds(runner, rounds: list[dict]) -> None:
    """rounds.json: loss, metric and what is removed on both sides of every round."""
    if is_main_process():
        write_file(Path(runner.work_dir) / 'rounds.json', json.dumps(rounds, indent=1).encode())


def warn_of_random_weights(runner) -> None:
    """One warning where nothing trained is about to be pruned."""
    if not runner._has_loaded and not _has_pretrained(runner.cfg.model):
        runner.logger.warning(
            'Neither load_from nor a Pretrained init_cfg is set: the scores rank random weights until training shapes them.'
        )


def _has_pretrained(model: Any) -> bool:
    if isinstance(model, dict):
        return any(_has_pretrained(value) for value in model.values()) or 'Pretrained' in str(
            model.get('type')
        )
    if isinstance(model, (list, tuple)):
        return any(map(_has_pretrained, model))
    return False
