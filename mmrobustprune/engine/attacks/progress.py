"""A bar over the batches of all probes, with the time left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from .evaluate import Progress


@contextmanager
def batch_bar(unit: str = 'batch') -> Iterator[Progress]:
    """Progress for `evaluate_probes` on stderr; where that is no terminal, a line now and then."""
    # an average over the whole run: the probes take turns on each batch and differ a thousandfold
    with tqdm(unit=unit, smoothing=0, mininterval=0.1 if sys.stderr.isatty() else 30) as bar:

        def show(what: str, done: int, total: int) -> None:
            if bar.total is None:
                bar.initial = bar.n = done  # batches of an earlier run took no time of this one
            bar.total = total
            bar.set_description(what, refresh=False)
            bar.update(done - bar.n)

        yield show
