#!/usr/bin/env python
"""A corruption suite as tools/robustness.py runs it, beside a test pass per cell.

Both evaluate SSDLite-MobileNetV2 at 320 pixels on the first images of BCCD, clean and under some
corruptions at 5 severities, in one run and with 2 workers, for one model and for three; the numbers
must be the same to the last digit.

Example:
    python benchmarks/corruption_suite.py --images 72 --corruptions benchmark
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, TRANSFORMS, init_default_scope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.corruption import get_suite  # noqa: E402
from mmrobustprune.corruption.apply import apply  # noqa: E402
from mmrobustprune.corruption.suites import CLEAN  # noqa: E402
from mmrobustprune.engine.robustness.runner import evaluate_configs  # noqa: E402


@TRANSFORMS.register_module()
class CorruptInPipeline:
    """One corruption after loading, as people put it into a test pipeline."""

    def __init__(self, corruption: str, severity: int) -> None:
        self.cell = corruption, severity

    def __call__(self, results: dict) -> dict:
        rgb = np.ascontiguousarray(results['img'][..., ::-1])
        results['img'] = np.ascontiguousarray(apply(rgb, *self.cell)[..., ::-1])
        return results


def config_of(images: int, work_dir: Path) -> Config:
    config = Config.fromfile(ROOT / 'configs' / 'bccd' / 'ssdlite_mobilenetv2-scratch_bccd.py')
    config.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'log_level': 'ERROR',
            'test_dataloader.num_workers': 2,
            'test_dataloader.dataset.data_root': f'{ROOT}/data/bccd/BCCD/',
            'test_dataloader.dataset.indices': images,
        }
    )
    return config


def random_weights(config: Config, path: Path, seed: int) -> str:
    """Weights that find something: random ones, the scores' bias of a trained head not needed."""
    init_default_scope('mmdet')
    torch.manual_seed(seed)
    model = MODELS.build(config.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def obvious(images: int, checkpoint: str, work: Path, cells: list) -> dict:
    """A Runner and a test pass per cell."""
    found = {}
    for number, cell in enumerate((CLEAN, *cells)):
        config = config_of(images, work)
        config.load_from = checkpoint
        config.experiment_name = f'obvious_{time.time_ns()}_{number}'
        if cell != CLEAN:
            config.test_dataloader.dataset.pipeline.insert(
                1,
                dict(type='CorruptInPipeline', corruption=cell.corruption, severity=cell.severity),
            )
        found[cell] = Runner.from_cfg(config).test()['pascal_voc/mAP']
    return found


def ours(images: int, checkpoints: list[str], work: Path, corruptions: list[str]) -> list[dict]:
    config = config_of(images, work)
    return evaluate_configs(
        [(config, file, work / f'model{number}') for number, file in enumerate(checkpoints)],
        dict(corruptions=corruptions),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=int, default=72, help='of the 72 test images')
    parser.add_argument(
        '--corruptions',
        nargs='+',
        help='names or groups (default: one of each group)',
        default=['gaussian_noise', 'motion_blur', 'snow', 'elastic_transform'],
    )
    parser.add_argument(
        '--checkpoints', nargs=3, help='of SSDLite on BCCD (default: random weights)'
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/corruption_suite'))
    parser.add_argument('--json', type=Path, help='JSON file for the record')
    args = parser.parse_args()
    work = args.work_dir.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    files = args.checkpoints or [
        random_weights(config_of(1, work), work / f'{seed}.pth', seed) for seed in range(3)
    ]
    cells = list(get_suite('voc-c').choose(args.corruptions))

    seconds = {}
    begin = time.perf_counter()
    obvious_values = []
    for number, file in enumerate(files):
        obvious_values.append(obvious(args.images, file, work / 'obvious', cells))
        seconds[f'obvious {number + 1}'] = time.perf_counter() - begin
    for count in (1, 3):
        begin = time.perf_counter()
        results = ours(args.images, files[:count], work / f'ours{count}', args.corruptions)
        seconds[f'ours {count}'] = time.perf_counter() - begin
        for found, expected in zip(results, obvious_values, strict=False):
            values = [found['P'], *(cell['pascal_voc/mAP'] for cell in found['cells'])]
            if values != [expected[cell] for cell in (CLEAN, *cells)]:
                sys.exit('the two ways do not give the same numbers')
    ratios = {
        str(count): seconds[f'obvious {count}'] / seconds[f'ours {count}'] for count in (1, 3)
    }
    for count, ratio in ratios.items():
        print(
            f'{count} model(s), {args.images} images, {1 + len(cells)} cells: '
            f'obvious {seconds[f"obvious {count}"]:.1f} s, '
            f'ours {seconds[f"ours {count}"]:.1f} s, {ratio:.2f} times faster, same numbers'
        )
    keep(
        args.json,
        images=args.images,
        cells=1 + len(cells),
        seconds=seconds,
        times_faster=ratios,
        corruptions=list(dict.fromkeys(cell.corruption for cell in cells)),
    )


if __name__ == '__main__':
    main()
