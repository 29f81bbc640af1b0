#!/usr/bin/env python
"""Corruptions as tensors on a device beside those on arrays: how often they agree, what they cost.

Both corrupt the same photographs (of scikit-image) with the same random numbers at all severities.
Agreement is the smallest share of values, over photographs, sizes and severities, that are equal or
at most one grey level apart. Times are those of one batch of photographs, milliseconds per image:
of arrays on one core; of tensors on the device (on one core where it is the CPU) with everything
that goes there and comes back; and how much of the latter the CPU drew random numbers.

Example:
    python benchmarks/corruption_tensor.py --device cuda --batch 32 --table /tmp/README.md
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import skimage  # noqa: E402
import torch  # noqa: E402

from benchmarks.record import keep  # noqa: E402
from mmrobustprune.corruption import SEVERITIES, get_suite  # noqa: E402
from mmrobustprune.corruption import tensor as tensors  # noqa: E402
from mmrobustprune.corruption.functions import FUNCTIONS, Draws, constants  # noqa: E402
from mmrobustprune.corruption.tensor.base import to_arrays, to_images  # noqa: E402
from mmrobustprune.cost.count import device_stamp  # noqa: E402
from mmrobustprune.records.stamp import imaging_versions  # noqa: E402

SUITE = get_suite('imagenet-c-tensor')
PHOTOGRAPHS = ('chelsea.png', 'coffee.png', 'astronaut.png', 'rocket.jpg')
HEAD = (
    '| corruption | equal | within one level | arrays, ms | tensors, ms | of it drawing, ms |\n'
    '| --- | ---: | ---: | ---: | ---: | ---: |'
)


PAGE = """# Corruptions as tensors beside those on arrays

{table}

Device: {device}. The smallest share, over {photographs} photographs in sizes {sizes} and all
severities, of values that are equal, and that are at most one grey level apart. Times are
milliseconds per image of {size} in a batch of {batch}: of arrays on one core, of tensors on the
device (on one core where it is the CPU) with everything that goes there and comes back, and how
much of the latter the CPU drew random numbers. Written by `benchmarks/corruption_tensor.py`.
"""


class TimedDraws(tensors.BatchDraws):
    """Knows how many seconds drawing took."""

    seconds = 0.0

    def take(self, draw: Callable[[Draws], np.ndarray]) -> torch.Tensor:
        begin = time.thread_time()
        out = super().take(draw)
        self.seconds += time.thread_time() - begin
        return out


def photographs(count: int, height: int, width: int) -> np.ndarray:
    """(count, H, W, 3) in RGB."""
    found = []
    for name in PHOTOGRAPHS[:count]:
        image = cv2.imread(str(Path(skimage.__file__).parent / 'data' / name))[..., ::-1]
        found.append(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return np.stack([found[n % len(found)] for n in range(count)])


def numbers(count: int) -> list[Draws]:
    return [Draws(np.arange(n, n + 8, dtype=np.uint32)) for n in range(count)]


def on_arrays(images: np.ndarray, name: str, severity: int) -> np.ndarray:
    c = constants.IMAGENET[name][severity - 1]
    pairs = zip(images, numbers(len(images)), strict=True)
    return np.stack([np.uint8(FUNCTIONS[name](image.copy(), c, one)) for image, one in pairs])


def on_device(images: np.ndarray, name: str, severity: int, device: str) -> tuple:
    """What the tensors give, and the seconds of drawing."""
    c = constants.IMAGENET[name][severity - 1]
    draws = TimedDraws(numbers(len(images)), device)
    out = to_arrays(tensors.FUNCTIONS[name](to_images(images, device), c, draws))
    return out, draws.seconds


def agreement(name: str, images: list[np.ndarray], device: str) -> tuple[float, float]:
    """The smallest shares of equal values, and of those at most one level apart."""
    equal = []
    near = []
    for batch in images:
        for severity in SEVERITIES:
            found, _ = on_device(batch, name, severity, device)
            away = np.abs(np.int16(found) - on_arrays(batch, name, severity))
            equal.append((away == 0).mean((1, 2, 3)).min())
            near.append((away <= 1).mean((1, 2, 3)).min())
    return float(min(equal)), float(min(near))


def cost(name: str, images: np.ndarray, device: str, turns: int) -> tuple[float, float, float]:
    """ms per image, mean over severities, the smallest of several turns."""
    clock = time.perf_counter if device.startswith('cuda') else time.thread_time
    times = []
    for severity in SEVERITIES:
        row = []
        for _ in range(turns):
            begin = time.thread_time()
            on_arrays(images, name, severity)
            middle = time.thread_time()
            start = clock()
            _, drawn = on_device(images, name, severity, device)  # comes back to the CPU
            row.append((middle - begin, clock() - start, drawn))
        times.append(np.min(row, axis=0))
    return tuple((1000 * np.mean(times, axis=0) / len(images)).tolist())


def line(name: str, row: dict) -> str:
    shares = f'{100 * row["equal"]:.3f} % | {100 * row["within_one"]:.3f} %'
    times = ' | '.join(f'{row[key]:.1f}' for key in ('arrays', 'tensors', 'drawing'))
    return f'| `{name}` | {shares} | {times} |'


def page(rows: dict, sizes: list[tuple[int, int]], batch: int, device: str) -> str:
    """The table as a page."""
    shown = [f'{width}x{height}' for height, width in sizes]
    return PAGE.format(
        table='\n'.join([HEAD, *(line(name, row) for name, row in rows.items())]),
        device=device,
        photographs=len(PHOTOGRAPHS),
        sizes=' and '.join(shown),
        size=shown[0],
        batch=batch,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help='cpu | cuda | cuda:N')
    parser.add_argument('--batch', type=int, default=4, help='images of the batch that is timed')
    parser.add_argument('--size', nargs=2, type=int, default=(500, 375), metavar=('W', 'H'))
    parser.add_argument('--turns', type=int, default=2, help='of each')
    parser.add_argument('--corruptions', nargs='+', default='all', help='names or groups')
    parser.add_argument('--json', type=Path, help='JSON file for the record')
    parser.add_argument('--table', type=Path, help='Markdown file for a page with the table')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    width, height = args.size
    sizes = [(height, width), (height // 2 | 1, width // 2 | 1)]  # as asked, and odd
    images = [photographs(len(PHOTOGRAPHS), *size) for size in sizes]
    batch = photographs(args.batch, height, width)
    rows = {}
    print(HEAD)
    for name in SUITE.expand(args.corruptions):
        equal, near = agreement(name, images, args.device)
        arrays, on_it, drawing = cost(name, batch, args.device, args.turns)
        rows[name] = dict(
            equal=equal, within_one=near, arrays=arrays, tensors=on_it, drawing=drawing
        )
        print(line(name, rows[name]), flush=True)
    stamp = device_stamp(args.device)
    about = dict(sizes=sizes, photographs=PHOTOGRAPHS, batch=args.batch, turns=args.turns)
    keep(args.json, rows=rows, device=stamp, imaging=imaging_versions(), **about)
    if args.table is not None:
        args.table.write_text(page(rows, sizes, args.batch, stamp))
    bad = [name for name, row in rows.items() if row['within_one'] < 0.999]
    if bad:
        sys.exit(f'{", ".join(bad)}: less than 99.9 % of the values are within one grey level')


if __name__ == '__main__':
    main()
