"""Accuracy of a classifier on images of which only the low or the high frequencies are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmengine.config import Config
from torch import Tensor

from mmrobustprune.analysis import FrequencyFilter
from mmrobustprune.attack import Classifier, Outcome, frozen
from mmrobustprune.attack.classifier import SPACES
from mmrobustprune.engine.attacks.evaluate import ImageChoice, Progress, evaluate_probes
from mmrobustprune.records.files import write_json


@dataclass(frozen=True)
class Band:
    """One band of frequencies as a probe of `evaluate_probes`.

    Attributes:
        part, theta, shape, normaliser: as `analysis.FrequencyFilter`.
        space: filter what the network sees ('normalised', by which published numbers are of the
            right size) or 'pixel'.
    Raises:
        ValueError: a value that is not allowed.
    """

    part: str
    theta: float
    shape: str = 'circle'
    normaliser: str = 'half_side'
    space: str = 'normalised'
    name: ClassVar[str] = 'frequency'

    def __post_init__(self) -> None:
        self._filter()
        if self.space not in SPACES:
            raise ValueError(
                f'space={self.space!r} is unknown; choose {" or ".join(map(repr, SPACES))}.'
            )

    def _filter(self) -> FrequencyFilter:
        return FrequencyFilter(self.part, self.theta, self.shape, self.normaliser)

    @property
    def key(self) -> str:
        return '-'.join(map(str, asdict(self).values()))

    @torch.no_grad()
    def __call__(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        space = SPACES[self.space](model, x)
        with frozen(model):
            return Outcome({self.name: space.logits(self._filter()(space.enter(x))).argmax(1) == y})

    def stamp(self, model: Classifier, like: Tensor) -> dict[str, Any]:
        return asdict(self)


def frequency_accuracy(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    bands: Sequence[Band],
    progress: Progress | None = None,
    choice: ImageChoice | None = None,
) -> dict[str, Any]:
    """Accuracy of every band and of whole images, written to `<work_dir>/frequency.json`.

    Args:
        config, checkpoint, work_dir, progress, choice: as `evaluate_probes`.
        bands: what is left of the images.
    Returns:
        `clean`, `bands` (settings and `accuracy` of each), and what all depend on.
    Raises:
        FileNotFoundError, ValueError: as `evaluate_probes`.
    """
    results = evaluate_probes(config, checkpoint, work_dir, bands, progress, choice)
    results['bands'] = results.pop('probes')
    write_json(Path(work_dir) / 'frequency.json', results)
    return results
