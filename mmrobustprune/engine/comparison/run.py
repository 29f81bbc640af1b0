"""One method with one seed: trained, evaluated and measured; what is on disk is not done again."""

from __future__ import annotations

from pathlib import Path

from mmrobustprune.engine.analysis.compare import measure
from mmrobustprune.engine.attacks.evaluate import evaluate_probes
from mmrobustprune.engine.bridge.config import load_config
from mmrobustprune.engine.runners.count_gradients import GRADIENTS
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.records.stamp import command, commit
from mmrobustprune.report.paper.observe import facts_in
from mmrobustprune.report.runs import read_run

from . import numbers
from .experiment import DENSE
from .job import Job, plan_of
from .length import learning_rate
from .tools import Tools


class JobRun:
    """A job under way.

    Args:
        job: what is run.
        tools: runs the tools.
    """

    def __init__(self, job: Job, tools: Tools) -> None:
        self.job = job
        self.tools = tools
        self.commands = [command()]

    def finish(self) -> dict:
        """The record of the run, after all that is missing was done.

        Raises:
            FileNotFoundError: the weights that it starts from are not there.
            ValueError: its folder was begun otherwise, or a tool failed.
        """
        job = self.job
        folder = job.folder
        job.refuse_absent_weights()
        job.begin()
        config, checkpoint = self._train()
        found = self._corrupt(config, checkpoint)
        attacked = self._attack(config, checkpoint, 'attacked')
        masked = self._attack_mask()
        if masked:
            found |= self._clean_mask()
        found |= self._clean(config, checkpoint) | self._times(config, checkpoint)
        costs = self._costs(config, checkpoint)
        write_json(folder / 'cost.json', costs[job.name])
        record = dict(
            read_run(folder).record(),
            name=job.name,
            experiment=job.experiment.name,
            seed=job.seed,
            epochs=job.length,
            plan=plan_of(job.experiment, job.name),
            minutes=numbers.training_minutes(folder),
            gradients=(numbers.maybe(folder / GRADIENTS) or {}).get('epochs'),
            learning_rate=self._learning_rate(),
            dense_cost={key: costs[DENSE][key] for key in ('params', 'macs', 'latency')},
            rounds=numbers.maybe(folder / 'rounds.json'),
            search=numbers.maybe(folder / 'search.json'),
            commands=self.commands,
            commit=commit(),
            attacks=attacked,
            mask_attacks=masked,
            facts=facts_in(folder),
            outcomes=numbers.outcomes(folder, attacked, masked),
        )
        record |= numbers.flat_attacks(attacked) | numbers.stage_metrics(folder) | found
        for key, value in numbers.flat_attacks(masked).items():
            record[f'mask {key}'] = value
        return record

    def _learning_rate(self) -> str | None:
        job = self.job
        return learning_rate(load_config(job.config, job.options())) if job.length else None

    def _train(self) -> tuple[str | Path, Path]:
        """Config and weights, trained where they are not there yet."""
        job = self.job
        done = (job.config, job.dense)
        if not job.is_dense:
            done = (job.folder / 'pruned.py', job.folder / 'pruned.pth')
        if not done[1].exists():
            resume = ['--resume'] if (job.folder / 'last_checkpoint').exists() else []
            self._call(
                'train',
                job.config,
                '--work-dir',
                job.folder,
                '--count-gradients',
                *resume,
                '--cfg-options',
                *job.options(),
            )
        return done

    def _corrupt(self, config: str | Path, checkpoint: Path) -> dict:
        """Accuracy under corruptions."""
        experiment = self.job.experiment
        if not experiment.suite:
            return {}
        options = ['--suite', experiment.suite, '--severities', *experiment.severities]
        if experiment.corruptions:
            options += ['--corruptions', *experiment.corruptions]
        if experiment.subset:
            options += ['--subset', experiment.subset]
        place = self.job.folder / 'corrupted'
        self._call('robustness', config, checkpoint, *options, '--no-report', '--work-dir', place)
        return numbers.evaluated(read_json(place / 'results.json'))

    def _attack(self, config: str | Path, checkpoint: Path, place: str) -> dict[str, list[dict]]:
        """Name of the experiment -> what the network withstands."""
        found = {}
        for label, options in self.job.experiment.attack_words().items():
            work_dir = self.job.folder / f'{place}-{label}'
            self._call('attack', config, checkpoint, *options, '--work-dir', work_dir)
            found[label] = numbers.read_attacks(work_dir)
        return found

    def _attack_mask(self) -> dict[str, list[dict]]:
        """The same of the mask of a search, before fine-tuning; nothing without one."""
        mask = self.job.folder / 'mask'
        if not (mask / 'pruned.pth').exists():
            return {}
        return self._attack(mask / 'pruned.py', mask / 'pruned.pth', 'mask-attacked')

    def _clean_mask(self) -> dict[str, float]:
        """Accuracy of the mask alone on all test images."""
        mask = self.job.folder / 'mask'
        place = self.job.folder / 'mask-clean'
        whole = evaluate_probes(mask / 'pruned.py', mask / 'pruned.pth', place, [])
        return {'mask clean': 100 * whole['clean']}

    def _clean(self, config: str | Path, checkpoint: Path) -> dict:
        """Accuracy on all test images, where corruptions were on some or on none."""
        experiment = self.job.experiment
        if experiment.suite and not experiment.subset:
            return {}
        found = evaluate_probes(config, checkpoint, self.job.folder / 'clean', [])
        whole = {numbers.CLEAN_ALL: 100 * found['clean']}
        if experiment.suite:
            return whole
        return dict(
            whole,
            clean=100 * found['clean'],
            metric='accuracy/top1',
            images=found['subset']['size'],
            versions=found['versions'],
        )

    def _times(self, config: str | Path, checkpoint: Path) -> dict:
        """Times of the pruned network and the dense one, measured and predicted by the table."""
        job = self.job
        if not job.table or job.is_dense:
            return {}
        place = job.folder / 'timed'
        options = ['--shape', *job.experiment.size, '--table', job.table, '--work-dir', place]
        self._call('analyze', 'latency', config, checkpoint, *options)
        return numbers.flat_times(read_json(place / 'latency.json'))

    def _costs(self, config: str | Path, checkpoint: Path) -> dict[str, dict]:
        """What the network and the dense one cost, their timed calls taking turns."""
        job = self.job
        models = {DENSE: (job.experiment.base, job.dense), job.name: (config, checkpoint)}
        measured = measure(models, job.experiment.size)
        return {name: cost for name, (_, cost) in measured.items()}

    def _call(self, tool: str, *words: object) -> None:
        self.commands.append(self.tools(tool, *words))
