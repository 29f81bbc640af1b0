"""`mmcv._ext`: the compiled one untouched, one sentence where it is broken, else the stand-in."""

import importlib.util
import os
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path

import mmcv
import pytest
import torch
from mmcv import _ext

from mmrobustprune.compat import extension
from tests.support.mmcv_ops import needs_compiled, stand_in, without_compiled

ROOT = Path(__file__).parents[2]
LINE = ROOT / 'mmrobustprune.pth'


def load(spec):
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_other_modules_are_none_of_its_business():
    for name in ('mmcv', 'mmcv.ops', '_ext', 'mmcv._extension'):
        assert extension.find_spec(name, mmcv.__path__) is None
    assert extension.Finder in sys.meta_path


@needs_compiled
def test_a_compiled_one_is_used_and_untouched():
    module = load(extension.find_spec('mmcv._ext', mmcv.__path__))
    assert module.__file__ == _ext.__file__
    assert type(module.__loader__) is type(module.__spec__.loader) is ExtensionFileLoader
    assert not hasattr(module, 'no_such_operator')
    assert not hasattr(module.nms, '__wrapped__')


def test_a_compiled_one_that_does_not_load_is_said_to_be_broken(tmp_path):
    path = tmp_path / f'_ext{EXTENSION_SUFFIXES[0]}'
    path.write_bytes(b'built for another torch')
    with pytest.raises(ImportError) as error:
        load(extension.find_spec('mmcv._ext', [str(tmp_path)]))
    version = mmcv.__version__
    sentence = re.sub(r'do not load \(.*?\),', 'do not load (WHY),', str(error.value))
    assert sentence == (
        f"mmcv's compiled operators ({path}) do not load (WHY), as they were built for another "
        f'torch than {torch.__version__} or for another Python; build mmcv {version} again for '
        'this one, or use it without them: pip uninstall mmcv, then pip install '
        f"mmcv-lite=={version}, and mmrobustprune's operators stand in."
    )
    assert error.value.name == 'mmcv._ext' and error.value.__cause__ is not None


@pytest.mark.parametrize(
    'failure',
    [ImportError('no torchvision'), RuntimeError('operator torchvision::nms does not exist\nmore')],
    ids=['absent', 'of another build'],
)
def test_without_torchvision_nothing_stands_in(monkeypatch, failure):
    def import_module(name, package=None):
        if name == 'torchvision.ops':
            raise failure
        return sys.modules[name]

    monkeypatch.setattr(extension.importlib, 'import_module', import_module)
    with pytest.raises(ImportError) as error:
        stand_in()
    reason = str(failure).partition('\n')[0]
    assert str(error.value) == (
        "mmcv is installed without its compiled operators, and torchvision's, which stand in for "
        f'them, do not load ({reason}); install the torchvision that was built for torch '
        f'{torch.__version__}, from where that torch came.'
    )


def test_the_stand_in_is_a_module_of_that_name():
    module = stand_in()
    assert module.__name__ == 'mmcv._ext' and not hasattr(module, '__file__')
    assert 'torchvision' in module.__doc__


def fresh(code, *paths, folder, options=(), has_line=True):
    """Run `code` as in an environment where the line is installed, or is not; its output."""
    (folder / 'site').mkdir()
    if has_line:
        (folder / 'site' / LINE.name).write_bytes(LINE.read_bytes())
    start = f'import site\nsite.addsitedir({str(folder / "site")!r})\n'
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, paths)), OMP_NUM_THREADS='1')
    done = subprocess.run(
        [sys.executable, *options, '-c', start + code],
        capture_output=True,
        text=True,
        env=env,
        cwd=folder,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_line_imports_nothing_until_it_is_asked(tmp_path):
    code = f"""
import sys, timeit
before = set(sys.modules)
line = compile(open({str(LINE)!r}).read(), 'line', 'exec')
exec(line)
import colorsys
print(sorted(set(sys.modules) - before))
print(min(timeit.repeat(lambda: exec(line), number=1, repeat=20)))
"""
    imported, seconds = fresh(code, ROOT, folder=tmp_path).splitlines()
    assert imported == "['colorsys']" and float(seconds) < 1e-3


def test_the_line_is_silent_where_the_package_is_gone(tmp_path):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text('')
    code = 'import importlib.util\nprint(importlib.util.find_spec("mmcv._ext"))'
    assert fresh(code, tmp_path, folder=tmp_path, options=('-S',)).split() == ['None']


@pytest.mark.slow
def test_a_program_that_imports_mmdet_first(tmp_path):
    """As in an environment with mmcv-lite: the installed mmcv less its compiled file."""
    lite = without_compiled(tmp_path / 'lite')
    code = """
import sys
from mmdet.apis import DetInferencer, init_detector
from mmcv import _ext
from mmcv.ops import batched_nms, get_compiler_version
from mmcv.utils.ext_loader import check_ops_exist
import mmcv, torch
assert 'lite' in mmcv.__file__ and check_ops_exist() and 'mmrobustprune' in sys.modules
assert 'mmrobustprune.engine' not in sys.modules
boxes = torch.tensor([[0., 0, 9, 9], [0, 0, 9, 8], [0, 0, 9, 9]])
options = dict(type='nms', iou_threshold=0.5)
print(batched_nms(boxes, torch.tensor([.7, .8, .9]), torch.tensor([0, 0, 1]), options)[1].tolist())
print(get_compiler_version())
"""
    found = fresh(code, lite, ROOT, folder=tmp_path).splitlines()
    assert found == ['[2, 1]', "none: mmrobustprune's operators stand in"]


@pytest.mark.slow
def test_a_program_that_imports_the_package_first(tmp_path):
    """From a checkout on the path alone, without the line."""
    lite = without_compiled(tmp_path / 'lite')
    code = """
import mmrobustprune
import torch
from mmcv.ops import deform_conv2d, get_compiler_version
images = torch.arange(4.).view(1, 1, 2, 2)
print(deform_conv2d(images, torch.zeros(1, 2, 2, 2), torch.ones(1, 1, 1, 1)).flatten().tolist())
print(get_compiler_version())
"""
    found = fresh(code, lite, ROOT, folder=tmp_path, has_line=False).splitlines()
    assert found == ['[0.0, 1.0, 2.0, 3.0]', "none: mmrobustprune's operators stand in"]
