"""House rules: who may import whom, what works without OpenMMLab, sizes, help texts, documented names."""
import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'mmrobustprune'
OPENMMLAB_ROOMS = {'engine', 'models', 'datasets'}
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmpretrain'}
MAY_IMPORT = {  # plain room -> what of ours it may import (a room, or one file of it)
    'sharpness': set(),
    'scores': {'surgery.groups'},
    'masks': {'surgery.groups', 'surgery.structure', 'scores'},
    'surgery': {'scores', 'masks'},
    'attack': set(),
    'corruption': set(),
    'analysis': {'surgery', 'scores', 'masks', 'sharpness'},
    'report': {'surgery', 'corruption'},
}
ANYWHERE = {'torch', 'torchvision', 'numpy', 'scipy', 'tqdm', 'mmrobustprune', *sys.stdlib_module_names}
ONLY_IN = {  # third party -> the plain files or rooms that may import it
    'torch_pruning': {'surgery/tracing.py'},
    'imagecorruptions': {'corruption/functions.py'},
    'pyautoattack': {'attack'},
    'matplotlib': {'report'},
    'rich': {'report'},
    'PIL': {'report', 'corruption'},
    'numba': {'corruption/kernels.py'},
    'cv2': {'corruption'},
}
FILES = sorted(PACKAGE.rglob('*.py'))
TRACKED = [path for folder in ('mmrobustprune', 'tools', 'tests', 'configs', 'benchmarks', 'docs')
           for pattern in ('*.py', '*.sh') for path in sorted((ROOT / folder).rglob(pattern))
           if '.mim' not in path.parts]
TOOLS = sorted((ROOT / 'tools').glob('*.py'))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ''


def imports(path: Path) -> set[str]:
    """Dotted names of every module that a file imports, relative ones resolved, wherever they stand."""
    here = ('mmrobustprune', *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(here[:len(here) - node.level + 1]) if node.level else ''
            module = '.'.join(filter(None, (base, node.module)))
            found |= {f'{module}.{alias.name}' for alias in node.names}
    return found


PLAIN_FILES = [path for path in FILES if room(path) in MAY_IMPORT]


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_every_room_is_known():
    rooms = {room(path) for path in FILES}
    assert rooms <= {'', *MAY_IMPORT, *OPENMMLAB_ROOMS}


@pytest.mark.parametrize('path', PLAIN_FILES, ids=names(PLAIN_FILES))
def test_plain_rooms_import_what_they_may(path):
    own = room(path)
    allowed = {f'mmrobustprune.{name}' for name in ('__version__', 'naming', own, *MAY_IMPORT[own])}
    for name in imports(path):
        top = name.partition('.')[0]
        if top == 'mmrobustprune':
            assert any(f'{name}.'.startswith(f'{prefix}.') for prefix in allowed), name
        elif top not in ANYWHERE:
            places = ONLY_IN.get(top, set())
            assert {own, str(path.relative_to(PACKAGE))} & places, f'{top} in {own}'


def test_the_package_itself_imports_plain_rooms_only():
    for name in imports(PACKAGE / '__init__.py'):
        parts = name.split('.')
        assert parts[0] not in OPENMMLAB and not (parts[0] == 'mmrobustprune' and parts[1] in OPENMMLAB_ROOMS), name


BLOCKED = f'''
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {OPENMMLAB!r}:
            raise ModuleNotFoundError('blocked: ' + name, name=name)
sys.meta_path.insert(0, Blocker())
import importlib
for name in {sorted(str(path.relative_to(ROOT).with_suffix('')).replace('/', '.').removesuffix('.__init__')
                    for path in [PACKAGE / '__init__.py', *PLAIN_FILES])!r}:
    importlib.import_module(name)
assert not set(sys.modules) & {OPENMMLAB!r}
'''


def test_plain_rooms_work_without_openmmlab():
    done = subprocess.run([sys.executable, '-c', BLOCKED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('path', TRACKED, ids=names(TRACKED))
def test_no_file_is_over_350_lines(path):
    assert len(path.read_text().splitlines()) <= 350


@pytest.mark.parametrize('tool', TOOLS, ids=names(TOOLS))
def test_every_tool_explains_itself(tool):
    done = subprocess.run([sys.executable, str(tool), '--help'], cwd=ROOT, capture_output=True, text=True,
                          env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin', 'HOME': str(Path.home())})
    assert done.returncode == 0, done.stderr
    assert 'xample' in done.stdout and f'tools/{tool.name}' in done.stdout


@pytest.mark.parametrize('tool', sorted((ROOT / 'tools').glob('*.sh')), ids=lambda path: path.name)
def test_every_shell_tool_says_its_usage(tool):
    head = tool.read_text().splitlines()[:8]
    assert head[0] == '#!/usr/bin/env bash' and any(line.startswith('# Usage:') for line in head)
    assert subprocess.run(['bash', '-n', str(tool)]).returncode == 0


def public_names():
    found = []
    for info in pkgutil.walk_packages([str(PACKAGE)], 'mmrobustprune.'):
        if info.ispkg:
            found.append(info.name)
    return ['mmrobustprune', *found]


@pytest.mark.parametrize('module', public_names())
def test_public_names_are_documented(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__, f'{module} has no docstring'
    for name in getattr(loaded, '__all__', ()):
        value = getattr(loaded, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f'{module}.{name} has no docstring'


def test_configs_are_reachable_as_package_data():
    link = PACKAGE / '.mim' / 'configs'
    assert link.is_dir() and (link / 'recipes' / 'adasap.py').is_file()
    assert not link.is_symlink() or not Path(link.readlink()).is_absolute()
