"""What the set-up says, where it goes on, and what it needs; nothing is installed here."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools' / 'setup_env.sh'
COMMANDS = ('awk', 'bash', 'cat', 'cut', 'date', 'dirname', 'mkdir', 'rm', 'sed', 'sha256sum')


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


INTERPRETER = """#!/bin/bash
# Does what the set-up asks of a Python and its pip, in no time; pip fails while `fail` is there.
here=$(dirname "$MMRP_HOME")
case "$*" in
  '-c import sys, venv'*) exit 0 ;;
  *version_info*) echo 3.11 ;;
  *purelib*) echo "$MMRP_HOME" ;;
  '-m venv'*)
    echo venv >>"$here/calls"
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python" ;;
  '-m pip'*)
    echo "${@: -1}" >>"$here/calls"
    mkdir -p "$(dirname "$0")/../lib/python3.11/site-packages/half-1.dist-info"
    if [ -e "$here/fail" ]; then cat "$here/fail"; exit 1; fi ;;
esac
"""


class Checkout:
    """As much of a checkout as the set-up reads, with a Python that installs nothing."""

    def __init__(self, folder, before=()):
        self.folder = folder
        self.before = before
        self.home = folder / 'home'
        (folder / 'tools' / 'steps').mkdir(parents=True)
        shutil.copytree(ROOT / 'requirements', folder / 'requirements')
        for name in ('tools/setup_env.sh', 'tools/steps/once.sh', 'mmrobustprune.pth'):
            shutil.copy(ROOT / name, folder / name)
        (folder / 'python').write_text(INTERPRETER)
        (folder / 'bin').mkdir()
        (folder / 'bin' / 'df').write_text('#!/bin/sh\necho head\necho disk 9 8 99999999 1% /\n')
        for path in ('python', 'bin/df'):
            (folder / path).chmod(0o755)

    def set_up(self, *options):
        env = dict(
            PATH=f'{self.folder / "bin"}:/usr/bin:/bin',
            MMRP_HOME=str(self.home),
            PYTHON=str(self.folder / 'python'),
        )
        command = [*self.before, 'bash', self.folder / 'tools' / 'setup_env.sh', *options]
        return subprocess.run(command, capture_output=True, text=True, env=env)

    def calls(self):
        found = (self.folder / 'calls').read_text().splitlines()
        (self.folder / 'calls').unlink()
        return [Path(call).name for call in found]


@pytest.mark.skipif(shutil.which('g++') is None, reason='needs g++')
def test_a_compiled_mmcv_has_a_torch_of_its_own(tmp_path):
    checkout = Checkout(tmp_path / 'checkout')
    checkout.set_up('--with-mmcv')  # ends at the wheel, which this Python does not build
    assert checkout.calls()[:3] == ['venv', 'pinned.txt', 'pinned-nodeps.txt']
    (asked,) = checkout.home.glob('envs/*/pinned.txt')
    own = asked.read_text().splitlines()
    pinned = (ROOT / 'requirements' / 'pinned.txt').read_text().splitlines()
    assert [line for line in own if line.startswith('torch==')] == ['torch==2.12.1']
    assert len([line for line in own if line.startswith('torchvision==')]) == 1
    assert [line for line in pinned if line not in own and 'torch' not in line] == []


@pytest.mark.parametrize(
    'words, said',
    [
        ('OSError: [Errno 28] No space left on device', 'is full; free some or name another with'),
        ('NewConnectionError: Network is unreachable', 'the network failed; connect it'),
        ('Read-only file system', 'cannot be written; name another folder with MMRP_HOME=/path'),
        ('something else', 'setup.log; mend the cause'),
    ],
)
def test_what_stops_it_is_said(tmp_path, words, said):
    checkout = Checkout(tmp_path / 'checkout')
    (checkout.folder / 'fail').write_text(f'{words}\n')
    done = checkout.set_up()
    assert done.returncode == 1
    assert done.stderr.startswith(words)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("setup: 'packages (torch, OpenMMLab, about 5 GB)' failed: ")
    assert said in last and last.endswith(
        ', and give the same command again: it goes on from here.'
    )


def test_the_same_command_goes_on(tmp_path):
    checkout = Checkout(tmp_path / 'checkout')
    fail = checkout.folder / 'fail'
    fail.touch()
    assert checkout.set_up().returncode == 1
    assert checkout.calls() == ['venv', 'pinned.txt']
    half = next(checkout.home.glob('envs/*/lib/python3.11/site-packages/half-1.dist-info'))
    (half / 'METADATA').touch()  # what pip had not finished would count as installed
    fail.unlink()
    done = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert checkout.calls() == ['pinned.txt', 'pinned-nodeps.txt', 'mmcv-lite.txt']
    assert not (half / 'METADATA').exists()
    assert (checkout.folder / '.venv' / '.complete').exists()
    assert checkout.set_up().returncode == 0 and not (checkout.folder / 'calls').exists()


def test_a_python_that_is_gone_is_linked_anew(tmp_path):
    """One that was removed or upgraded since; the packages stay. Who may not write is told."""
    checkout = Checkout(tmp_path / 'checkout')
    assert checkout.set_up().returncode == 0
    python = next(checkout.home.glob('envs/*/bin/python'))
    checkout.calls()
    python.unlink()
    python.symlink_to('/no/such/python')
    remove = checkout.folder / 'bin' / 'rm'
    remove.write_text('#!/bin/sh\nexit 1\n')  # as where another user made it
    remove.chmod(0o755)
    done = checkout.set_up()
    assert done.returncode == 1 and done.stderr.count('\n') == 1
    assert 'was made with a Python that does not run here' in done.stderr
    remove.unlink()
    assert checkout.set_up().returncode == 0
    assert checkout.calls() == ['venv']


@pytest.mark.parametrize('version', ['3.9.18', '3.13.0'])
def test_other_pythons_are_refused(set_up, tmp_path, version):
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\n[ "$1" = -V ] && echo Python {version}\n')
    python.chmod(0o755)
    done = set_up(PYTHON=str(python))
    assert done.returncode == 1
    assert done.stderr == (
        f'setup: no Python 3.10 to 3.12 with the venv module was found ({python} is Python '
        f'{version}); install one or name it with PYTHON=/path/to/python3.11.\n'
    )


def test_a_home_that_is_no_folder(set_up, tmp_path):
    (tmp_path / 'file').touch()
    done = set_up(MMRP_HOME=str(tmp_path / 'file' / 'home'))
    assert done.returncode == 1
    said = 'file/home cannot be written; name another folder with MMRP_HOME=/path.\n'
    assert done.stderr.endswith(said) and done.stderr.count('\n') == 1


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which('setpriv'), reason='a second user takes root and setpriv'
)
def test_two_users_on_one_machine():
    """The second uses what the first has made, and makes nothing where only the first may."""
    folder = Path(tempfile.mkdtemp(dir='/tmp'))
    try:
        folder.chmod(0o755)
        first = Checkout(folder / 'first')
        second = Checkout(folder / 'second', ('setpriv', '--reuid=65534', '--clear-groups'))
        second.home = first.home
        os.chown(second.folder, 65534, 65534)
        assert first.set_up().returncode == 0
        done = second.set_up()
        assert done.returncode == 0, done.stderr
        assert (second.folder / '.venv').resolve() == (first.folder / '.venv').resolve()
        (second.folder / 'requirements' / 'pinned.txt').write_text('another torch')
        done = second.set_up()
        assert done.returncode == 1
        assert done.stderr == (
            f'setup: {first.home} cannot be written; name another folder with MMRP_HOME=/path.\n'
        )
    finally:
        shutil.rmtree(folder)
