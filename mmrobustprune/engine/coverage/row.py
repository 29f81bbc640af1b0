"""One row of the table: the steps of one configuration, each recorded as soon as it is known."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmrobustprune.cli import WRONG_INPUT
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.records.stamp import OPENMMLAB, commit, installed, own_versions

from .steps import STEPS, trial_of
from .training import Untrainable
from .zoo import Case

Record = dict[str, Any]
VERSIONS = ('torch-pruning', *OPENMMLAB)


def record_path(folder: Path, case: Case) -> Path:
    """Where the record of a configuration lies."""
    return folder / f'{case.name}.json'


def read_record(folder: Path, case: Case) -> Record:
    """What is known of a configuration; without steps where nothing is."""
    path = record_path(folder, case)
    known = read_json(path) if path.exists() else dict(config=case.config, steps={})
    return dict(known, kind=case.kind)


def open_steps(record: Record, steps: Sequence[str], failed: bool = False) -> list[str]:
    """The steps that are still to be done; with `failed` those that failed, too."""
    known = record['steps']
    return [step for step in steps if step not in known or (failed and 'error' in known[step])]


def run_row(case: Case, steps: Sequence[str], folder: Path, limit: float) -> Record:
    """Try the steps of a configuration one after the other, `limit` seconds each at most.

    Seconds are those of the processor, which are the same on a busy machine. A step that ends this
    process leaves a record that says so.
    """
    record = read_record(folder, case)
    record.update(size=case.size)
    with trial_of(case) as trial:
        for step in steps:
            record['steps'][step] = dict(error=f'it was not done in {limit:.0f} s', kind='time')
            write_json(record_path(folder, case), record)
            start = time.process_time()
            found = _outcome(STEPS[step], trial, limit)
            seconds = round(time.process_time() - start, 1)
            record['steps'][step] = dict(found, seconds=seconds, commit=commit())
            record['versions'] = own_versions() | installed(VERSIONS)
            write_json(record_path(folder, case), record)
    return record


def _outcome(step: Any, trial: Any, limit: float) -> dict[str, Any]:
    """What a step returns, or how it failed: refused (by the zoo, too), by a crash, or by time."""
    try:
        with limited(limit):
            return step(trial)
    except TimeoutError:
        return dict(error=f'it was not done in {limit:.0f} s', kind='time')
    except Exception as error:
        if os.environ.get('MMRP_TRACEBACK'):
            traceback.print_exc()
        kind = 'refused' if isinstance(error, WRONG_INPUT) else 'crash'
        kind = 'upstream' if isinstance(error, Untrainable) else kind
        text = (str(error).strip() or 'no message').splitlines()[0][:300]
        return dict(error=f'{type(error).__name__}: {text}', kind=kind)


@contextmanager
def limited(limit: float) -> Iterator[None]:
    """Inside, a TimeoutError comes after so many seconds of processor time."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f'it was not done in {limit:.0f} s')

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
