"""Validation that also says what an attack leaves."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.runner import Runner, ValLoop
from mmengine.runner.amp import autocast

from mmrobustprune.attack import PGD, choose_subset
from mmrobustprune.engine.bridge.images import LabelledImages
from mmrobustprune.engine.bridge.model import unwrap
from mmrobustprune.models.pixels import pixel_classifier
from mmrobustprune.registry import LOOPS

NAME = 'attacked/pgd'


@LOOPS.register_module()
class AttackedValLoop(ValLoop):
    """`ValLoop` whose results also hold 'attacked/pgd', the accuracy in percent under PGD away from the true label.

    So `CheckpointHook(save_best='attacked/pgd', rule='greater')` keeps the most robust weights. The attack moves pixels in
    [0, 1] from a uniform start that depends on seed and picture alone, so it is the same in every epoch and for any number of
    processes, and moves no generator.

    Args:
        images: how many pictures are attacked, the same ones every time; None, or more than there are, takes all.
        pick: 'random', or 'first' for a set in random order (see `attack.choose_subset`).
        eps, step, steps: of PGD, eps and step in units of pixels in [0, 1].
        seed: of the choice of pictures and of the starts.
        kwargs: of ValLoop.
    Raises:
        ValueError: a field has a value that is not allowed; in a run, a model that gives no logits, pictures that are not
            8-bit ones of one size or have no single label.
    """

    def __init__(
        self,
        *args: Any,
        images: int | None = 1000,
        pick: str = 'random',
        eps: float = 8 / 255,
        step: float = 2 / 255,
        steps: int = 10,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        attack = PGD(eps=eps, step=step, steps=steps, random_start=True, seed=seed)
        total = len(self.dataloader.dataset)
        self.places = choose_subset(
            total, None if images is None else min(images, total), pick, seed
        )
        self.evaluator.metrics.append(
            AttackedAccuracy(
                self.runner, LabelledImages(self.dataloader), self.places, attack, self.fp16
            )
        )


class AttackedAccuracy:
    """A metric that asks for nothing while the pictures pass and attacks its own at the end, each process its share."""

    def __init__(
        self, runner: Runner, pictures: LabelledImages, places: np.ndarray, attack: PGD, fp16: bool
    ) -> None:
        self.runner, self.pictures, self.places, self.attack, self.fp16 = (
            runner,
            pictures,
            places,
            attack,
            fp16,
        )

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Nothing."""

    def evaluate(self, size: int) -> dict[str, float]:
        """{'attacked/pgd': percent}; `size` is not used."""
        model = pixel_classifier(unwrap(self.runner.model))
        device = next(model.parameters()).device
        mine = self.places[get_rank() :: get_world_size()]
        chunks = (
            np.split(mine, range(self.pictures.batch_size, len(mine), self.pictures.batch_size))
            if len(mine)
            else []
        )
        right, done, line = torch.zeros((), dtype=torch.int64, device=device), 0, Line(self.runner)
        for chunk, (x, y) in zip(
            chunks, self.pictures.batches([chunk.tolist() for chunk in chunks]), strict=True
        ):
            with autocast(enabled=self.fp16):
                outcome = self.attack(model, x.to(device), y.to(device), torch.from_numpy(chunk))
            right += outcome.robust[self.attack.name].sum()
            done += len(chunk)
            line.show(done, len(mine))
        all_reduce(right)
        return {NAME: 100 * right.item() / len(self.places)}


class Line:
    """A line in the log at most every ten seconds."""

    def __init__(self, runner: Runner) -> None:
        self.logger, self.last = runner.logger, time.monotonic()

    def show(self, done: int, total: int) -> None:
        """`done` of `total` pictures are attacked."""
        if time.monotonic() - self.last > 10 and done < total:
            self.logger.info(f'{NAME}: {done} of {total} pictures')
            self.last = time.monotonic()
