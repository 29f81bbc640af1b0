"""An experiment as data: methods that start from one dense network, and what is asked of each."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mmrobustprune.engine.bridge.config import load_config
from mmrobustprune.naming import check_fields, nearest, unknown

DENSE = 'dense'  # the name of the network that all methods start from
BUDGETS = ('params', 'macs', 'latency', 'weights')
OF_MMENGINE = ('data_root', 'work_dir')  # what a file may say for its own use


@dataclass(frozen=True)
class Arm:
    """One method of an experiment.

    Attributes:
        config: a path from the folder of the experiment's file, or `package::path`.
        options: dotted key -> value over the config's own.
        times: how many times the experiment's epochs it trains.
        costs_as: the method of as many gradients; it must be named where `times` is not 1.
    """

    config: str
    options: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    costs_as: str = ''

    def words(self) -> list[str]:
        """The options as --cfg-options takes them, which knows no dicts."""
        return [f'{key}={value}' for key, value in _dotted(self.options)]


@dataclass(frozen=True)
class Budget:
    """How much every method removes.

    Attributes:
        of: 'params', 'macs', 'latency' (by the experiment's table) or 'weights' (of masks).
        removed: fraction, in (0, 1).
        within: how far from it a result may lie.
    """

    of: str
    removed: float
    within: float = 0.01

    def __post_init__(self) -> None:
        if self.of not in BUDGETS:
            raise unknown('budget of an experiment', self.of, BUDGETS)
        if not 0 < self.removed < 1:
            raise ValueError(
                f'the budget of an experiment removes {self.removed!r}; give a fraction in (0, 1).'
            )


@dataclass(frozen=True)
class Experiment:
    """Methods on one dense network, one data set, as many epochs and one budget.

    Attributes:
        name: of its file, and of the folder of its records.
        title: over its table.
        base: config of the dense network.
        methods: name -> arm.
        epochs: that every method trains.
        size: height and width of the input in pixels.
        budget: that every method must meet; None says nothing of it.
        seeds: of the trainings, unless others are asked for.
        weights: of the dense network; '' trains `base` for each seed. {work} is the work dir.
        dense_epochs: of that training; 0 is as many as the methods'.
        dense_seed: it is trained once, with this seed, for all seeds of the methods.
        kept: weights of it that lie in the repository, for who has not trained it.
        suite, corruptions, severities: '' leaves them out; () is the benchmark of the suite.
        subset: images under corruption, chosen at random by a seed of their own; 0 takes all.
        attacks: name -> options of tools/attack.py.
        table: of latencies, which all methods share; {work} is the work dir.
        robust: a column, and what the dense network must reach in it for the methods to mean
            anything.
        reference: the method that differences are taken from; '' is the first.
    """

    name: str
    title: str
    base: str
    methods: Mapping[str, Arm]
    epochs: int
    size: tuple[int, int]
    budget: Budget | None = None
    seeds: tuple[int, ...] = (0,)
    weights: str = ''
    dense_epochs: int = 0
    dense_seed: int | None = None
    kept: str = ''
    suite: str = ''
    corruptions: tuple[str, ...] = ()
    severities: tuple[int, ...] = (3,)
    subset: int = 0
    attacks: Mapping[str, str] = field(default_factory=dict)
    table: str = ''
    robust: tuple[str, float] | None = None
    reference: str = ''

    def __post_init__(self) -> None:
        _check_numbers(self)
        if not self.methods or DENSE in self.methods:
            raise ValueError(
                f"experiment '{self.name}' has the methods {', '.join(self.methods) or 'none'}; "
                f"name at least one, and none '{DENSE}', which is what they start from."
            )
        for named in filter(None, [self.reference, *(a.costs_as for a in self.methods.values())]):
            if named not in self.methods:
                raise unknown(f"method of experiment '{self.name}'", named, self.methods)
        for name, arm in self.methods.items():
            if arm.times != 1 and not arm.costs_as:
                raise ValueError(
                    f"method '{name}' trains {arm.times} times the epochs of the others; give "
                    'all the same, or say by costs_as which method it costs as many gradients as.'
                )
        if self.budget and self.budget.of == 'latency' and not self.table:
            raise ValueError(
                f"experiment '{self.name}' has a budget of latency and no table; name the file "
                'of measured blocks, e.g. '
                f"table='{{work}}/{self.name}/latency_table.json'."
            )

    @property
    def names(self) -> list[str]:
        """The dense network and the methods, in order."""
        return [DENSE, *self.methods]

    def chosen(self, names: list[str] | None) -> list[str]:
        """The names asked for; None is all.

        Raises:
            ValueError: one that the experiment does not have.
        """
        for name in names or ():
            if name not in self.names:
                raise unknown(f"method of experiment '{self.name}'", name, self.names)
        return names or self.names

    def attack_words(self) -> dict[str, list[str]]:
        """Name -> options of tools/attack.py, as words."""
        return {name: shlex.split(text) for name, text in self.attacks.items()}


def _check_numbers(experiment: Experiment) -> None:
    """Refuse (ValueError) a field that is of another type: '0' is no seed, and 'fog' no list."""
    for name, least in dict(epochs=1, dense_epochs=0, subset=0).items():
        value = getattr(experiment, name)
        if not _is_whole(value) or value < least:
            raise _wrong(experiment, name, value, f'a whole number of at least {least}')
    for name, example in dict(seeds='(0, 1)', severities='(3,)', size='(32, 32)').items():
        value = getattr(experiment, name)
        if not isinstance(value, tuple) or not value or not all(map(_is_whole, value)):
            raise _wrong(experiment, name, value, f'whole numbers, such as {example}')
    if not isinstance(experiment.corruptions, tuple):
        raise _wrong(experiment, 'corruptions', experiment.corruptions, "names, such as ('fog',)")
    if experiment.dense_seed is not None and not _is_whole(experiment.dense_seed):
        raise _wrong(experiment, 'dense_seed', experiment.dense_seed, 'a whole number or None')


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(experiment: Experiment, name: str, value: Any, allowed: str) -> ValueError:
    return ValueError(f"experiment '{experiment.name}' has {name}={value!r}; give {allowed}.")


def _dotted(options: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf of nested options."""
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def read_experiment(path: str) -> Experiment:
    """Read an experiment's file, a Python file of plain values which may inherit by `_base_`.

    Raises:
        FileNotFoundError: the file, or a config that it names, is not there.
        ValueError: an unknown field or method, unequal epochs or no budget of those allowed.
    """
    content = load_config(path)
    given = {key: value for key, value in content.to_dict().items() if key not in OF_MMENGINE}
    allowed = [one.name for one in fields(Experiment) if one.name != 'name']
    check_fields(f"the experiment '{path}'", given, allowed)
    for key in ('title', 'base', 'methods', 'epochs', 'size'):
        if key not in given:
            raise ValueError(f"the experiment '{path}' has no {key}; add it.")
    folder = Path(content.filename).parent
    methods = {}
    for name, arm in given.pop('methods').items():
        check_fields(f"method '{name}'", arm, [one.name for one in fields(Arm)])
        if 'config' not in arm:
            raise ValueError(f"method '{name}' of '{path}' has no config; add it.")
        methods[name] = Arm(**dict(arm, config=_config(folder, arm['config'])))
    budget = given.pop('budget', None)
    if budget is not None:
        check_fields('budget', budget, [one.name for one in fields(Budget)])
        budget = Budget(**budget)
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    plain['base'] = _config(folder, plain['base'])
    return Experiment(name=Path(content.filename).stem, methods=methods, budget=budget, **plain)


def _config(folder: Path, name: str) -> str:
    """A config of an experiment, as a path from the current folder where it has one."""
    if '::' in name:
        return name
    path = Path(os.path.normpath(folder / name))
    if not path.is_file():
        known = [str(Path(os.path.relpath(one, folder))) for one in path.parent.glob('*.py')]
        raise FileNotFoundError(
            f"config '{name}' is not there{nearest(name, known)}; an experiment gives the paths of "
            f'its configs from its own folder, {folder}.'
        )
    here = Path(os.path.relpath(path))
    return str(path if here.parts[0] == '..' else here)
