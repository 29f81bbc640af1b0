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

from .evaluate import refuse_other_labels, split_into_batches

NAME = 'attacked/pgd'


@LOOPS.register_module()
class AttackedValLoop(ValLoop):
    """`ValLoop` that also gives 'attacked/pgd', the accuracy in percent under untargeted PGD.

    So `CheckpointHook(save_best='attacked/pgd', rule='greater')` keeps the most robust weights. The
    attack moves pixels in [0, 1] from a uniform start that depends on seed and image alone, so it
    is the same in every epoch and for any number of processes, and moves no generator.

    Args:
        images: how many are attacked, the same ones every time; None, or more than there are,
            takes all.
        pick: 'random', or 'first' for a set in random order (see `attack.choose_subset`).
        eps, step, steps: of PGD, eps and step in units of pixels in [0, 1].
        seed: of the choice of images and of the starts.
        kwargs: of ValLoop.
    Raises:
        ValueError: a field has a value that is not allowed; in a run, a model that gives no
            logits, images that are not 8-bit ones of one size, have no single label, or one that
            the network has no output for.
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
        count = None if images is None else min(images, total)
        self.places = choose_subset(total, count, pick, seed)
        self.evaluator.metrics.append(
            AttackedAccuracy(
                self.runner, LabelledImages(self.dataloader), self.places, attack, self.fp16
            )
        )


class AttackedAccuracy:
    """A metric that asks for nothing while the images pass, and attacks its own at the end.

    Each process attacks its share.
    """

    def __init__(
        self, runner: Runner, images: LabelledImages, places: np.ndarray, attack: PGD, fp16: bool
    ) -> None:
        self.runner = runner
        self.images = images
        self.places = places
        self.attack = attack
        self.fp16 = fp16

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Nothing."""

    def evaluate(self, size: int) -> dict[str, float]:
        """{'attacked/pgd': percent}; `size` is not used."""
        model = pixel_classifier(unwrap(self.runner.model))
        device = next(model.parameters()).device
        mine = self.places[get_rank() :: get_world_size()]
        chunks = split_into_batches(mine, self.images.batch_size) if len(mine) else []
        right = torch.zeros((), dtype=torch.int64, device=device)
        done = 0
        line = ProgressLine(self.runner)
        batches = self.images.batches([chunk.tolist() for chunk in chunks])
        for chunk, (x, y) in zip(chunks, batches, strict=True):
            x = x.to(device)
            with autocast(enabled=self.fp16):
                refuse_other_labels(model, x[:1], set(y.tolist()))
                outcome = self.attack(model, x, y.to(device), torch.from_numpy(chunk))
            right += outcome.robust[self.attack.name].sum()
            done += len(chunk)
            line.show(done, len(mine))
        all_reduce(right)
        return {NAME: 100 * right.item() / len(self.places)}


class ProgressLine:
    """A line in the log at most every ten seconds."""

    def __init__(self, runner: Runner) -> None:
        self.logger = runner.logger
        self.last = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """`done` of `total` images are attacked."""
        if time.monotonic() - self.last > 10 and done < total:
            self.logger.info(f'{NAME}: {done} of {total} images')
            self.last = time.monotonic()
