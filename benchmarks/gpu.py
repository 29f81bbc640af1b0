#!/usr/bin/env python
"""The parts of benchmarks/gpu.sh, each a process of its own with a time limit.

The parts are tests, mixed precision through all phases, a latency table and what it predicts, the
ratios of training steps, corruptions as arrays and as tensors, the search of SR-GKP, and attacks.
Their results become one file, gpu.json, with the versions and the device; a part that fails is in
it with the end of what it printed, and the others run all the same.

Example:
    bash benchmarks/gpu.sh --miniature --out /tmp/gpu
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402

LIMIT = 460  # seconds for all parts
PATIENCE = 3000  # the same in miniature, on a machine that may be busy
GPU_TESTS = ("reason='needs a GPU'", "reason='no GPU'")
CHARACTERS = 3000  # of a failed part's output that are kept


@dataclass(frozen=True)
class Part:
    """One measurement.

    Attributes:
        name: in the results.
        command: what is run by this Python.
        small: its arguments in miniature.
        limit: seconds.
        needs: modules without which it is left out.
        told: whether it writes a JSON file of its own, named by --json.
        full: its arguments otherwise.
    """

    name: str
    command: str
    small: str
    limit: int
    needs: tuple[str, ...] = ()
    told: bool = True
    full: str = ''

    def line(self, miniature: bool, folder: Path) -> list[str]:
        """The command line, with {device} and {folder} filled in."""
        text = f'{self.command} {self.small if miniature else self.full}'.strip()
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        words = text.format(device=device, folder=folder).split()
        report = ['--json', str(folder / f'{self.name}.json')] if self.told else []
        return [sys.executable, *words, *report]


def gpu_tests() -> str:
    """The test files that hold a test for a GPU."""
    files = sorted((ROOT / 'tests').rglob('test_*.py'))
    held = (f for f in files if any(mark in f.read_text() for mark in GPU_TESTS))
    return ' '.join(str(path.relative_to(ROOT)) for path in held)


OPENMMLAB = ('mmengine', 'mmpretrain')
PARTS = (
    Part(
        'tests',
        '-m pytest -q -p no:cacheprovider',
        full=gpu_tests(),
        small='tests/test_rng.py',
        limit=120,
        needs=('pytest', 'pytest_timeout', 'hypothesis', *OPENMMLAB),
        told=False,
    ),
    Part(
        'mixed_precision',
        'benchmarks/mixed_precision.py',
        small='--recipes adasap --epochs 3',
        limit=60,
        needs=OPENMMLAB,
    ),
    Part(
        'training_step',
        'benchmarks/training_step.py --networks resnet18',
        full='--iterations 90 --batch 128 --images 512 --switches contiguous bf16',
        small='--iterations 18 --images 4 --batch 2',
        limit=70,
        needs=OPENMMLAB,
    ),
    Part(
        'steps',
        'benchmarks/sharpness_step.py --device {device}',
        full='--rounds 20 --batch 256',
        small='--rounds 1 --batch 2',
        limit=60,
    ),
    Part(
        's2ap_steps',
        'benchmarks/score_search.py --device {device}',
        full='--rounds 4',
        small='--rounds 1 --batch 2 --steps 1',
        limit=60,
    ),
    Part(
        'attacks',
        'benchmarks/attack_throughput.py --device {device}',
        full='--batches 128 512 1024',
        small='--batches 2 --iterations 2 --queries 2 --steps 1',
        limit=70,
    ),
    Part(
        'latency',
        'benchmarks/latency_solver.py --device {device} --tables {folder}/tables',
        full='--models resnet50 --targets 0.2 0.45 --seconds 40 --measure 4 --batch 32',
        small='--models tiny --targets 0.3 --seconds 120 --points 2 --measure 0.2',
        limit=80,
        needs=OPENMMLAB,
    ),
    Part(
        'grouped_kernels',
        'benchmarks/grouped_kernel_search.py --device {device} --searches official beam',
        full='--networks resnet20 resnet50',
        small='--networks resnet8 --width 16',
        limit=110,
    ),
    Part(
        'corruptions',
        'benchmarks/corruption_cost.py',
        full='--turns 1',
        small='--turns 1 --corruptions brightness contrast --size 64 48',
        limit=50,
        needs=('imagecorruptions', 'numba'),
    ),
    Part(
        'corruption_tensors',
        'benchmarks/corruption_tensor.py --device {device} --turns 1',
        full='--batch 16',
        small='--batch 2 --size 66 48 --corruptions fog pixelate',
        limit=60,
        needs=('imagecorruptions', 'numba', 'skimage'),
    ),
)


def run(part: Part, miniature: bool, seconds: float, folder: Path) -> dict:
    """What a part found, or why it did not."""
    missing = [name for name in part.needs if importlib.util.find_spec(name) is None]
    if missing:
        why = f'{part.name} is left out: {", ".join(missing)} not installed.'
        return dict(state='left out', why=why)
    limit = min(seconds, seconds if miniature else part.limit)
    if limit < 5:
        return dict(state='left out', why=f'{part.name} is left out: the time is used up.')
    start = time.perf_counter()
    try:
        done = subprocess.run(
            part.line(miniature, folder),
            cwd=ROOT,
            env=dict(os.environ, COLUMNS='120'),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit,
        )
        state = 'done' if done.returncode == 0 else f'failed with {done.returncode}'
        printed = done.stdout
    except subprocess.TimeoutExpired as stopped:
        state = f'stopped after {limit:.0f} s'
        printed = (stopped.stdout or b'').decode(errors='replace')
    found = dict(state=state, seconds=time.perf_counter() - start)
    file = folder / f'{part.name}.json'
    if file.is_file():
        found['found'] = json.loads(file.read_text())
    if state != 'done' or not part.told:
        found['printed'] = printed[-CHARACTERS:]
    print(printed, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument('--miniature', action='store_true', help='small, in a minute or two')
    parser.add_argument('--parts', nargs='+', choices=names, default=names)
    parser.add_argument(
        '--out', type=Path, default=Path(os.environ.get('OUT', ROOT / 'docs' / 'results'))
    )
    args = parser.parse_args()
    begun = time.perf_counter()
    found = {}
    file = args.out / ('gpu_miniature.json' if args.miniature else 'gpu.json')
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            if part.name not in args.parts:
                continue
            print(f'--- {part.name}', flush=True)
            left = (PATIENCE if args.miniature else LIMIT) - (time.perf_counter() - begun)
            found[part.name] = run(part, args.miniature, left, Path(folder))
            print(found[part.name].get('why', found[part.name]['state']), flush=True)
            keep(  # after each, so that a machine that is taken away leaves something
                file,
                parts=found,
                seconds=time.perf_counter() - begun,
                device=device_stamp('cuda' if torch.cuda.is_available() else 'cpu'),
            )
    bad = [name for name, one in found.items() if one['state'].split()[0] in ('failed', 'stopped')]
    print(f'{file}: ' + (f'not done: {", ".join(bad)}' if bad else 'all parts done or left out'))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
