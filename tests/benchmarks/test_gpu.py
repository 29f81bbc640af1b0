"""The GPU script: what it leaves out, what it keeps of a failure, and all of it in miniature."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import GPU_TESTS, PARTS, Part, gpu_tests, run

ROOT = Path(__file__).parents[2]


def part(command, **fields):
    return Part('one', command, small='', limit=60, **fields)


def test_what_is_not_installed_is_left_out_with_a_sentence(tmp_path):
    found = run(part('-c pass', needs=('no_such_module', 'json')), True, 60, tmp_path)
    assert found == dict(state='left out', why='one is left out: no_such_module not installed.')


def test_no_time_is_left(tmp_path):
    assert run(part('-c pass'), True, 1, tmp_path)['state'] == 'left out'


def test_a_part_that_fails_says_how_and_keeps_what_it_printed(tmp_path):
    found = run(part('-c print(7);raise(SystemExit(3))'), True, 60, tmp_path)
    assert found['state'] == 'failed with 3' and found['printed'] == '7\n'


def test_every_test_for_a_gpu_is_run():
    files = gpu_tests().split()
    assert 'tests/engine/optim/test_traps_gpu.py' in files
    assert all(any(mark in (ROOT / f).read_text() for mark in GPU_TESTS) for f in files)


@pytest.mark.slow(seconds=220)
@pytest.mark.timeout(1800)
def test_the_whole_script_in_miniature(tmp_path):
    command = ['bash', 'benchmarks/gpu.sh', '--miniature', '--out', str(tmp_path)]
    environment = dict(os.environ, PYTHON=sys.executable, OMP_NUM_THREADS='1')
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    parts = json.loads((tmp_path / 'gpu_miniature.json').read_text())['parts']
    assert list(parts) == [part.name for part in PARTS]
    assert {one['state'] for one in parts.values()} <= {'done', 'left out'}
    assert sum(one['state'] == 'done' for one in parts.values()) >= 7
