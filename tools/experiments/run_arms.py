#!/usr/bin/env python
"""Half the parameters by AdaSAP, by magnitude + SGD for as many epochs, and by magnitude + SGD for twice as many (equal
time), on real data: clean accuracy and 15 corruptions at severity 3. The experiment sr_gkp compares ways of grouped-kernel
pruning with filters of least L1 norm, s2ap compares HYDRA and HARP with S2AP around them, both also under attack.
bccd_latency removes half the time of a forward pass instead, from what the arm dense of bccd trained.

Every arm and seed that is finished is one JSON in docs/results/EXPERIMENT and is not run again; one that was stopped goes
on from its last checkpoint. The table over all that is there is docs/results/EXPERIMENT/README.md.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a checkout need not be installed
os.environ.setdefault(
    'GOMP_SPINCOUNT', '1000'
)  # spinning threads take a busy machine's cores from each other

from rich.console import Console  # noqa: E402

from mmrobustprune import cli  # noqa: E402
from mmrobustprune.engine.analysis.compare import measure  # noqa: E402
from mmrobustprune.records.stamp import command, commit  # noqa: E402
from mmrobustprune.report.paper.observe import facts_in  # noqa: E402
from mmrobustprune.report.runs import read_run  # noqa: E402
from mmrobustprune.report.tables.cards import Card, Column  # noqa: E402


@dataclass(frozen=True)
class Arm:
    """A config, and how many times the experiment's epochs it trains."""

    config: str
    times: int = 1


@dataclass(frozen=True)
class Experiment:
    """Arms that start from one dense model: `weights` where it is given, else what the arm 'dense' trains per seed."""

    title: str
    suite: str  # of corruptions, at severity 3; '' leaves them out
    size: tuple[int, int]
    epochs: int
    dense: str
    arms: dict[str, Arm] = field(default_factory=dict)
    weights: str = ''  # {work} is the folder of --work-dir
    dense_seed: int | None = (
        None  # the arm 'dense' is trained once, with this seed, for all seeds of the others
    )
    kept: str = (
        ''  # weights of the arm 'dense' that lie in the repository, for who has not trained it
    )
    attacks: dict[str, tuple] = field(default_factory=dict)  # name -> options of tools/attack.py
    table: str = ''  # of latencies, which all arms share
    dense_epochs: int = 0  # where they are others than those of the arms
    robust: tuple[str, float] | None = (
        None  # the column, and what the dense network must reach for the arms to mean anything
    )


EXPERIMENTS = {
    'bccd': Experiment(
        'SSDLite-MobileNetV2 on BCCD',
        'voc-c',
        (320, 320),
        20,
        'bccd/ssdlite_mobilenetv2-scratch_bccd.py',
        {
            'adasap': Arm('bccd/ssdlite_mobilenetv2-adasap-p50_bccd.py'),
            'magnitude': Arm('bccd/ssdlite_mobilenetv2-magnitude-p50_bccd.py'),
            'magnitude-2x': Arm('bccd/ssdlite_mobilenetv2-magnitude-p50_bccd.py', 2),
        },
    ),
    'bccd_latency': Experiment(
        'SSDLite-MobileNetV2 on BCCD in half the time',
        'voc-c',
        (320, 320),
        20,
        'bccd/ssdlite_mobilenetv2-scratch_bccd.py',
        {
            name: Arm(f'bccd/ssdlite_mobilenetv2-{name}-latency-2x_bccd.py')
            for name in ('adasap', 'halp', 'magnitude')
        },
        weights='{work}/bccd/dense-seed0/epoch_20.pth',
        table='{work}/bccd_latency/latency_table.json',
    ),
    'cifar_jpeg': Experiment(
        'ResNet-20 on CIFAR-10 as JPEG',
        'imagenet-c-at-32',
        (32, 32),
        10,
        'cifar_jpeg/resnet20_cifar10-jpeg.py',
        {
            'adasap': Arm('cifar_jpeg/resnet20_adasap-p50_cifar10-jpeg.py'),
            'magnitude': Arm('cifar_jpeg/resnet20_magnitude-p50_cifar10-jpeg.py'),
            'magnitude-2x': Arm('cifar_jpeg/resnet20_magnitude-p50_cifar10-jpeg.py', 2),
        },
        weights='data/resnet20_cifar10.pth',
    ),
    'sr_gkp': Experiment(
        'Grouped-kernel pruning of ResNet-20 on CIFAR-10 as JPEG',
        'imagenet-c-at-32',
        (32, 32),
        10,
        'cifar_jpeg/resnet20_cifar10-jpeg.py',
        {
            name: Arm(f'cifar_jpeg/resnet20_{name}_cifar10-jpeg.py')
            for name in (
                'sr-gkp-p44',
                'sr-gkp-official-p44',
                'sr-gkp-l2-p44',
                'sr-gkp-random-p44',
                'l1-filters',
            )
        },
        weights='data/resnet20_cifar10.pth',
        attacks={
            preset: ('--preset', preset, '--attack', 'fgsm', 'pgd', '--subset', 5000)
            for preset in ('sr-gkp', 'pixel')
        },
    ),
    's2ap': Experiment(
        'S2AP on HYDRA and HARP, ResNet-20 on 10,000 pictures of CIFAR-10 as JPEG',
        '',
        (32, 32),
        12,
        's2ap_jpeg/resnet20_trades-10k.py',
        {
            name: Arm(f's2ap_jpeg/resnet20_{name}-p90.py')
            for name in ('hydra', 's2ap-hydra', 'harp', 's2ap-harp')
        },
        attacks={
            'pgd10': (
                '--attack',
                'pgd',
                '--eps',
                '8/255',
                '--step',
                '2/255',
                '--steps',
                10,
                '--random-start',
                '--subset',
                2000,
                '--batch-size',
                50,
            ),
            'auto': (
                '--attack',
                'autoattack',
                '--eps',
                '8/255',
                '--subset',
                200,
                '--batch-size',
                50,
            ),
        },
        dense_seed=0,
        kept='docs/results/s2ap/dense-seed0.pth',
        dense_epochs=20,
        robust=('pgd10 pgd 0.0314', 20.0),
    ),
}


def call(*words: object) -> str:
    """Run one of the tools; returns the command as typed."""
    line = ['python', *map(str, words)]
    print('$', shlex.join(line), flush=True)
    done = subprocess.run([sys.executable, *line[1:]], cwd=ROOT)
    if done.returncode:
        raise ValueError(
            f'{shlex.join(line)} ended with exit code {done.returncode}; mend the cause and run this again.'
        )
    return shlex.join(line)


def train(
    config: Path, work_dir: Path, epochs: int, seed: int, load_from: str = '', *more: str
) -> str:
    options = [
        f'train_cfg.max_epochs={epochs}',
        f'param_scheduler.1.T_max={epochs}',
        f'param_scheduler.1.end={epochs}',
        f'randomness.seed={seed}',
        *([f'load_from={load_from}'] if load_from else []),
        *more,
    ]
    resume = ['--resume'] if (work_dir / 'last_checkpoint').exists() else []
    return call(
        'tools/train.py', config, '--work-dir', work_dir, *resume, '--cfg-options', *options
    )


def run_arm(
    name: str, experiment: Experiment, arm: str, seed: int, epochs: int, work: Path
) -> dict:
    """Train, evaluate and measure one arm with one seed; what is on disk already is not done again."""
    folder, commands = work / name / f'{arm}-seed{seed}', [command()]
    dense_epochs = experiment.dense_epochs or epochs
    dense_seed = seed if experiment.dense_seed is None else experiment.dense_seed
    dense = experiment.weights.format(work=work) or str(
        work / name / f'dense-seed{dense_seed}' / f'epoch_{dense_epochs}.pth'
    )
    if experiment.weights and not Path(dense).exists():
        raise FileNotFoundError(
            f'{dense} is not there; '
            + (
                'run the arm dense of another experiment first: run_arms.py bccd --arms dense.'
                if '{work}' in experiment.weights
                else 'unpack the data first: tools/experiments/prepare_data.py.'
            )
        )
    table, plan = experiment.table.format(work=work), folder / 'plan.json'
    begun = (read_json(plan) or {}).get('epochs', epochs)
    if begun != epochs:
        raise ValueError(
            f'{folder} was begun with --epochs {begun}, not {epochs}; give that, another --work-dir, or remove the '
            'folder.'
        )
    folder.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps(dict(epochs=epochs)) + '\n')
    config = Path('configs', experiment.dense)
    times = experiment.arms[arm].times if arm != 'dense' else 1
    if arm == 'dense':
        checkpoint = Path(dense)
        if not checkpoint.exists():
            commands.append(train(config, folder, dense_epochs, seed))
    else:
        kept = Path(experiment.kept)
        if not Path(dense).exists() and kept.is_file():
            dense = str(kept)
        if not Path(dense).exists():
            raise FileNotFoundError(
                f'{dense} is not there; run the arm dense with --seeds {dense_seed} and the same --epochs first.'
            )
        if not (folder / 'pruned.pth').exists():
            more = [f'robust_prune.table={table}'] if table else []
            commands.append(
                train(
                    Path('configs', experiment.arms[arm].config),
                    folder,
                    times * epochs,
                    seed,
                    dense,
                    *more,
                )
            )
        config, checkpoint = folder / 'pruned.py', folder / 'pruned.pth'
    if experiment.suite:
        commands.append(
            call(
                'tools/robustness.py',
                config,
                checkpoint,
                '--suite',
                experiment.suite,
                '--severities',
                3,
                '--no-report',
                '--work-dir',
                folder / 'corrupted',
            )
        )
    attacked = attack(experiment, config, checkpoint, folder / 'attacked', commands)
    masked = {}
    if (folder / 'mask' / 'pruned.pth').exists():  # a search of masks, before fine-tuning
        masked = attack(
            experiment,
            folder / 'mask' / 'pruned.py',
            folder / 'mask' / 'pruned.pth',
            folder / 'mask-attacked',
            commands,
        )
    timed = {}
    if table and arm != 'dense':
        commands.append(
            call(
                'tools/analyze.py',
                'latency',
                config,
                checkpoint,
                '--shape',
                *experiment.size,
                '--table',
                table,
                '--work-dir',
                folder / 'timed',
            )
        )
        timed = flat_times(json.loads((folder / 'timed' / 'latency.json').read_text()))
    cost = measure({arm: (config, checkpoint)}, experiment.size)[arm][1]
    (folder / 'cost.json').write_text(json.dumps(cost, indent=1))
    run = read_run(folder)
    trained = (
        times * epochs if arm != 'dense' else dense_epochs if not experiment.weights else None
    )  # given weights: not ours
    if experiment.suite:
        evaluated = {
            key: run.results[key]
            for key in ('metric', 'suite', 'severities', 'images', 'per_corruption', 'versions')
        }
        evaluated['clean_metrics'] = run.results['clean']
    else:
        first = next(iter(attacked.values()))[0]
        evaluated = dict(
            metric='accuracy/top1', clean=100 * first['clean'], images=first['subset']['size']
        )
    return dict(
        run.record(),
        name=arm,
        experiment=name,
        seed=seed,
        epochs=trained,
        minutes=training_minutes(folder),
        rounds=read_json(folder / 'rounds.json'),
        search=read_json(folder / 'search.json'),
        commands=commands,
        commit=commit(),
        attacks=attacked,
        mask_attacks=masked,
        facts=facts_in(folder),
        **flat_attacks(attacked),
        **timed,
        **stage_metrics(folder),
        **{f'mask {key}': value for key, value in flat_attacks(masked).items()},
        **({'mask clean': 100 * next(iter(masked.values()))[0]['clean']} if masked else {}),
        **evaluated,
    )


def attack(
    experiment: Experiment, config: Path, checkpoint: Path, work_dir: Path, commands: list[str]
) -> dict[str, list[dict]]:
    """What a network withstands, by the experiment's labels; the commands are added to `commands`."""
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
    """What a search of masks came to: weights removed, and the validation's metrics with the mask alone."""
    last = (read_json(folder / 'stages.json') or [{}])[-1]
    found = {
        f'mask {metric.rsplit("/", 1)[-1]}': value
        for metric, value in (last.get('metric_after') or {}).items()
    }
    return dict(found, **{key: last[key] for key in ('removed', 'chosen_at') if key in last})


def flat_attacks(attacked: dict[str, list[dict]]) -> dict[str, float]:
    """One column per attack: preset, name and radius -> accuracy in per cent."""
    return {
        f'{preset} {one["attack"]} {one["eps"]:.3g}': 100 * one['accuracy']
        for preset, every in attacked.items()
        for one in every
    }


def flat_times(latency: dict) -> dict[str, float]:
    """Milliseconds of a pruned network, measured in turn with the dense one and by the table, and how often faster it is."""
    return {
        'ms': latency['networks']['pruned']['median_ms'],
        'predicted ms': latency['predicted_ms']['pruned'],
        'dense ms': latency['networks']['dense']['median_ms'],
        'dense ms, predicted': latency['predicted_ms']['dense'],
        'speed-up': latency['speed_up'],
    }


def training_minutes(folder: Path) -> float | None:
    """Time of all training steps, resumed or not, without evaluations; None where nothing was trained."""
    seconds = {}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in map(json.loads, file.read_text().splitlines()):
            if 'loss' in line:
                seconds[line['iter']] = line['time']
    return sum(seconds.values()) / len(seconds) * max(seconds) / 60 if seconds else None


def summary(experiment: Experiment, results: Path) -> Card:
    """The table over every record in `results`, written beside them."""
    order = ['dense', *experiment.arms]
    records = [json.loads(file.read_text()) for file in results.glob('*-seed*.json')]
    records.sort(key=lambda record: (order.index(record['name']), record['seed']))
    for record in records:
        if record.get('rounds'):
            record['after the cut'] = (record['rounds'][-1].get('metric_after') or {}).get(
                record['metric']
            )
    attacks = list(
        dict.fromkeys(
            key
            for record in records
            for key in (
                *(f'mask {key}' for key in flat_attacks(record.get('mask_attacks') or {})),
                *flat_attacks(record.get('attacks') or {}),
            )
        )
    )
    masks = any('removed' in record for record in records)  # zeros do not make a network smaller
    metric, form = (
        records[0]['metric'].rsplit('/', 1)[-1],
        '.3f' if records[0]['clean'] <= 1 else '.2f',
    )
    card = Card(
        records,
        [
            Column('epochs', 'epochs', '.0f'),
            Column('minutes', 'minutes', '.1f'),
            *(
                [Column('removed', 'weights removed', '.4f')]
                if masks
                else [Column('params', 'parameters', ',.0f'), Column('macs', 'MACs', ',.0f')]
            ),
            *(
                Column(key, key, form)
                for key, form in (
                    ('dense ms', '.1f'),
                    ('ms', '.1f'),
                    ('predicted ms', '.1f'),
                    ('speed-up', '.2f'),
                )
                if any(key in record for record in records)
            ),
            *(
                Column(key, f'{key} (validation)', '.2f', 'high')
                for key in ('mask top1', 'mask pgd')
                if any(key in r for r in records)
            ),
            *(
                [Column('after the cut', f'{metric} after the cut', form)]
                if any(r.get('after the cut') for r in records)
                else []
            ),
            Column('clean', f'{metric} clean', form, 'high'),
            *(
                [Column('mPC', 'mPC', form, 'high'), Column('rPC', 'rPC', '.3f', 'high')]
                if experiment.suite
                else []
            ),
            *(
                [Column('mask clean', f'mask {metric} clean', form, 'high')]
                if any('mask clean' in r for r in records)
                else []
            ),
            *(Column(key, key, form, 'high') for key in attacks),
        ],
    )
    seeds = sorted({record['seed'] for record in records})
    what = (
        f'mPC: mean over the corruptions of `{records[0]["suite"]}` at severity 3'
        if experiment.suite
        else f'{metric} clean'
    )
    (results / 'README.md').write_text(
        f'# {experiment.title}\n\n{card.markdown()}\n'
        f'{what}, {records[0]["images"]} images. Seeds '
        f'{", ".join(map(str, seeds))}; mean ± sample standard deviation. Minutes are those of the training steps on the '
        'machine in the records; arms ran under different load where they ran at different times.'
        + said_of_attacks(records)
        + '\n'
        + judged(experiment, records),
        encoding='utf-8',
    )
    return card


def said_of_attacks(records: list[dict]) -> str:
    """On how many pictures each attack was run."""
    sizes = {
        f'{label} {one["attack"]}': one['subset']['size']
        for record in records
        for label, every in (record.get('attacks') or {}).items()
        for one in every
    }
    listed = ', '.join(f'{name} {size:,}' for name, size in sizes.items())
    return f' Pictures under attack: {listed}.' if sizes else ''


def judged(experiment: Experiment, records: list[dict]) -> str:
    """A sentence where the dense network is too weak for the arms to mean anything."""
    dense = [record for record in records if record['name'] == 'dense']
    if not (experiment.robust and dense):
        return ''
    column, least = experiment.robust
    worst = min(record[column] for record in dense)
    return (
        ''
        if worst >= least
        else (
            f'\nFailed: the dense network has {worst:.1f} % under {column}, below {least:g} %, so nothing follows from the arms.\n'
        )
    )


def main() -> None:
    parser = cli.parser_of(__doc__, config=False)
    parser.add_argument('experiment', choices=EXPERIMENTS)
    parser.add_argument('--arms', nargs='+', help="default: 'dense' and all the others")
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument(
        '--epochs', type=int, help='of the shorter arms (default: 20, bccd; 12, s2ap; else 10)'
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs'))
    parser.add_argument('--results', type=Path, default=Path('docs/results'))
    args = parser.parse_args()
    experiment = EXPERIMENTS[args.experiment]
    known = ['dense', *experiment.arms]
    for arm in args.arms or ():
        if arm not in known:
            raise ValueError(f"arm '{arm}' is not known; choose among {', '.join(known)}.")
    os.chdir(ROOT)  # the configs name data/ from there
    results = args.results / args.experiment
    results.mkdir(parents=True, exist_ok=True)
    only = (
        args.seeds[0] if experiment.weights else experiment.dense_seed
    )  # seed of the arm dense, where it has but one
    for seed in args.seeds:
        for arm in args.arms or known:
            file = results / f'{arm}-seed{seed}.json'
            if file.exists() or (arm == 'dense' and only not in (None, seed)):
                continue
            record = run_arm(
                args.experiment,
                experiment,
                arm,
                seed,
                args.epochs or experiment.epochs,
                args.work_dir,
            )
            file.write_text(json.dumps(record, indent=1) + '\n')
            Console().print(summary(experiment, results).rich(experiment.title))


if __name__ == '__main__':
    cli.run(main)
