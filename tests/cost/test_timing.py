"""Timing a call, and what a time depends on."""

import os
import platform
import subprocess
import sys

import pytest
import torch

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
    timing = time_call(lambda: calls.append(1), warmup=2, repeats=9, evict=64)
    assert len(calls) == 11 and timing.repeats == 9
    assert 0 <= timing.least <= timing.p10 <= timing.median <= timing.p90
    assert time_call(lambda: None, warmup=0, repeats=1000, seconds=0, least=3).repeats == 3


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
