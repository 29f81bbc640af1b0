"""All runs of an experiment, one after the other, shared with other machines by their folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mmrobustprune.records.files import write_json
from mmrobustprune.records.lock import Lock
from mmrobustprune.report.comparison.page import Page, read_records, write_page

from .alike import refuse_unlike
from .experiment import DENSE, Experiment
from .fair import refuse_other_budget, refuse_unequal
from .job import Job
from .run import JobRun
from .tools import Tools, call_tool


@dataclass(frozen=True)
class Comparison:
    """An experiment to be run.

    Args:
        experiment: what is compared.
        work: folder of the trainings, and of the locks.
        results: folder of the records, one per experiment inside.
        epochs: instead of the experiment's; None is its own.
        tools: runs the tools.
        say: is told what happens.
    """

    experiment: Experiment
    work: Path
    results: Path
    epochs: int | None = None
    tools: Tools = call_tool
    say: Callable[[Any], None] = print

    @property
    def folder(self) -> Path:
        """Of the records."""
        return self.results / self.experiment.name

    def run(self, names: Sequence[str] | None = None, seeds: Sequence[int] | None = None) -> None:
        """Run what has no record yet, a lock each, and write the page after every run.

        Args:
            names: of the methods; None is all, the dense network first.
            seeds: None is the experiment's.
        Raises:
            ValueError: an unknown method or another budget, before anything is run; at the end,
                what became of the runs that failed or do not belong into one table.
        """
        chosen = self.experiment.chosen(list(names) if names else None)
        for name in chosen:
            refuse_other_budget(self.experiment, name)
        self._check(self.records())
        elsewhere: dict[str, str] = {}
        failed = []
        fresh = False
        for job in self._jobs(chosen, list(seeds or self.experiment.seeds)):
            if self._file(job).exists():
                continue
            if not job.has_weights() and job.origin in elsewhere:
                elsewhere[job.label] = f'waits for {job.origin}'
                continue
            with Lock(job.lock) as lock:
                if not lock.take():
                    elsewhere[job.label] = str(lock.owner().get('host'))
                    continue
                try:
                    self._finish(job, lock)
                    fresh = True
                except (ValueError, FileNotFoundError) as error:  # the others go on
                    self.say(f'{job.label}: {error}')
                    failed.append(f'{job.label}: {error}')
        if elsewhere:
            said = ', '.join(f'{label} ({why})' for label, why in elsewhere.items())
            self.say(f'under way elsewhere: {said}')
        if failed:
            raise ValueError('\n'.join(failed))
        if self.records() and not fresh:
            self.tabulate()

    def tabulate(self) -> None:
        """Write the page of the records that are there.

        Raises:
            ValueError: there is none, or they do not belong into one table.
        """
        records = self.records()
        if not records:
            raise ValueError(f'{self.folder} holds no record; run the experiment first.')
        self._check(records)
        self.say(write_page(self.folder, self._page(), records))

    def records(self) -> list[dict]:
        """All that there are, in the order of the experiment."""
        return read_records(self.folder, self.experiment.names)

    def _check(self, records: Sequence[dict]) -> None:
        """Refuse (ValueError) records that do not belong into one table."""
        refuse_unlike(self.experiment, records)
        refuse_unequal(self.experiment, records)

    def _finish(self, job: Job, lock: Lock) -> None:
        if self._file(job).exists():  # finished while we looked
            return
        record = JobRun(job, self.tools).finish()
        self._check([*self.records(), record])
        if not lock.is_ours():
            raise ValueError(
                f'{job.label} was taken over by {lock.owner().get("host")}, as after this machine '
                'slept; nothing was recorded, run this again.'
            )
        write_json(self._file(job), record)
        self.tabulate()

    def _jobs(self, names: Sequence[str], seeds: list[int]) -> list[Job]:
        """Every method with the first seed, then with the second; a dense network as often as it is
        trained.
        """
        experiment = self.experiment
        only = seeds[0] if experiment.weights else experiment.dense_seed
        epochs = self.epochs or experiment.epochs
        found = []
        for seed, name in product(seeds, names):
            if name != DENSE or only in (None, seed):
                found.append(Job(experiment, name, seed, epochs, self.work))
        return found

    def _file(self, job: Job) -> Path:
        return self.folder / f'{job.label}.json'

    def _page(self) -> Page:
        experiment = self.experiment
        return Page(
            title=experiment.title,
            suite=experiment.suite,
            severities=experiment.severities,
            robust=experiment.robust,
            reference=experiment.reference or next(iter(experiment.methods)),
            budget=experiment.budget
            and f'{experiment.budget.removed:.4g} of the '
            f'{experiment.budget.of}, within {experiment.budget.within:g}',
        )
