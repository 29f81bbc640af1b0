"""AutoAttack (arXiv 2003.01690) through pyautoattack: attacks one by one on what is left."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import Attack, Outcome
from .classifier import Classifier, refuse_mismatch
from .numbers import check_number
from .training import attacking

_STANDARD = dict(iterations=100, queries=5000, targets=9)
_UNTRUE = 'to use the targeted DLR loss'  # said of the untargeted one with three classes, too


@dataclass(frozen=True, kw_only=True)
class AutoAttack(Attack):
    """The standard version, L-infinity, on pixels in [0, 1].

    It runs APGD-CE, targeted APGD, targeted FAB and Square. The targeted loss of APGD takes four
    classes: with three its untargeted one (APGD-DLR) stands in, with two neither is there. Targets
    are capped at classes - 1. Each attack sees only what withstood those before, the cheap ones
    first. The stamp says what ran, and 'custom' where that, or the number of
    iterations, queries or targets, is not the standard one.

    Attributes:
        iterations: of APGD and FAB.
        queries: of Square.
        targets: classes that the targeted attacks aim at.

    Raises:
        ValueError: another space, label or clip than AutoAttack has; fewer than two classes (on the
            call).
    """

    iterations: int = 100
    queries: int = 5000
    targets: int = 9
    name: ClassVar[str] = 'autoattack'
    steps: ClassVar[tuple[str, ...]] = ('apgd-ce', 'apgd-t', 'fab-t', 'square')

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, only in (('space', 'pixel'), ('label', 'true'), ('clip', 'image')):
            if getattr(self, field) != only:
                raise ValueError(
                    f'autoattack got {field}={getattr(self, field)!r} and knows {only!r} alone; '
                    'leave it at that, or attack with pgd.'
                )
        for field in _STANDARD:
            check_number(self.name, field, getattr(self, field), 1, whole=True)

    def steps_for(self, classes: int) -> tuple[str, ...]:
        """The attacks that exist for a number of classes."""
        if classes >= 4:
            return self.steps
        if classes == 3:
            return ('apgd-ce', 'apgd-dlr', 'fab-t', 'square')
        return ('apgd-ce', 'fab-t', 'square')

    def settings(self) -> dict[str, Any]:
        standard = all(getattr(self, field) == value for field, value in _STANDARD.items())
        return dict(
            super().settings(),
            version='standard' if standard else 'custom',
            pyautoattack=installed('pyautoattack'),
        )

    def stamp(self, model: Classifier, like: Tensor) -> dict[str, Any]:
        """As `Attack.stamp`, with the attacks and the number of targets that ran."""
        with attacking(model), torch.no_grad():
            classes = model(like[:1]).shape[1]
        found = super().stamp(model, like)
        ran = self.steps_for(classes)
        targets = min(self.targets, classes - 1)
        if (ran, targets) != (self.steps, self.targets):
            found['version'] = 'custom'
        return dict(found, targets=targets, ran=list(ran))

    def _attack(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome:
        x = x.contiguous()  # the library takes images in no other memory order
        with torch.no_grad():
            logits = model(x)
        refuse_mismatch(self.name, logits, y)
        classes = logits.shape[1]
        robust = logits.argmax(1) == y
        result = {}
        with _warnings() as notes, _generators_kept(x.device):
            library = self._library(model, x.device, min(self.targets, classes - 1))
            for step in self.steps_for(classes):
                left = robust.nonzero().flatten()
                if len(left):
                    library.attacks_to_run = [step]
                    _, found = library.run_standard_evaluation(
                        x[left], y[left], batch_size=len(left)
                    )
                    robust = robust.index_put((left,), found == y[left])
                result[step] = robust
        notes = [note for note in notes if _UNTRUE not in note]
        return Outcome(result, tuple(dict.fromkeys(notes)))

    def _library(self, model: Classifier, device: torch.device, targets: int) -> Any:
        from pyautoattack import AutoAttack as Library

        library = Library(
            model, norm='Linf', eps=self.eps, seed=self.seed, version='standard', device=device
        )
        library.apgd.n_iter = library.apgd_targeted.n_iter = library.fab.n_iter = self.iterations
        library.square.n_queries = self.queries
        library.apgd_targeted.n_target_classes = library.fab.n_target_classes = targets
        return library


@dataclass(frozen=True, kw_only=True)
class Square(AutoAttack):
    """AutoAttack's Square alone, which asks for answers and for no gradients."""

    name: ClassVar[str] = 'square'
    steps: ClassVar[tuple[str, ...]] = ('square',)

    def steps_for(self, classes: int) -> tuple[str, ...]:
        return self.steps


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What the library warns of, instead of on the terminal."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    logger = logging.getLogger('auto-attack')
    handler = Keep(logging.WARNING)
    propagate = logger.propagate
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    """The library seeds torch's own generators and switches tracing off; both are put back."""
    trace = sys.gettrace()
    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        try:
            yield
        finally:
            sys.settrace(trace)
