#!/usr/bin/env python
"""Methods side by side on real data: clean accuracy and 15 corruptions at severity 3.

bccd and cifar_jpeg remove half the parameters by AdaSAP, by magnitude + SGD for as many epochs, and
by magnitude + SGD for twice as many (equal time). sr_gkp compares ways of grouped-kernel pruning
with filters of least L1 norm, s2ap compares HYDRA and HARP with S2AP around them, both also under
attack. bccd_latency removes half the time of a forward pass instead, from what the arm dense of
bccd trained.

Every arm and seed that is finished is one JSON in docs/results/EXPERIMENT and is not run again; one
that was stopped goes on from its last checkpoint. The table over all that is there is
docs/results/EXPERIMENT/README.md.

Example:
    python tools/experiments/prepare_data.py
    python tools/experiments/run_arms.py bccd --seeds 0 1 2
    python tools/experiments/run_arms.py cifar_jpeg --arms adasap magnitude --seeds 0
"""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools' / 'experiments')]
os.environ.setdefault('GOMP_SPINCOUNT', '1000')  # spinning threads take each other's cores

from arms import EXPERIMENTS, Experiment  # noqa: E402
from records import flat_attacks, summary  # noqa: E402
from rich.console import Console  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.engine.analysis.compare import measure  # noqa: E402
from mmrobustprune.records.stamp import command, commit  # noqa: E402
from mmrobustprune.report.paper.observe import facts_in  # noqa: E402
from mmrobustprune.report.runs import Run, read_run  # noqa: E402


def call(*words: object) -> str:
    """Run one of the tools; returns the command as typed."""
    line = ['python', *map(str, words)]
    print('$', shlex.join(line), flush=True)
    done = subprocess.run([sys.executable, *line[1:]], cwd=ROOT)
    if done.returncode:
        raise ValueError(
            f'{shlex.join(line)} ended with exit code {done.returncode}; '
            'mend the cause and run this again.'
        )
    return shlex.join(line)


def train(config: Path, work_dir: Path, epochs: int, seed: int, *more: str) -> str:
    """Train a config for so many epochs, with more config options; returns the command."""
    options = [
        f'train_cfg.max_epochs={epochs}',
        f'param_scheduler.1.T_max={epochs}',
        f'param_scheduler.1.end={epochs}',
        f'randomness.seed={seed}',
        *more,
    ]
    resume = ['--resume'] if (work_dir / 'last_checkpoint').exists() else []
    return call(
        'tools/train.py', config, '--work-dir', work_dir, *resume, '--cfg-options', *options
    )


@dataclass(frozen=True)
class Job:
    """One arm of an experiment with one seed.

    Attributes:
        work: the folder of --work-dir.
    """

    name: str
    experiment: Experiment
    arm: str
    seed: int
    epochs: int
    work: Path

    @property
    def folder(self) -> Path:
        return self.work / self.name / f'{self.arm}-seed{self.seed}'

    @property
    def is_dense(self) -> bool:
        return self.arm == 'dense'

    @property
    def dense_epochs(self) -> int:
        return self.experiment.dense_epochs or self.epochs

    @property
    def arm_epochs(self) -> int:
        return self.experiment.arms[self.arm].times * self.epochs

    @property
    def trained(self) -> int | None:
        """Epochs that were trained here; None for given weights."""
        if not self.is_dense:
            return self.arm_epochs
        return None if self.experiment.weights else self.dense_epochs

    @property
    def table(self) -> str:
        """The latency table; '' without one."""
        return self.experiment.table.format(work=self.work)

    def dense_weights(self) -> Path:
        """Where the arms start from, whether it is there or not."""
        if self.experiment.weights:
            return Path(self.experiment.weights.format(work=self.work))
        seed = self.seed if self.experiment.dense_seed is None else self.experiment.dense_seed
        return self.work / self.name / f'dense-seed{seed}' / f'epoch_{self.dense_epochs}.pth'


def run_arm(job: Job) -> dict:
    """Train, evaluate and measure one arm; what is on disk already is not done again."""
    experiment = job.experiment
    folder = job.folder
    commands = [command()]
    refuse_absent_weights(experiment, job.dense_weights())
    begin(job)
    config, checkpoint = trained(job, commands)
    if experiment.suite:
        options = ['--suite', experiment.suite, '--severities', 3, '--no-report']
        if experiment.subset:
            options += ['--subset', experiment.subset]
        work_dir = folder / 'corrupted'
        commands.append(
            call('tools/robustness.py', config, checkpoint, *options, '--work-dir', work_dir)
        )
    attacked = attack(experiment, config, checkpoint, folder / 'attacked', commands)
    masked = {}
    mask = folder / 'mask'
    if (mask / 'pruned.pth').exists():  # a search of masks, before fine-tuning
        files = (mask / 'pruned.py', mask / 'pruned.pth')
        masked = attack(experiment, *files, folder / 'mask-attacked', commands)
    timed = {}
    if job.table and not job.is_dense:
        timed = measured_times(job, config, checkpoint, commands)
    cost = measure({job.arm: (config, checkpoint)}, experiment.size)[job.arm][1]
    (folder / 'cost.json').write_text(json.dumps(cost, indent=1))
    run = read_run(folder)
    record = dict(
        run.record(),
        name=job.arm,
        experiment=job.name,
        seed=job.seed,
        epochs=job.trained,
        minutes=training_minutes(folder),
        rounds=read_json(folder / 'rounds.json'),
        search=read_json(folder / 'search.json'),
        commands=commands,
        commit=commit(),
        attacks=attacked,
        mask_attacks=masked,
        facts=facts_in(folder),
    )
    record |= flat_attacks(attacked) | timed | stage_metrics(folder)
    if experiment.subset:
        record['clean, all'] = last_validation(folder)
    record |= {f'mask {key}': value for key, value in flat_attacks(masked).items()}
    if masked:
        record['mask clean'] = 100 * next(iter(masked.values()))[0]['clean']
    return record | (evaluated(run) if experiment.suite else evaluated_by_attacks(attacked))


def refuse_absent_weights(experiment: Experiment, dense: Path) -> None:
    """Raise FileNotFoundError where an experiment's own weights are not there."""
    if not experiment.weights or dense.exists():
        return
    what = 'unpack the data first: tools/experiments/prepare_data.py.'
    if '{work}' in experiment.weights:
        what = 'run the arm dense of another experiment first: run_arms.py bccd --arms dense.'
    raise FileNotFoundError(f'{dense} is not there; {what}')


def begin(job: Job) -> None:
    """Write how long this arm is trained; a folder of another length is refused."""
    plan = job.folder / 'plan.json'
    begun = (read_json(plan) or {}).get('epochs', job.epochs)
    if begun != job.epochs:
        raise ValueError(
            f'{job.folder} was begun with --epochs {begun}, not {job.epochs}; '
            'give that, another --work-dir, or remove the folder.'
        )
    job.folder.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps(dict(epochs=job.epochs)) + '\n')


def trained(job: Job, commands: list[str]) -> tuple[Path, Path]:
    """Config and weights of the arm, trained where they are not there yet."""
    experiment = job.experiment
    dense = job.dense_weights()
    if job.is_dense:
        config = Path('configs', experiment.dense)
        if not dense.exists():
            commands.append(train(config, job.folder, job.dense_epochs, job.seed))
        return config, dense
    kept = Path(experiment.kept)
    if not dense.exists() and kept.is_file():
        dense = kept
    if not dense.exists():
        raise FileNotFoundError(
            f'{dense} is not there; run the arm dense with --seeds '
            f'{job.seed if experiment.dense_seed is None else experiment.dense_seed} '
            'and the same --epochs first.'
        )
    pruned = (job.folder / 'pruned.py', job.folder / 'pruned.pth')
    if not pruned[1].exists():
        config = Path('configs', experiment.arms[job.arm].config)
        more = [f'load_from={dense}', *experiment.arms[job.arm].options]
        if job.table:
            more.append(f'robust_prune.table={job.table}')
        commands.append(train(config, job.folder, job.arm_epochs, job.seed, *more))
    return pruned


def measured_times(job: Job, config: Path, checkpoint: Path, commands: list[str]) -> dict:
    """Times of the pruned network and the dense one, measured and predicted by the table."""
    work_dir = job.folder / 'timed'
    options = ['--shape', *job.experiment.size, '--table', job.table, '--work-dir', work_dir]
    commands.append(call('tools/analyze.py', 'latency', config, checkpoint, *options))
    return flat_times(json.loads((work_dir / 'latency.json').read_text()))


def evaluated(run: Run) -> dict:
    """What a record holds of an evaluation under corruptions."""
    keys = ('metric', 'suite', 'severities', 'images', 'per_corruption', 'versions')
    keys += tuple(key for key in ('family', 'subset', 'mPC_interval') if key in run.results)
    return dict({key: run.results[key] for key in keys}, clean_metrics=run.results['clean'])


def evaluated_by_attacks(attacked: dict[str, list[dict]]) -> dict:
    """The same where nothing but attacks was run."""
    first = next(iter(attacked.values()))[0]
    size = first['subset']['size']
    return dict(metric='accuracy/top1', clean=100 * first['clean'], images=size)


def attack(
    experiment: Experiment, config: Path, checkpoint: Path, work_dir: Path, commands: list[str]
) -> dict[str, list[dict]]:
    """What a network withstands, by the experiment's labels; adds its commands to `commands`."""
    found = {}
    for label, options in experiment.attacks.items():
        place = work_dir.with_name(f'{work_dir.name}-{label}')
        commands.append(call('tools/attack.py', config, checkpoint, *options, '--work-dir', place))
        content = json.loads((place / 'attacks.json').read_text())
        found[label] = [dict(one, clean=content['clean']) for one in content['attacks']]
    return found


def read_json(file: Path) -> Any:
    """The content of a JSON file, None where there is none."""
    return json.loads(file.read_text()) if file.exists() else None


def stage_metrics(folder: Path) -> dict[str, float]:
    """What a search of masks came to: weights removed, and metrics with the mask alone."""
    last = (read_json(folder / 'stages.json') or [{}])[-1]
    found = {
        f'mask {metric.rsplit("/", 1)[-1]}': value
        for metric, value in (last.get('metric_after') or {}).items()
    }
    return dict(found, **{key: last[key] for key in ('removed', 'chosen_at') if key in last})


def flat_times(latency: dict) -> dict[str, float]:
    """Milliseconds of a pruned network and its dense one, measured and by the table."""
    return {
        'ms': latency['networks']['pruned']['median_ms'],
        'predicted ms': latency['predicted_ms']['pruned'],
        'dense ms': latency['networks']['dense']['median_ms'],
        'dense ms, predicted': latency['predicted_ms']['dense'],
        'speed-up': latency['speed_up'],
    }


def training_minutes(folder: Path) -> float | None:
    """Time of all training steps, resumed or not, without evaluations; None without any."""
    seconds = {}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in map(json.loads, file.read_text().splitlines()):
            if 'loss' in line:
                seconds[line['iter']] = line['time']
    return sum(seconds.values()) / len(seconds) * max(seconds) / 60 if seconds else None


def last_validation(folder: Path) -> float | None:
    """The accuracy in per cent of the last validation of a training, on all its images."""
    found = None
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in map(json.loads, file.read_text().splitlines()):
            found = line.get('accuracy/top1', found)
    return found


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('experiment', choices=EXPERIMENTS)
    parser.add_argument('--arms', nargs='+', help="default: 'dense' and all the others")
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='default: 0')
    parser.add_argument(
        '--epochs', type=int, help='of the shorter arms (default: 20, bccd; 12, s2ap; else 10)'
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs'), help='of the trainings')
    parser.add_argument('--results', type=Path, default=Path('docs/results'), help='of records')
    args = parser.parse_args()
    experiment = EXPERIMENTS[args.experiment]
    known = ['dense', *experiment.arms]
    for arm in args.arms or ():
        if arm not in known:
            raise ValueError(f"arm '{arm}' is not known; choose among {', '.join(known)}.")
    os.chdir(ROOT)  # the configs name data/ from there
    results = args.results / args.experiment
    results.mkdir(parents=True, exist_ok=True)
    # the seed of the arm dense, where it has but one
    only = args.seeds[0] if experiment.weights else experiment.dense_seed
    epochs = args.epochs or experiment.epochs
    for seed, arm in product(args.seeds, args.arms or known):
        file = results / f'{arm}-seed{seed}.json'
        if file.exists() or (arm == 'dense' and only not in (None, seed)):
            continue
        record = run_arm(Job(args.experiment, experiment, arm, seed, epochs, args.work_dir))
        file.write_text(json.dumps(record, indent=1) + '\n')
        Console().print(summary(experiment, results).rich(experiment.title))


if __name__ == '__main__':
    cli.run(main)
