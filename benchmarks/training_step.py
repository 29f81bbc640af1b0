#!/usr/bin/env python
"""What a pruning adds to an iteration of training outside its rounds, and where its time goes.

Several Runners train the same network on the same data in one process: mmengine's with the plain
config and PruneRunner with recipe 'magnitude', whose steps are plain, too (rule=None); `--switches`
adds PruneRunner without channels-last memory, with bfloat16 or with torch.compile. They take turns
iteration by iteration, so that the load of the machine falls on all alike; ratios are medians over
the iterations, each with its hooks and the loading of the next batch, of processor time (on a GPU
of wall time). Iterations with a round or a checkpoint are told apart, and those after the removal
count for nothing, as the network is smaller. A table says how long the parts of the pruning take.

Example:
    python benchmarks/training_step.py --iterations 60 --json docs/results/training_step.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from benchmarks.turns import Spent, Turns  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.engine.runners.prune import PruneRunner  # noqa: E402
from tests.support import tiny  # noqa: E402, F401  its data set

TARGET = 1.03
ARMS = ('plain', 'pruning')
ROUNDS = 3


def ssdlite(batch: int | None) -> Config:
    """SSDLite-MobileNetV2 at 320 pixels on BCCD."""
    config = Config.fromfile(ROOT / 'configs/bccd/ssdlite_mobilenetv2-scratch_bccd.py')
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.data_root = f'{ROOT}/data/bccd/BCCD/'
        loader.batch_size = batch or 8
    return config


def resnet18(batch: int | None) -> Config:
    """ResNet-18 on 32x32 images that are made from their index, with mmpretrain's batch of 16."""
    config = Config.fromfile(ROOT / 'configs/cifar_jpeg/resnet20_cifar10-jpeg.py')
    config.load_from = None
    backbone = dict(type='ResNet_CIFAR', depth=18, num_stages=4, out_indices=(3,), style='pytorch')
    config.model.backbone = ConfigDict(backbone)
    config.model.head.in_channels = 512
    for loader in (config.train_dataloader, config.val_dataloader):
        steps = loader.dataset.pipeline[1:]  # the images are there
        loader.dataset = ConfigDict(type='TinyImages', size=32, length=10**3, pipeline=steps)
        loader.batch_size = batch or 16
    return config


NETWORKS = dict(ssdlite=ssdlite, resnet18=resnet18)


def contiguous(config: Config) -> None:
    """Images as they are loaded, instead of in channels-last order."""
    config.custom_hooks = [
        hook for hook in config.custom_hooks if 'ChannelsLast' not in str(hook['type'])
    ]


def bf16(config: Config) -> None:
    """Forward passes in bfloat16, as `--amp` and this dtype give them."""
    config.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')


def compiled(config: Config) -> None:
    """The forward compiled by inductor."""
    config.compile = True


SWITCHES = dict(contiguous=contiguous, bf16=bf16, compiled=compiled)


def train(runner: Runner, hook: Turns, failed: list[str]) -> None:
    """One arm from its first iteration to its last, in a thread of its own."""
    try:
        runner.train()
    except BaseException:
        failed.append(traceback.format_exc())
    finally:
        hook.leave()


def arm_config(network: str, arm: str, args: argparse.Namespace, work: Path) -> Config:
    """The config of one arm: `iterations` steps, a checkpoint in the middle, no validation."""
    config = NETWORKS[network](args.batch)
    config.merge_from_dict(
        dict(
            work_dir=str(work / arm),
            experiment_name=f'{network}_{arm}',
            log_level='WARNING',
            default_scope=config.get('default_scope'),
        )
    )
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.indices = args.images
    plan = Plan(args.iterations)
    config.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=args.iterations, val_interval=10**9
    )
    config.param_scheduler = []
    config.default_hooks = dict(
        logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
        checkpoint=dict(
            type='CheckpointHook', by_epoch=False, interval=plan.every, save_last=False
        ),
    )
    config.log_processor = dict(by_epoch=False)
    if arm != 'plain':
        config.robust_prune = dict(
            recipe='magnitude',
            target=0.5,
            warmup=f'{plan.warmup} iters',
            rounds=ROUNDS,
            interval=plan.interval,
            recalibrate='',
        )
    if arm in SWITCHES:
        SWITCHES[arm](config)
    return config


def measure(network: str, args: argparse.Namespace) -> dict:
    """All arms of a network, iteration by iteration, and the parts of the pruning."""
    arms = [*ARMS, *args.switches]
    turn = threading.Condition()
    order = list(arms)
    failed: list[str] = []
    hooks = {arm: Turns(arm, turn, order) for arm in arms}
    with tempfile.TemporaryDirectory() as folder, Spent() as spent:
        for arm in arms:
            config = arm_config(network, arm, args, Path(folder))
            runner = (Runner if arm == 'plain' else PruneRunner).from_cfg(config)
            runner.register_hook(hooks[arm])
            hooks[arm].thread = threading.Thread(target=train, args=(runner, hooks[arm], failed))
        for hook in hooks.values():
            hook.thread.start()
        for hook in hooks.values():
            hook.thread.join()
    if failed:
        raise RuntimeError('\n'.join(failed))
    seconds = {arm: hooks[arm].seconds for arm in arms}
    return dict(ratios(seconds, Plan(args.iterations)), parts=parts(spent), seconds=seconds)


def ratios(seconds: dict[str, list[float]], plan: Plan) -> dict:
    """Medians over the iterations without a round, of those that ran one after the other."""
    quiet = [i for i in range(3, plan.removal) if i not in plan.rounds and i != plan.saved]
    spans = dict(
        all=quiet,
        before_the_first_round=[i for i in quiet if i < plan.rounds[0]],
        masked=[i for i in quiet if i > plan.rounds[0]],
    )

    def ratio(arm: str, base: str, chosen: list[int]) -> float:
        return statistics.median(seconds[arm][i] / seconds[base][i] for i in chosen)

    return dict(
        ratio={name: ratio('pruning', 'plain', chosen) for name, chosen in spans.items()},
        switches={arm: ratio(arm, 'pruning', quiet) for arm in seconds if arm in SWITCHES},
        iteration={
            arm: statistics.median(times[i] for i in quiet) for arm, times in seconds.items()
        },
        with_a_checkpoint={arm: times[plan.saved] for arm, times in seconds.items()},
        with_a_round=[seconds['pruning'][i] for i in plan.rounds],
        whole={arm: sum(times) for arm, times in seconds.items()},
    )


class Plan:
    """What happens in which iteration of a run."""

    def __init__(self, iterations: int):
        self.warmup = iterations // 6
        self.interval = iterations * 2 // 9
        self.rounds = [self.warmup + self.interval * number for number in range(1, ROUNDS + 1)]
        self.removal = self.rounds[-1]
        self.every = iterations // 2  # iterations from one checkpoint to the next
        self.saved = self.every - 1


def parts(spent: Spent) -> dict[str, dict[str, float]]:
    """Calls, seconds and milliseconds a call."""
    return {
        item: dict(
            calls=spent.calls[item],
            seconds=seconds,
            milliseconds_a_call=1e3 * seconds / spent.calls[item],
        )
        for item, seconds in spent.seconds.items()
    }


def shown(network: str, found: dict) -> Table:
    """The parts of one network as they are printed."""
    compared = found['ratio'] | found['switches']
    ratio = ', '.join(f'{name.replace("_", " ")} {value:.3f}' for name, value in compared.items())
    table = Table('part', 'calls', 'ms a call', title=f'{network}: pruning / plain {ratio}')
    for item, part in found['parts'].items():
        table.add_row(item, str(part['calls']), f'{part["milliseconds_a_call"]:.3f}')
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--networks', nargs='+', choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument('--switches', nargs='*', choices=list(SWITCHES), default=[])
    parser.add_argument('--iterations', type=int, default=60, help='of each arm (60)')
    parser.add_argument('--batch', type=int, help="images of a step (the config's)")
    parser.add_argument('--images', type=int, default=200, help='of either data set (200)')
    parser.add_argument('--json', type=Path, help='write the results here')
    args = parser.parse_args()
    found = {}
    for network in args.networks:
        found[network] = measure(network, args)
        Console(width=None if sys.stdout.isatty() else 120).print(shown(network, found[network]))
    keep(
        args.json,
        networks=found,
        target=TARGET,
        met={name: one['ratio']['all'] <= TARGET for name, one in found.items()},
        device=device_stamp('cuda' if torch.cuda.is_available() else 'cpu'),
        seed=0,
    )


if __name__ == '__main__':
    main()
