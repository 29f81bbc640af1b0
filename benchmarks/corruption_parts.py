#!/usr/bin/env python
"""Where the processor time of a corruption suite goes, and what the model's own time allows.

Three ways give the same numbers for SSDLite-MobileNetV2 at 320 pixels on the first images of BCCD:
a test pass per cell with the functions of imagecorruptions in its pipeline, the same with our
functions, and one evaluation as tools/robustness.py runs it. They take turns, a corruption each, in
one process without workers, so that all processor time is in it. The model must run on every image
in every cell, and a pass per cell costs, in units of that, what the parts sum to: no evaluation can
be faster than that, however well all else hides behind the model.

Example:
    python benchmarks/corruption_parts.py --images 12 --severities 1 5
"""

import argparse
import shutil
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import imagecorruptions  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmcv.transforms import LoadImageFromFile  # noqa: E402
from mmdet.datasets.transforms import PackDetInputs, Resize  # noqa: E402
from mmengine.evaluator import Evaluator  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.registry import TRANSFORMS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import t as student  # noqa: E402

from benchmarks import corruption_suite  # noqa: E402
from benchmarks.record import keep  # noqa: E402
from mmrobustprune.corruption import apply as kernels  # noqa: E402
from mmrobustprune.corruption import get_suite  # noqa: E402
from mmrobustprune.corruption.suites import CLEAN  # noqa: E402
from mmrobustprune.engine.robustness.runner import evaluate_configs  # noqa: E402

SUITE = get_suite('voc-c')
WAYS = ('imagecorruptions', 'ours', 'suite')
PARTS = {  # of an image in a cell: name -> the functions whose time it is
    'load': [(LoadImageFromFile, 'transform')],
    'pack': [(Resize, 'transform'), (PackDetInputs, 'transform')],
    'model': [(BaseModel, 'test_step')],
    'metric': [(Evaluator, 'process'), (Evaluator, 'evaluate')],
}


class Seconds:
    """Processor time by part, while it is entered."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._undo = ExitStack()

    def __enter__(self) -> 'Seconds':
        for part, functions in PARTS.items():
            for owner, name in functions:
                timed = self.timed(getattr(owner, name), part)
                self._undo.enter_context(patch.object(owner, name, timed))
        timed = self.timed(kernels.apply, 'corruption')
        self._undo.enter_context(patch.object(kernels, 'apply', timed))
        self.begin = time.process_time()
        return self

    def __exit__(self, *problem: object) -> None:
        self.spent['whole'] = time.process_time() - self.begin
        self._undo.close()

    def timed(self, function: Callable, part: str) -> Callable:
        def with_time(*args, **kwargs):
            begin = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[part] += time.process_time() - begin

        return with_time


def published(image: np.ndarray, corruption: str, severity: int) -> np.ndarray:
    """The function of imagecorruptions on the random numbers that ours has."""
    words = kernels.entropy(image, corruption, severity, 0)
    np.random.seed(words)
    options = dict(seed=int(words[0])) if corruption == 'glass_blur' else {}
    function = imagecorruptions.corruption_dict[corruption]
    return np.uint8(function(Image.fromarray(image), severity, **options))


@TRANSFORMS.register_module()
class CorruptByCell:
    """One corruption after loading, by the function that is named."""

    def __init__(self, corruption: str, severity: int, way: str) -> None:
        self.cell = corruption, severity
        self.way = way

    def __call__(self, results: dict) -> dict:
        rgb = np.ascontiguousarray(results['img'][..., ::-1])
        make = kernels.apply if self.way == 'ours' else published
        results['img'] = np.ascontiguousarray(make(rgb, *self.cell)[..., ::-1])
        return results


def config_of(args: argparse.Namespace, work_dir: Path):
    config = corruption_suite.config_of(args.images, work_dir)
    config.test_dataloader.num_workers = 0
    config.test_dataloader.dataset.data_root = f'{args.data}/'
    return config


def pass_per_cell(args: argparse.Namespace, file: str, work: Path, cells: list, way: str) -> list:
    found = []
    for number, cell in enumerate(cells):
        config = config_of(args, work)
        config.load_from = file
        config.experiment_name = f'{way}_{time.time_ns()}_{number}'
        if cell != CLEAN:
            step = dict(type='CorruptByCell', **cell._asdict(), way=way)
            config.test_dataloader.dataset.pipeline.insert(1, step)
        found.append(Runner.from_cfg(config).test()['pascal_voc/mAP'])
    return found


def one_suite(args: argparse.Namespace, file: str, work: Path, name: str) -> list:
    options = dict(corruptions=[name], severities=args.severities, workers=0)
    results = evaluate_configs([(config_of(args, work), file, work / name)], options)[0]
    return [results['P'], *(cell['pascal_voc/mAP'] for cell in results['cells'])]


def turn(args: argparse.Namespace, file: str, work: Path, name: str) -> dict[str, dict]:
    """Processor seconds by part of each way; their numbers must be equal."""
    cells = [CLEAN, *SUITE.choose(name, args.severities)]
    found = {}
    spent = {}
    for way in WAYS:
        with Seconds() as seconds:
            if way == 'imagecorruptions':  # the function itself is looked up in this module
                stack = patch.object(
                    sys.modules[__name__], 'published', seconds.timed(published, 'corruption')
                )
            else:
                stack = ExitStack()
            with stack:
                if way == 'suite':
                    found[way] = one_suite(args, file, work / way, name)
                else:
                    found[way] = pass_per_cell(args, file, work / way, cells, way)
        spent[way] = dict(seconds.spent)
    if any(numbers != found['suite'] for numbers in found.values()):
        sys.exit(f'{name}: the three ways do not give the same numbers: {found}')
    return spent


def with_interval(ratios: list[float]) -> dict:
    """The mean of the ratios and half of its 95 % interval (Student)."""
    count = len(ratios)
    half = None
    if count > 1:
        half = float(student.ppf(0.975, count - 1) * np.std(ratios, ddof=1) / np.sqrt(count))
    return dict(mean=float(np.mean(ratios)), half=half)


def summary(turns: dict[str, dict], images: int, severities: int) -> dict:
    """Milliseconds per image and corrupted cell, ratios of processor time, and their limit.

    The rest is what no image causes, the start of a Runner above all.

    Args:
        turns: by corruption and way.
        images, severities: of a turn, which has the clean cell, too.
    """
    parts = {}
    for way in WAYS:
        total: dict[str, float] = defaultdict(float)
        for spent in turns.values():
            known = sum(seconds for part, seconds in spent[way].items() if part != 'whole')
            named = dict(spent[way], rest=spent[way]['whole'] - known)
            for part, seconds in named.items():
                cells = severities + (part != 'corruption')
                total[part] += 1000 * seconds / (images * cells) / len(turns)
        parts[way] = dict(total)
    ratios = {}
    limits = {}
    for way in WAYS[:2]:
        every = [spent[way]['whole'] / spent['suite']['whole'] for spent in turns.values()]
        ratios[way] = with_interval(every)
        caused = sum(parts[way][part] for part in (*PARTS, 'corruption'))
        limits[way] = caused / parts['suite']['model']
    return dict(
        milliseconds=parts,
        times_faster=ratios,
        limit_without_start=limits,
        model_by_corruption=parts['suite']['model'] / parts['suite']['corruption'],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=int, default=12, help='of the 72 test images')
    parser.add_argument('--severities', nargs='+', type=int, default=[1, 5])
    parser.add_argument(
        '--corruptions',
        nargs='+',
        help='all but impulse_noise, whose published form nobody can seed so',
        default=['gaussian_noise', 'glass_blur', 'snow', 'contrast'],
    )
    parser.add_argument('--data', type=Path, default=ROOT / 'data' / 'bccd' / 'BCCD')
    parser.add_argument('--checkpoint', help='of SSDLite on BCCD (default: random weights)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/corruption_parts'))
    parser.add_argument('--json', type=Path, help='JSON file for the record')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    work = args.work_dir.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    file = args.checkpoint or corruption_suite.random_weights(
        config_of(args, work), work / 'random.pth', 0
    )
    names = SUITE.expand(args.corruptions)
    image = np.zeros((64, 64, 3), np.uint8)
    for name in names:  # compiled
        kernels.apply(image, name, 1)
        published(image, name, 1)
    turns = {}
    for name in names:
        turns[name] = turn(args, file, work, name)
        shown = ', '.join(f'{way} {turns[name][way]["whole"]:.1f} s' for way in WAYS)
        print(f'{name}: {shown}', flush=True)
    result = summary(turns, args.images, len(args.severities))
    for way, parts in result['milliseconds'].items():
        shown = ', '.join(f'{part} {value:.1f}' for part, value in parts.items())
        print(f'{way}: ms per image and corrupted cell: {shown}')
    for way, ratio in result['times_faster'].items():
        half = '' if ratio['half'] is None else f' ± {ratio["half"]:.2f}'
        limit = result['limit_without_start'][way]
        print(
            f'beside a pass per cell by {way}: {ratio["mean"]:.2f}{half} times less processor time;'
            f' {limit:.2f} if all but the model were free and a pass had no start'
        )
    print(f'model / corruption: {result["model_by_corruption"]:.1f}')
    keep(args.json, images=args.images, severities=args.severities, seconds=turns, **result)


if __name__ == '__main__':
    main()
