"""What an evaluator knows while it evaluates and then throws away."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from mmengine.evaluator import BaseMetric, Evaluator

from mmrobustprune.corruption.evidence import Evidence

Reading = tuple[dict[str, float], Evidence | None]


class Record:
    """A metric whose numbers keep every digit; subclasses keep more.

    Attributes:
        results: what the metric was computed from; None where it was not, as on all processes but
            the first.
        calls: (arguments, keyword arguments, answer) of the functions that `tapped` names.
    """

    tapped: tuple[str, ...] = ()

    def __init__(self, metric: BaseMetric) -> None:
        self.metric = metric
        self.results: list | None = None
        self.calls: list[tuple] = []
        self._compute: Callable[[list], Mapping[str, Any]] = metric.compute_metrics

    def compute_metrics(self, results: list) -> Mapping[str, Any]:
        """The metric's own, in modules that do not round.

        VOCMetric and CocoMetric round to three digits.
        """
        self.results = results
        with ExitStack() as stack:
            for module in self._modules():
                taps = {
                    name: self._tap(getattr(module, name))
                    for name in self.tapped
                    if hasattr(module, name)
                }
                stack.enter_context(replaced(module, round=_keep_digits, **taps))
            return self._compute(results)

    def read(self, key: str) -> Reading | None:
        """The values of the classes behind a value of the evaluator, and the evidence for it.

        Args:
            key: with the metric's prefix.
        Returns:
            None where this metric did not make that value.
        """
        prefix, _, name = key.rpartition('/')
        is_own = prefix == (self.metric.prefix or '')
        return self._read(name) if self.results and is_own else None

    def _read(self, name: str) -> Reading | None:
        return None

    def _tap(self, function: Callable) -> Callable:
        def call(*args: Any, **options: Any) -> Any:
            out = function(*args, **options)
            self.calls.append((args, options, out))
            return out

        return call

    def _modules(self) -> list[ModuleType]:
        bases = [
            base
            for base in type(self.metric).__mro__
            if issubclass(base, BaseMetric) and base is not BaseMetric
        ]
        return list({base.__module__: sys.modules[base.__module__] for base in bases}.values())

    def _named(self, values: Mapping[int, float]) -> dict[str, float]:
        """By class name, and by number where several classes have it, as ImageNet's two cranes."""
        names = [str(name) for name in (self.metric.dataset_meta or {}).get('classes') or ()]
        names += [str(index) for index in range(len(names), max(values, default=-1) + 1)]
        found = {}
        for index, value in values.items():
            name = names[index]
            found[name if names.count(name) == 1 else f'{name} ({index})'] = float(value)
        return found


@contextmanager
def recorded(evaluator: Evaluator, kinds: Mapping[str, type[Record]]) -> Iterator[list[Record]]:
    """Record what the evaluator does inside; the metrics are as they were afterwards.

    Args:
        kinds: metric class, or a base of it, by name -> its record; `Record` for the others.
    """
    with ExitStack() as stack:
        records = []
        for metric in evaluator.metrics:
            names = [base.__name__ for base in type(metric).__mro__]
            record = next((kinds[name] for name in names if name in kinds), Record)(metric)
            stack.enter_context(replaced(metric, compute_metrics=record.compute_metrics))
            records.append(record)
        yield records


@contextmanager
def replaced(owner: Any, **values: Any) -> Iterator[None]:
    """Attributes of a module or an object set inside, as they were afterwards."""
    before = {name: vars(owner)[name] for name in values if name in vars(owner)}
    vars(owner).update(values)
    try:
        yield
    finally:
        for name in values:
            del vars(owner)[name]
        vars(owner).update(before)


def _keep_digits(value: float, digits: int | None = None) -> float:
    return builtins.round(value) if digits is None else float(value)
