"""Timing a call, and what a time depends on."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from mmrobustprune.cost import timing
from mmrobustprune.latency import (
    stamp,
    time_call,
)


def test_the_stamp_says_what_counts():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = stamp('cpu', 4, torch.bfloat16)
        torch.set_num_threads(2)
        two = stamp('cpu', 4, torch.bfloat16)
    finally:
        torch.set_num_threads(threads)
    assert (one['threads'], one['clock'], two['threads'], two['clock']) == (
        1,
        'processor',
        2,
        'elapsed',
    )
    assert (
        one['precision'] == 'bfloat16'
        and {'torch', 'python', 'mmrobustprune'} <= one['versions'].keys()
    )


def test_calls_are_counted_and_ordered():
    calls = []
    found = time_call(lambda: calls.append(1), warmup=2, repeats=9, evict=64)
    assert len(calls) == 11 and found.repeats == 9
    assert 0 <= found.least <= found.p10 <= found.median <= found.p90
    assert time_call(lambda: None, warmup=0, repeats=1000, seconds=0, least=3).repeats == 3


def test_equal_times_are_known_sooner_than_times_that_differ(monkeypatch):
    """With 95 % the median lies between the ends of 6, the second ends of 9 and the third of 12."""
    assert [timing._rank(count) for count in (5, 6, 8, 9, 11, 12, 40)] == [0, 1, 1, 2, 2, 3, 14]

    def measured(milliseconds):
        now = [0.0]
        left = iter(milliseconds)

        def call():
            now[0] += next(left) / 1e3

        monkeypatch.setitem(timing.CLOCKS, 'elapsed', lambda: now[0])
        return time_call(call, warmup=0, repeats=30, precision=0.02)

    equal = measured([5.0] * 30)
    assert equal.repeats == 6 and equal.median == pytest.approx(5.0)
    assert measured([5.0, 5.15] * 15).repeats == 6  # within 2 % of 5.075 to either side
    assert measured([5.0, 9.0] + [5.0] * 28).repeats == 9
    assert measured([5.0, 6.0] * 15).repeats == 30


SETTLED = """
import resource, torch
from mmrobustprune.latency import time_call

def call():
    held = [torch.ones(2 ** 20) for _ in range(3)]

time_call(call, warmup=1, repeats=5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    call()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='other allocators give memory back in other ways'
)
def test_timed_calls_do_not_fetch_their_memory_anew():
    """3 x 4 MB are 3,072 pages, which a young process gives back after every call."""
    plain = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(('MALLOC_', 'GLIBC_TUNABLES'))
    }
    done = subprocess.run(
        [sys.executable, '-c', SETTLED], capture_output=True, text=True, check=True, env=plain
    )
    assert float(done.stdout) < 30
