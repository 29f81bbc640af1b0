"""What is tried with every network: one function per step, which returns what is recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from mmrobustprune.cost.count import Cost, count
from mmrobustprune.dependency.groups import Trace
from mmrobustprune.engine.bridge.model import example_of_shape, forward_of, input_channels
from mmrobustprune.engine.deploy.export import export_onnx
from mmrobustprune.naming import unknown
from mmrobustprune.surgery import prune_channels, trace

from .peer import prune_with_torch_pruning
from .share import share_of
from .training import Untrainable, load_as_stock, train
from .zoo import Case

REMOVED = 0.3  # of the multiplications


class Trial:
    """One configuration on its way through the steps, which share what they have made."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.trained = False
        self.refusal: Untrainable | None = None

    @cached_property
    def dense(self) -> nn.Module:
        """The network, which stays as it is."""
        return self.case.build()

    @cached_property
    def example(self) -> dict:
        """One random image."""
        return example_of_shape(self.dense, self.case.size, self.case.size, forward_of(self.dense))

    @cached_property
    def found(self) -> Trace:
        """What can be pruned, doubtful groups tried."""
        return trace(self.dense, self.example, forward_of(self.dense))

    @cached_property
    def cost(self) -> Cost:
        """What the dense network costs."""
        return count(self.dense, self.example, forward_of(self.dense))

    @cached_property
    def pruned(self) -> nn.Module:
        """A network from which REMOVED of the multiplications are gone, with certificate."""
        model = self.case.build()
        prune_channels(model, self.example, REMOVED, budget='macs', forward=forward_of(model))
        return model

    def left(self, model: nn.Module) -> dict[str, float]:
        """The shares of parameters and multiplications that a smaller network still has."""
        now = count(model, self.example, forward_of(model))
        return dict(
            params=round(now.params / self.cost.params, 4), macs=round(now.macs / self.cost.macs, 4)
        )


def share(trial: Trial) -> dict[str, Any]:
    """Trace, and the share of the network that lies in groups, the doubtful ones tried."""
    found = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(share_of(trial.dense, trial.found)).items()
    }
    return dict(
        parameters=trial.cost.params,
        groups=len(trial.found.groups),
        unprunable=len(trial.found.unprunable),
        tried=True,
        **found,
    )


def prune(trial: Trial) -> dict[str, Any]:
    """One-shot removal with certificate."""
    return trial.left(trial.pruned)


def peer(trial: Trial) -> dict[str, Any]:
    """Torch-Pruning's own removal of about as much."""
    try:
        found = trial.found
    except ValueError:
        found = None
    model = trial.case.build()
    prune_with_torch_pruning(model, trial.example, forward_of(model), REMOVED, found)
    return trial.left(model)


def recipe(trial: Trial) -> dict[str, Any]:
    """A training by the two lines."""
    trial.trained = True
    channels = input_channels(trial.dense, trial.case.size, trial.case.size)
    try:
        train(trial.case, channels, trial.folder, REMOVED)
    except Untrainable as refusal:
        trial.refusal = refusal
        raise
    return {}


def load(trial: Trial) -> dict[str, Any]:
    """pruned.py and pruned.pth in the zoo's own loader."""
    if not trial.trained:
        recipe(trial)
    if trial.refusal is not None:
        raise trial.refusal
    if not (trial.folder / 'pruned.pth').is_file():
        raise ValueError('the training left no pruned.pth; see its own step.')
    return trial.left(load_as_stock(trial.case, trial.folder))


def onnx(trial: Trial) -> dict[str, Any]:
    """The pruned network as ONNX, compared with itself."""
    size = (trial.case.size, trial.case.size)
    path = trial.folder / 'pruned.onnx'
    try:
        return dict(difference=export_onnx(trial.pruned, size, path))
    finally:
        path.unlink(missing_ok=True)


STEPS: dict[str, Callable[[Trial], dict[str, Any]]] = dict(
    trace=share, prune=prune, train=recipe, load=load, onnx=onnx, peer=peer
)


def chosen(names: str | None) -> list[str]:
    """The steps in `a,b`; all for None.

    Raises:
        ValueError: there is no such step.
    """
    given = list(STEPS) if names is None else names.split(',')
    for name in given:
        if name not in STEPS:
            raise unknown('step', name, STEPS)
    return [name for name in STEPS if name in given]


@contextmanager
def trial_of(case: Case):
    """A trial in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix='coverage-') as folder:
        yield Trial(case, Path(folder))
