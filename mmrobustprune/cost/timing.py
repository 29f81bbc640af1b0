"""How long a call takes, and what that depends on."""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mmrobustprune.records.stamp import own_versions

# Bytes of several second-level caches: in a network other layers' data pass through them between
# two calls of a layer.
EVICT = 2**23
HEAP = 2**25 - 2**16  # bytes, just below what glibc's malloc maps anew for every call
CLOCKS = {'processor': time.process_time, 'elapsed': time.perf_counter}


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one call.

    Attributes:
        median, p10, p90: of the measured times, the latter the 10th and 90th percentile.
        least: the shortest.
        repeats: how many were measured.
    """

    median: float
    p10: float
    p90: float
    least: float
    repeats: int

    def of(self, statistic: str) -> float:
        """The number that a statistic ('median', 'least', ...) names."""
        return getattr(self, statistic)

    def to_list(self) -> list:
        """The numbers in this order."""
        return list(astuple(self))


def stamp(device: torch.device | str, batch: int, dtype: torch.dtype) -> dict[str, Any]:
    """What a time depends on, for the process as it is now.

    `clock` is 'processor' for one CPU thread (other programs do not lengthen it), else 'elapsed';
    `evict`: see `time_call`.
    """
    device = torch.device(device)
    cuda = device.type == 'cuda'
    threads = 0 if cuda else torch.get_num_threads()
    libraries = own_versions() | {'python': platform.python_version()}
    if cuda:
        libraries |= {'cuda': str(torch.version.cuda), 'cudnn': str(torch.backends.cudnn.version())}
    return dict(
        device=f'{device.type}: {torch.cuda.get_device_name(device) if cuda else processor()}',
        threads=threads,
        batch=batch,
        precision=str(dtype).removeprefix('torch.'),
        clock='processor' if threads == 1 else 'elapsed',
        evict=0 if cuda else EVICT,
        versions=libraries,
    )


def processor() -> str:
    """Name of the CPU."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


@torch.no_grad()
def time_call(
    call: Callable[[], Any],
    device: torch.device | str = 'cpu',
    warmup: int = 3,
    repeats: int = 30,
    seconds: float | None = None,
    least: int = 5,
    clock: str = 'elapsed',
    evict: int = 0,
    precision: float | None = None,
) -> Timing:
    """Time a call.

    On a CPU freed memory stays with the process, as it does once a process has run for a while.

    Args:
        call: what is timed.
        device: where it runs.
        warmup: calls that are not measured.
        repeats: calls that are, fewer (but `least`) once `seconds` of the clock have gone by.
        clock: 'processor' or 'elapsed'.
        evict: bytes of other data that pass through the caches before each call.
        precision: fewer repeats are enough, too, once the 95 % interval of the median reaches no
            further than this share of it to either side.
    """
    device = torch.device(device)
    now = CLOCKS[clock]
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == 'cuda' else (lambda: None)
    end = float('inf') if seconds is None else now() + seconds
    times: list[float] = []
    if device.type == 'cpu':
        # freed at once; else pages taken anew are a quarter of MobileNetV2's time
        torch.empty(HEAP, dtype=torch.uint8)
    other = torch.zeros(evict // 4, device=device)
    for turn in range(warmup + repeats):
        other.add_(1)
        wait()
        start = now()
        call()
        wait()
        if turn >= warmup:
            times.append(1e3 * (now() - start))
            if len(times) >= least and (now() > end or _is_certain(times, precision)):
                break
    times.sort()
    last = len(times) - 1
    return Timing(
        statistics.median(times),
        times[round(0.1 * last)],
        times[round(0.9 * last)],
        times[0],
        len(times),
    )


def _is_certain(times: list[float], precision: float | None) -> bool:
    """Whether the median of all calls like these is known to a share of it, with 95 %."""
    rank = _rank(len(times))
    if precision is None or rank == 0:
        return False
    ordered = sorted(times)
    return ordered[-rank] - ordered[rank - 1] <= 2 * precision * statistics.median(ordered)


@cache
def _rank(count: int) -> int:
    """The largest k such that the median lies between the k-th smallest and largest with 95 %.

    Each time is above or below it with probability 1/2; 0 where there are too few for any k.
    """
    rank = 0
    tail = 0.5**count
    while tail <= 0.025:
        rank += 1
        tail += math.comb(count, rank) * 0.5**count
    return rank
