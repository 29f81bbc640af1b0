"""What `pip install` of the project brings, and what it leaves alone."""

import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = (
    'LICENSE',
    'MANIFEST.in',
    'README.md',
    'setup.py',
    'pyproject.toml',
    'mmrobustprune.pth',
    'requirements',
    'configs',
    'mmrobustprune',
    'tools',
)


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp('source')
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__')
            )
        elif source.exists():
            shutil.copy(source, folder)
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'wheel',
            '-q',
            '--no-deps',
            '--no-build-isolation',
            '-w',
            'out',
            '.',
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next((folder / 'out').glob('*.whl')))


def test_the_package_is_whole(wheel):
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'mmrobustprune').rglob('*.py')
        if '.mim' not in path.parts
    }
    assert expected <= set(wheel.namelist())


def test_the_line_for_mmcvs_operators_is_beside_the_package(wheel):
    assert wheel.read('mmrobustprune.pth') == (ROOT / 'mmrobustprune.pth').read_bytes()


def test_the_config_tree_is_in_it(wheel):
    expected = {
        f'mmrobustprune/.mim/{path.relative_to(ROOT)}' for path in (ROOT / 'configs').rglob('*.py')
    }
    assert expected and expected <= set(wheel.namelist())
    assert 'mmrobustprune/.mim/model-index.yml' in wheel.namelist()


def test_the_tools_are_in_it(wheel):
    listed = set(wheel.namelist())
    for pattern in ('*.py', 'dist_*.sh', 'slurm_*.sh'):
        for path in (ROOT / 'tools').glob(pattern):
            assert f'mmrobustprune/.mim/tools/{path.name}' in listed


@pytest.mark.parametrize('command', ['train', 'test', 'prune', 'robustness', 'attack', 'export'])
def test_mim_run_finds_one_script(wheel, command):
    """openmim takes what ends with the command's name below `.mim/tools` beside the metadata."""
    below = [name for name in wheel.namelist() if name.startswith('mmrobustprune/.mim/tools/')]
    assert [name for name in below if name.endswith(f'/{command}.py')] == [
        f'mmrobustprune/.mim/tools/{command}.py'
    ]
    assert any(re.match(r'mmrobustprune-[^/]+\.dist-info/METADATA', n) for n in wheel.namelist())


@pytest.mark.slow
def test_the_command_works_where_the_wheel_is_installed(wheel, tmp_path):
    """In an environment of its own that sees the packages of this one, but not the checkout."""
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'env'], check=True)
    site = next((tmp_path / 'env' / 'lib').glob('python*')) / 'site-packages'
    (site / 'shared.pth').write_text(sysconfig.get_paths()['purelib'])
    install = ['install', '-q', '--no-deps', '--no-index', '--prefix', tmp_path / 'env']
    pip = [sys.executable, '-m', 'pip', *install, '--ignore-installed', wheel.filename]
    subprocess.run(pip, check=True, capture_output=True)

    def call(*arguments, script=site.parents[2] / 'bin' / 'mmrobustprune'):
        command = [tmp_path / 'env' / 'bin' / 'python', script, *arguments]
        return subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)

    doctor = call('doctor')
    assert doctor.returncode == 0, doctor.stderr
    assert f'{site / "mmrobustprune"}' in doctor.stdout
    train = call('train', 'mmrobustprune::shapes/none.py')
    assert train.returncode == 2
    assert train.stderr.startswith('train: ') and 'Traceback' not in train.stderr
    for name in ('train', 'report'):  # as `mim run` starts them
        tool = call('--help', script=site / 'mmrobustprune' / '.mim' / 'tools' / f'{name}.py')
        assert tool.returncode == 0 and tool.stdout.startswith(f'usage: {name}.py'), tool.stderr


def needs(wheel, extra=None):
    name = next(name for name in wheel.namelist() if name.endswith('METADATA'))
    lines = re.findall(r'^Requires-Dist: (.*)$', wheel.read(name).decode(), re.M)
    marked = f'extra == "{extra}"'
    return [
        line.partition(';')[0].strip()
        for line in lines
        if (marked in line if extra else 'extra ==' not in line)
    ]


def test_an_installed_stack_is_left_alone(wheel):
    core = needs(wheel)
    assert 'torch' in core  # any version: a bound would make pip replace it
    assert not [need for need in core if need.startswith(('mm', 'imagecorruptions', 'torchvision'))]


def test_extras(wheel):
    assert {re.split('[<>=]', need)[0] for need in needs(wheel, 'openmmlab')} == {
        'mmengine',
        'mmcv-lite',
        'mmdet',
        'mmpretrain',
        'setuptools',
    }
    fork = {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmpretrain'}
    assert {re.split('[<>=]', need)[0] for need in needs(wheel, 'onedl')} == fork
    assert needs(wheel, 'attack') and 'pytest' in needs(wheel, 'dev')
    assert any(need.startswith('imagecorruptions') for need in needs(wheel, 'corruption'))


def test_python_versions_and_licence(wheel):
    text = wheel.read(next(name for name in wheel.namelist() if name.endswith('METADATA'))).decode()
    assert 'Requires-Python: >=3.10,<3.13' in text or 'Requires-Python: <3.13,>=3.10' in text
    assert 'License: Apache-2.0' in text or 'License-Expression: Apache-2.0' in text
    assert any(name.endswith('LICENSE') for name in wheel.namelist())


@pytest.mark.parametrize('version', [(3, 9), (3, 13)])
def test_another_python_is_named_at_import(monkeypatch, version):
    monkeypatch.setattr(sys, 'version_info', (*version, 0))
    spec = importlib.util.spec_from_file_location('again', ROOT / 'mmrobustprune' / '__init__.py')
    with pytest.raises(ImportError) as error:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert str(error.value).startswith(
        f'mmrobustprune needs Python 3.10, 3.11 or 3.12 and runs in 3.{version[1]}; use one of them'
    )
