"""The report on an installation, of this one and of broken ones."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmrobustprune import doctor
from mmrobustprune.doctor import Finding
from tests.support.distributions import pretend

ROOT = Path(__file__).parent.parent


def test_a_report_names_gaps_and_what_to_do():
    findings = [
        Finding('packages', 'torch', '2.12.1'),
        Finding('packages', 'mmdet', 'not installed: no detectors', 'pip install mmdet'),
        Finding('folders', 'caches', 'cannot be written', 'name another', True),
    ]
    assert doctor.report(findings) == (
        'packages\n'
        '   torch                    2.12.1\n'
        ' - mmdet                    not installed: no detectors\n'
        '\n'
        'folders\n'
        ' ! caches                   cannot be written\n'
        '\n'
        'to do\n'
        '   mmdet: pip install mmdet\n'
        '   caches: name another'
    )


def test_this_installation_is_well(capsys):
    assert doctor.main([]) == 0
    text = capsys.readouterr().out
    assert f'   torch                    {torch.__version__} (torch)' in text
    assert 'active: mmengine#1655' in text
    assert "   mmcv's operators         " in text
    assert ' cores, ' in text


def run(code):
    return subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_without_openmmlab_it_says_what_is_closed():
    done = run(
        'import sys\n'
        'from mmrobustprune import doctor\n'
        'class Blocker:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        '        top = name.partition(".")[0]\n'
        '        if top in ("mmengine", "mmcv", "mmdet", "mmpretrain"):\n'
        '            raise ModuleNotFoundError("no " + top, name=top)\n'
        'sys.meta_path.insert(0, Blocker())\n'
        'sys.exit(doctor.main([]))\n'
    )
    assert done.returncode == 0, done.stderr
    assert ' - mmdet                    not installed: no detectors' in done.stdout
    assert "   mmdet: pip install 'mmrobustprune[openmmlab]'" in done.stdout
    assert 'mmengine#1655' not in done.stdout


@pytest.mark.slow
def test_a_broken_package_is_wrong(tmp_path):
    (tmp_path / 'mmdet.py').write_text('raise OSError("libtorch.so: undefined symbol")')
    done = run(
        'import sys\n'
        f'sys.path.insert(0, {str(tmp_path)!r})\n'
        'from mmrobustprune import doctor\n'
        'sys.exit(doctor.main([]))\n'
    )
    assert done.returncode == 1
    assert ' ! mmdet                    is broken: OSError: libtorch.so: undefined' in done.stdout
    assert '   mmdet: install mmdet again, in a build that fits the rest' in done.stdout


def test_two_distributions_in_one_folder_are_wrong(tmp_path, monkeypatch, capsys):
    """An extra that installed upstream over its fork, or the fork over upstream."""
    for name in ('mmengine', 'onedl-mmengine'):
        pretend(tmp_path, name, '9.8.7', 'mmengine')
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor.main([]) == 1
    text = capsys.readouterr().out
    assert ' ! mmengine                 both mmengine and onedl-mmengine' in text
    assert 'mmengine: pip uninstall mmengine onedl-mmengine, then install one of them' in text


@pytest.mark.slow
def test_beside_the_fork_the_extra_is_the_forks(tmp_path):
    pretend(tmp_path, 'onedl-mmengine', '9.8.7', 'none')
    done = run(
        'import sys\n'
        f'sys.path.insert(0, {str(tmp_path)!r})\n'
        'sys.modules["mmdet"] = None\n'
        'from mmrobustprune import doctor\n'
        'print(doctor.report(list(doctor._packages())))\n'
    )
    assert "mmdet: pip install 'mmrobustprune[onedl]'" in done.stdout, done.stderr


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    blocked = tmp_path / 'file'
    blocked.write_text('')
    monkeypatch.setenv('MMRP_HOME', str(blocked / 'below'))
    doctor.main([])
    text = capsys.readouterr().out
    assert f'{blocked / "below"} cannot be written' in text
    assert 'caches: name another folder with MMRP_HOME=/path' in text
