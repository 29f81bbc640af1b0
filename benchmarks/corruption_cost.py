#!/usr/bin/env python
"""Cost of every corruption at every severity, ours beside imagecorruptions, on one photograph.

Both make the same image to the last bit: the random numbers of imagecorruptions are seeded as ours
are. Times are processor time of the calling thread, the smallest of several turns, taken in turns
so that both meet the same machine.

Example:
    python benchmarks/corruption_cost.py --turns 3 --json docs/results/corruption_cost.json
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import imagecorruptions  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.corruption import SEVERITIES, get_suite  # noqa: E402
from mmrobustprune.corruption.functions import FUNCTIONS, Draws, constants  # noqa: E402
from mmrobustprune.records.stamp import imaging_versions  # noqa: E402

SUITE = get_suite('voc-c')
WORDS = np.arange(8, dtype=np.uint32)


def ours(image: np.ndarray, name: str, severity: int) -> np.ndarray:
    c = constants.IMAGENET[name][severity - 1]
    return np.asarray(FUNCTIONS[name](image, c, Draws(WORDS)), np.uint8)


def theirs(image: np.ndarray, name: str, severity: int) -> np.ndarray:
    """imagecorruptions' own function on the same random numbers."""
    np.random.seed(WORDS)
    options = {}
    if name == 'glass_blur':
        options['seed'] = int(WORDS[0])
    if name == 'impulse_noise':  # it draws from a generator of its own kind
        options['seed'] = np.random.default_rng(0)
    function = imagecorruptions.corruption_dict[name]
    return np.uint8(function(Image.fromarray(image), severity, **options))


def photograph(file: Path | None, width: int, height: int) -> np.ndarray:
    """The file's, or smooth noise."""
    if file is not None:
        return np.ascontiguousarray(cv2.imread(str(file))[..., ::-1])
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def milliseconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return 1000 * (time.thread_time() - begin)


def cost(image: np.ndarray, name: str, severity: int, turns: int) -> tuple[float, float]:
    """The smallest time of each in ms; the images must be equal."""
    for _ in range(1 + (name == 'impulse_noise')):  # compiled, photographs read
        one = ours(image, name, severity)
        other = theirs(image, name, severity)
    if name != 'impulse_noise' and not np.array_equal(one, other):
        sys.exit(f'{name} {severity}: the images differ')
    times = []
    for _ in range(turns):
        pair = [
            milliseconds(lambda make=make: make(image, name, severity)) for make in (ours, theirs)
        ]
        times.append(pair)
    return tuple(np.min(times, axis=0).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--image', type=Path, help='a photograph (default: smooth noise)')
    parser.add_argument('--size', nargs=2, type=int, default=(500, 375), metavar=('W', 'H'))
    parser.add_argument('--turns', type=int, default=3, help='of each')
    parser.add_argument('--corruptions', nargs='+', default='all', help='names or groups')
    parser.add_argument('--json', type=Path, help='JSON file for the record')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    cv2.setNumThreads(1)
    image = photograph(args.image, *args.size)
    rows = {}
    for name in SUITE.expand(args.corruptions):
        pairs = [cost(image, name, severity, args.turns) for severity in SEVERITIES]
        mine, published = np.array(pairs).T
        rows[name] = dict(
            ours=[round(one, 2) for one in mine],
            imagecorruptions=[round(one, 2) for one in published],
            times_faster=round(float(published.sum() / mine.sum()), 2),
        )
        shown = ' '.join(f'{a:.1f}/{b:.1f}' for a, b in pairs)
        print(f'{name:18s} {rows[name]["times_faster"]:6.2f} times faster; ms {shown}', flush=True)
    total = {
        side: round(float(sum(sum(row[side]) for row in rows.values())), 1)
        for side in ('ours', 'imagecorruptions')
    }
    ratio = round(total['imagecorruptions'] / total['ours'], 2)
    print(
        f'in sum {total["ours"]:.0f} and {total["imagecorruptions"]:.0f} ms: {ratio} times faster'
    )
    keep(
        args.json,
        image=list(image.shape),
        unit='ms of one core per image, severities 1 to 5',
        rows=rows,
        total=total,
        times_faster=ratio,
        imaging=imaging_versions(),
    )


if __name__ == '__main__':
    main()
