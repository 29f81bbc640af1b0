"""One result as a JSON card, in the manner of RobustBench, and the schema it is checked by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from mmrobustprune.naming import check_fields
from mmrobustprune.records.files import read_json, write_json

KEPT = 'checkpoint kept'
NOT_KEPT = 'recorded, checkpoint not kept'
CITED = 'numbers of a paper'
STATUS = (KEPT, NOT_KEPT, CITED)


@dataclass(frozen=True)
class Evaluation:
    """How a part of the numbers was made.

    Attributes:
        tool: 'robustness' or 'attack'.
        label: the experiment's name of it, before the columns of its numbers; '' for none.
        options: of the tool, behind config and checkpoint.
    """

    tool: str
    label: str = ''
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResultCard:
    """A network, what it costs, and what it withstands.

    Attributes:
        name: of the card and its file.
        board: what it competes in: the title of an experiment, or of a paper's table.
        method: what made it.
        status: 'checkpoint kept', 'recorded, checkpoint not kept' or 'numbers of a paper'.
        metric: of the numbers.
        numbers: column -> value, in the unit of the metric; higher is better.
        config: that builds and tests it, from the root of the repository; '' for a paper's.
        checkpoint: its weights, where they are kept.
        weights: their digest (`records.stamp.weights_hash`), where they are kept.
        source: the record or the paper.
        seed: of the training.
        images: that the numbers are of.
        cost: params, macs (of an image) and latency (ms of one image on the device named).
        training: epochs, minutes, gradients (in epochs) and learning rate.
        evaluations: that give the numbers again.
        versions, commit: that made them.
    """

    name: str
    board: str
    method: str
    status: str
    metric: str
    numbers: dict[str, float]
    source: str
    config: str = ''
    checkpoint: str = ''
    weights: str = ''
    seed: int | None = None
    images: int | None = None
    cost: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUS:
            raise ValueError(
                f"card '{self.name}' has status '{self.status}'; choose among {', '.join(STATUS)}."
            )
        if not self.numbers:
            raise ValueError(f"card '{self.name}' has no numbers; give at least one.")
        for column, value in self.numbers.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"card '{self.name}' has {value!r} as {column}; give a number.")
            if not math.isfinite(value):
                raise ValueError(f"card '{self.name}' has {value} as {column}; leave it out.")
        if self.status == KEPT:
            for key in ('config', 'checkpoint', 'weights', 'evaluations'):
                if not getattr(self, key):
                    raise ValueError(
                        f"card '{self.name}' keeps its checkpoint and has no {key}; add it, or "
                        f"say status '{NOT_KEPT}'."
                    )

    def write(self, folder: Path) -> Path:
        """Write it as NAME.json."""
        path = folder / f'{self.name}.json'
        write_json(path, asdict(self))
        return path


def read_card(path: str | Path) -> ResultCard:
    """Read a card and check it against the schema.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: no JSON, an unknown or missing field, a value of another type or range.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path} is not there; give a card of docs/results/cards.')
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f'{path} is no card; a card is a JSON object.')
    _check(f'card {path}', ResultCard, content)
    evaluations = []
    for one in content.get('evaluations', ()):
        _check(f'evaluation of {path}', Evaluation, one)
        evaluations.append(Evaluation(**dict(one, options=tuple(one.get('options', ())))))
    card = ResultCard(**dict(content, evaluations=tuple(evaluations)))
    if card.name != Path(path).stem:
        raise ValueError(f"{path} holds the card '{card.name}'; let file and name agree.")
    return card


def read_cards(folder: str | Path) -> list[ResultCard]:
    """All cards of a folder, by name."""
    return [read_card(path) for path in sorted(Path(folder).glob('*.json'))]


def _check(what: str, kind: type, content: Mapping[str, Any]) -> None:
    """Fields that are there and of their type."""
    check_fields(what, content, [one.name for one in fields(kind)])
    types = get_type_hints(kind)
    for one in fields(kind):
        needed = one.default is MISSING and one.default_factory is MISSING
        if one.name not in content:
            if needed:
                raise ValueError(f'{what} has no {one.name}; add it.')
            continue
        value = content[one.name]
        allowed = tuple(get_origin(kind) or kind for kind in _kinds(types[one.name]))
        if not isinstance(value, allowed):
            raise ValueError(
                f'{what} has {one.name}={value!r}; give '
                f'{" or ".join(kind.__name__ for kind in allowed)}.'
            )


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types a field may have in JSON."""
    if get_origin(hint) is tuple:
        return (list, tuple)
    if get_origin(hint) is dict:
        return (dict,)
    return get_args(hint) or (hint,)
