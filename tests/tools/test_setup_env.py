"""What the set-up says before it installs anything; no compiler is asked for unless mmcv is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'tools' / 'setup_env.sh'
COMMANDS = ('bash', 'awk', 'cat', 'cut', 'date', 'dirname', 'mkdir', 'sed', 'sha256sum')


@pytest.fixture
def set_up(tmp_path):
    """Runs the script where there is no compiler and where the disk has 1 GB left."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in COMMANDS:
        (folder / name).symlink_to(shutil.which(name))
    full = folder / 'df'
    full.write_text('#!/bin/sh\necho head\necho disk 9 8 1048576 99% /\n')
    full.chmod(0o755)
    env = dict(PATH=str(folder), MMRP_HOME=str(tmp_path / 'home'), PYTHON=sys.executable)

    def run(*options, **more):
        return subprocess.run(
            [shutil.which('bash'), SCRIPT, *options],
            capture_output=True,
            text=True,
            env=env | more,
            cwd=os.fspath(tmp_path),
        )

    return run


def test_no_compiler_is_needed(set_up):
    done = set_up()
    assert done.returncode == 1
    assert (
        done.stderr.startswith('setup: ') and 'has 1 GB free and the set-up needs 12' in done.stderr
    )


@pytest.mark.parametrize('given', [dict(), dict(MMRP_WITH_MMCV='1')])
def test_a_compiler_is_needed_for_mmcv(set_up, given):
    done = set_up(*([] if given else ['--with-mmcv']), **given)
    assert done.returncode == 1
    assert done.stderr == (
        "setup: no C++ compiler was found, and --with-mmcv compiles mmcv's operators; install one "
        '(Debian, Ubuntu: apt-get install g++) or leave out --with-mmcv.\n'
    )


def test_other_options_are_refused(set_up):
    done = set_up('--with-mcv')
    assert done.returncode == 2
    assert "'--with-mcv' is unknown; the only options are --with-mmcv and --help" in done.stderr
    assert '--with-mmcv' in set_up('--help').stdout
