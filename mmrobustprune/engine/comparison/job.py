"""One method with one seed: where it lies, what it starts from, how it is trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrobustprune.engine.bridge.config import load_config
from mmrobustprune.records.files import read_json, write_json

from .experiment import DENSE, Experiment
from .length import length_options

PLAN = 'plan.json'


def plan_of(experiment: Experiment, name: str) -> dict[str, Any]:
    """How a method is trained: its config, by path and by content, and the options over it."""
    arm = experiment.methods.get(name)
    config = arm.config if arm else experiment.base
    text = json.dumps(load_config(config).to_dict(), sort_keys=True, default=_called)
    content = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return dict(config=config, options=arm.words() if arm else [], config_content=content)


def _called(thing: Any) -> str:
    """A class or function of a config, without where it lies in memory."""
    return getattr(thing, '__qualname__', type(thing).__qualname__)


@dataclass(frozen=True)
class Job:
    """One method of an experiment with one seed.

    Attributes:
        work: the work dir of all experiments.
        epochs: of the experiment, or those asked for instead.
    """

    experiment: Experiment
    name: str
    seed: int
    epochs: int
    work: Path

    @property
    def label(self) -> str:
        return f'{self.name}-seed{self.seed}'

    @property
    def folder(self) -> Path:
        return self.work / self.experiment.name / self.label

    @property
    def lock(self) -> Path:
        return self.work / self.experiment.name / 'locks' / f'{self.label}.lock'

    @property
    def is_dense(self) -> bool:
        return self.name == DENSE

    @property
    def config(self) -> str:
        return self.experiment.base if self.is_dense else self.experiment.methods[self.name].config

    @property
    def length(self) -> int | None:
        """Epochs that are trained here; None for given weights."""
        if not self.is_dense:
            return self.experiment.methods[self.name].times * self.epochs
        return None if self.experiment.weights else self.experiment.dense_epochs or self.epochs

    @property
    def table(self) -> str:
        """The latency table; '' without one."""
        return self.experiment.table.format(work=self.work)

    @property
    def dense(self) -> Path:
        """The weights that the methods start from, whether they are there or not."""
        experiment = self.experiment
        if experiment.weights:
            return Path(experiment.weights.format(work=self.work))
        seed = self.seed if experiment.dense_seed is None else experiment.dense_seed
        epochs = experiment.dense_epochs or self.epochs
        own = self.work / experiment.name / f'{DENSE}-seed{seed}' / f'epoch_{epochs}.pth'
        kept = Path(experiment.kept)
        return kept if not self.is_dense and not own.exists() and kept.is_file() else own

    def options(self) -> list[str]:
        """KEY=VALUE over the config's own."""
        found = [*length_options(load_config(self.config), self.length)]
        found.append(f'randomness.seed={self.seed}')
        if not self.is_dense:
            found += [f'load_from={self.dense}', *self.experiment.methods[self.name].words()]
            if self.table:
                found.append(f'robust_prune.table={self.table}')
        return found

    def begin(self) -> None:
        """Write down how this is trained.

        Raises:
            ValueError: the folder was begun otherwise.
        """
        plan = dict(plan_of(self.experiment, self.name), epochs=self.epochs)
        begun = read_json(self.folder / PLAN) if (self.folder / PLAN).exists() else {}
        for key, value in begun.items():
            if plan.get(key) != value:
                raise ValueError(
                    f'{self.folder} was begun with {key} {value} and {plan.get(key)} is asked '
                    'for now; go on as it was begun, give another --work-dir, or remove that '
                    'folder.'
                )
        write_json(self.folder / PLAN, plan)

    @property
    def origin(self) -> str:
        """The label of the run that trains the weights which this one starts from."""
        seed = self.seed if self.experiment.dense_seed is None else self.experiment.dense_seed
        return f'{DENSE}-seed{seed}'

    def has_weights(self) -> bool:
        """Whether the dense weights are there, or trained by this very run."""
        return self.dense.exists() or (self.is_dense and not self.experiment.weights)

    def refuse_absent_weights(self) -> None:
        """Raise FileNotFoundError where the dense weights are neither there nor trained here."""
        if self.has_weights():
            return
        seed = self.origin.removeprefix(f'{DENSE}-seed')
        what = f"run '{DENSE}' with --seeds {seed} and the same --epochs first."
        if self.experiment.weights:
            what = 'unpack or train it first; docs/experiments.md says how.'
        raise FileNotFoundError(f'{self.dense} is not there; {what}')
