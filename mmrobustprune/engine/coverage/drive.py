"""Many rows, each in a process of its own, so that none can stop the others."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from .row import Record, read_record, run_row
from .zoo import Case

BUSY = 10  # as many times longer than its seconds of the processor a row may take


def run_in_process(case: Case, steps: Sequence[str], folder: Path, limit: float) -> Record:
    """`run_row` in a process that is ended where it takes too long.

    The process is forked, as importing both zoos takes longer than many a row.
    """
    fork = multiprocessing.get_context('fork')
    process = fork.Process(target=_alone, args=(case, steps, folder, limit), daemon=False)
    process.start()
    process.join(BUSY * len(steps) * limit)
    if process.is_alive():
        process.kill()
        process.join()
    return read_record(folder, case)


def _alone(case: Case, steps: Sequence[str], folder: Path, limit: float) -> None:
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # of every weight that is drawn
    run_row(case, steps, folder, limit)


def run_rows(
    cases: Sequence[Case],
    todo: Callable[[Case], Sequence[str]],
    folder: Path,
    limit: float,
    tell: Callable[[str], Any],
) -> list[Record]:
    """The records of all cases, after the steps that `todo(case)` names were tried.

    Args:
        cases: the rows.
        todo: the steps of a case; none where all is known.
        folder: of the records.
        limit: seconds of the processor for each step.
        tell: gets a line when a row is done.
    """
    for package in {case.config.partition('::')[0] for case in cases}:
        import_module(f'{package}.apis')  # once, not in every process
    records = []
    for number, case in enumerate(cases, 1):
        steps = list(todo(case))
        record = read_record(folder, case)
        if steps:
            record = run_in_process(case, steps, folder, limit)
            said = '; '.join(f'{step} {_said(record["steps"].get(step, {}))}' for step in steps)
            tell(f'{number}/{len(cases)} {case.config}: {said}')
        records.append(record)
    return records


def _said(step: Record) -> str:
    return step.get('error') or f'{step.get("seconds", 0)} s'
