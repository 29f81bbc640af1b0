"""Attacks on every checkpoint of a training, on test images and on held-out ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmrobustprune.attack import Attack
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json

from .evaluate import ImageChoice, Progress, evaluate_attacks

SWEEP = 'sweep.json'


@dataclass(frozen=True)
class Sweep:
    """Accuracies of all checkpoints, to choose among them afterwards.

    Each is evaluated in `<work_dir>/<split>/<name of the checkpoint>`, so a sweep that was stopped
    goes on when the same is asked again.

    Attributes:
        config: of the training.
        attacks: on each checkpoint.
        held_out: whether the images of val_dataloader are looked at, too.
        choice: which images; None takes all.
    Raises:
        ValueError: `held_out` where val_dataloader reads the same images as test_dataloader.
    """

    config: str | Path | Config
    attacks: Sequence[Attack]
    held_out: bool = False
    choice: ImageChoice = field(default_factory=ImageChoice)

    def __call__(
        self,
        checkpoints: Sequence[str | Path],
        work_dir: str | Path,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Evaluate checkpoints, written to `<work_dir>/sweep.json`.

        Returns:
            `config`, and `checkpoints`: `epoch`, `checkpoint`, and `test` and `val` with `clean`,
            `attacks` and `cost` of each.
        Raises:
            FileNotFoundError, ValueError: as `evaluate_attacks`, or two checkpoints of one epoch.
        """
        files = in_order(checkpoints)
        configs = self._configs()
        rows = []
        for epoch, file in files.items():
            row: dict[str, Any] = dict(epoch=epoch, checkpoint=str(file))
            for split, config in configs.items():
                folder = Path(work_dir) / split / file.stem
                found = evaluate_attacks(config, file, folder, self.attacks, progress, self.choice)
                row[split] = {key: found[key] for key in ('clean', 'attacks', 'cost')}
            rows.append(row)
        name = str(configs['test'].filename or '')
        done = dict(config=name, checkpoints=rows, commit=stamp.commit(), command=stamp.command())
        write_json(Path(work_dir) / SWEEP, done)
        return done

    def _configs(self) -> Mapping[str, Config]:
        """Split -> a config that tests on its images."""
        test = as_config(self.config, self.choice.cfg_options)
        if not self.held_out:
            return dict(test=test)
        val = as_config(self.config, self.choice.cfg_options)
        if val.val_dataloader.dataset == test.test_dataloader.dataset:
            raise ValueError(
                'val_dataloader reads the same images as test_dataloader, so that none are held '
                'out; give it a part of the training images that is not trained with (indices).'
            )
        val.test_dataloader = val.val_dataloader
        return dict(test=test, val=val)


def in_order(checkpoints: Sequence[str | Path]) -> dict[int, Path]:
    """Epoch -> file, by the last number in each file's name.

    Raises:
        ValueError: a name without a number, or two of one epoch.
    """
    found: dict[int, Path] = {}
    for file in map(Path, checkpoints):
        numbers = re.findall(r'\d+', file.stem)
        if not numbers:
            raise ValueError(f"'{file.name}' says no epoch; give checkpoints such as epoch_12.pth.")
        epoch = int(numbers[-1])
        if epoch in found:
            raise ValueError(
                f"'{found[epoch]}' and '{file}' are both of epoch {epoch}; give one training's "
                'checkpoints, each once.'
            )
        found[epoch] = file
    return dict(sorted(found.items()))
