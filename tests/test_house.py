"""House rules: who may import whom, what works without OpenMMLab, sizes, texts, names."""

import ast
import functools
import importlib
import inspect
import pkgutil
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'mmrobustprune'
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmpretrain'}
EVERYWHERE = {'', 'copies', 'flags', 'naming', 'rng', 'records', 'threads'}
CHANNELS = {'dependency', 'structure', 'scores', 'mask_search', 'cost', 'masks'}
MAY_IMPORT = {  # room -> the rooms of ours that it may import, beside itself and EVERYWHERE
    'copies': set(),
    'flags': set(),
    'naming': set(),
    'rng': set(),
    'records': set(),
    'threads': set(),
    'cli': set(),
    'console': {'doctor'},
    'doctor': {'compat'},
    'dependency': {'compat'},
    'structure': {'dependency'},
    'scores': {'dependency'},
    'mask_search': {'dependency'},
    'cost': {'dependency'},
    'masks': {'cost', 'dependency', 'structure'},
    'grouped_kernels': {'dependency', 'scores', 'structure'},
    'latency': {'cost', 'dependency', 'masks', 'structure'},
    'surgery': CHANNELS | {'grouped_kernels', 'latency'},
    'sharpness': set(),
    'attack': set(),
    'corruption': set(),
    'analysis': set(),
    'recipes': CHANNELS | {'grouped_kernels', 'latency', 'sharpness'},
    'report': {'corruption', 'cost', 'grouped_kernels', 'recipes'},
    'compat': set(),
    'registry': set(),
    'models': {'attack', 'compat', 'dependency', 'registry', 'structure'},
    'datasets': {'compat', 'registry'},
}
# A room of the engine may import all that is below the engine, and these rooms of it.
ENGINE = {
    'bridge': set(),
    'optim': set(),
    'resuming': {'bridge'},
    'pruning': {'bridge', 'optim'},
    'robustness': {'bridge'},
    'attacks': {'bridge'},
    'gradual': {'bridge', 'optim', 'pruning'},
    'grouped': {'bridge', 'optim', 'pruning'},
    'search': {'bridge', 'optim', 'pruning'},
    'runners': {'bridge', 'optim', 'resuming', 'robustness'},
    'analysis': {'attacks', 'bridge', 'pruning', 'robustness', 'search'},
    'deploy': {'bridge', 'grouped', 'pruning'},
    'probe': {'bridge'},  # names of the first version
    'phase_hook': {'gradual'},
    'coverage': {'bridge', 'deploy', 'runners'},
    'comparison': {'analysis', 'attacks', 'bridge', 'runners'},
}
OPENMMLAB_ROOMS = {'engine', 'models', 'datasets', 'registry'}
OPENMMLAB_FILES = {
    'compat/amp.py',
    'compat/fixes.py',
    'compat/loading.py',
    'compat/saving.py',
    'compat/operators/attention.py',
}
ANYWHERE = {
    'torch',
    'torchvision',
    'numpy',
    'scipy',
    'tqdm',
    'mmrobustprune',
    *sys.stdlib_module_names,
}
ONLY_IN = {  # third party -> the plain files or rooms that may import it
    'torch_pruning': {'dependency/tracing.py'},
    'imagecorruptions': {'corruption/functions/blur.py', 'corruption/functions/weather.py'},
    'pyautoattack': {'attack'},
    'matplotlib': {'report'},
    'rich': {'report'},
    'PIL': {'report', 'corruption'},
    'numba': {'corruption/functions/compiling.py'},
    'cv2': {'corruption'},
}
FOLDERS = ('mmrobustprune', 'tools', 'tests', 'configs', 'benchmarks', 'docs')
FILES = sorted(path for path in PACKAGE.rglob('*.py') if '.mim' not in path.parts)
TRACKED = [
    path
    for folder in FOLDERS
    for pattern in ('*.py', '*.sh')
    for path in sorted((ROOT / folder).rglob(pattern))
    if '.mim' not in path.parts
]
TOOLS = sorted((ROOT / 'tools').glob('*.py'))


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def parts_of(path: Path) -> tuple[str, ...]:
    """The dotted name of a file below the package: ('engine', 'bridge', 'runner')."""
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return parts[:-1] if parts[-1] == '__init__' else parts


def room_of(parts: tuple[str, ...]) -> str:
    """'' for the package's own face, 'engine' for the engine's, or 'engine.bridge'."""
    return '.'.join(parts[:2] if parts[:1] == ('engine',) else parts[:1])


def nodes(path: Path) -> list[ast.AST]:
    """Everything that a file says."""
    return list(ast.walk(ast.parse(path.read_text())))


@functools.cache
def imports(path: Path) -> set[str]:
    """Dotted names of every module that a file imports, wherever the import stands."""
    here = ('mmrobustprune', *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(here[: len(here) - node.level + 1]) if node.level else ''
            module = '.'.join(filter(None, (base, node.module)))
            found |= {f'{module}.{alias.name}' for alias in node.names}
    return found


def imported_rooms(path: Path) -> set[str]:
    """Rooms of ours that a file imports, its own aside."""
    ours = [name for name in imports(path) if name.partition('.')[0] == 'mmrobustprune']
    rooms = {room_of(tuple(name.split('.')[1:])) for name in ours} - {'__version__'}
    return rooms - {room_of(parts_of(path))}


def is_plain(path: Path) -> bool:
    top = parts_of(path)[:1]
    below = str(path.relative_to(PACKAGE))
    return not OPENMMLAB_ROOMS & set(top) and below not in OPENMMLAB_FILES


PLAIN_FILES = [path for path in FILES if is_plain(path)]


def test_every_room_is_known():
    rooms = {room_of(parts_of(path)) for path in FILES}
    assert rooms == {'', 'engine', *MAY_IMPORT, *(f'engine.{name}' for name in ENGINE)}


def test_no_two_rooms_import_each_other():
    arrows = {(room, other) for room, others in MAY_IMPORT.items() for other in others}
    arrows |= {(room, other) for room, others in ENGINE.items() for other in others}
    while True:  # until nothing more can be reached
        further = {(a, d) for a, b in arrows for c, d in arrows if b == c} - arrows
        if not further:
            break
        arrows |= further
    assert not [pair for pair in arrows if pair[0] == pair[1]]


def allowed_to(room: str) -> set[str]:
    """The rooms that one may import."""
    if room.startswith('engine.'):
        own = {f'engine.{name}' for name in ENGINE[room.partition('.')[2]]}
        return own | set(MAY_IMPORT) | EVERYWHERE
    return MAY_IMPORT[room] | EVERYWHERE


def test_rooms_import_what_they_may():
    """Faces (`__init__`) and imports inside functions count as all others do."""
    for path in FILES:
        own = room_of(parts_of(path))
        if own not in ('', 'engine'):
            assert imported_rooms(path) <= allowed_to(own), path


def test_plain_files_import_third_parties_where_they_may():
    for path in PLAIN_FILES:
        places = {*parts_of(path)[:1], str(path.relative_to(PACKAGE))}
        for top in {name.partition('.')[0] for name in imports(path)} - ANYWHERE:
            assert ONLY_IN.get(top, set()) & places, f'{top} in {path.relative_to(PACKAGE)}'


def test_the_package_itself_imports_plain_files_only():
    face = imports(PACKAGE / '__init__.py')
    assert face - {'sys'} == {'mmrobustprune.compat.extension', 'mmrobustprune.compat.onednn'}


def run(code: str) -> None:
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_plain_rooms_work_without_openmmlab():
    modules = ['.'.join(('mmrobustprune', *parts_of(path))) for path in PLAIN_FILES]
    run(
        'import importlib, sys\n'
        'class Blocker:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        f'        if name.partition(".")[0] in {OPENMMLAB!r}:\n'
        '            raise ModuleNotFoundError("blocked: " + name, name=name)\n'
        'sys.meta_path.insert(0, Blocker())\n'
        f'for name in {modules!r}:\n'
        '    importlib.import_module(name)\n'
        f'assert not set(sys.modules) & {OPENMMLAB!r}\n'
    )


def test_a_pruned_model_is_loaded_without_the_rest_of_the_house():
    """`init_detector` needs neither engine, report, corruption and attack, nor torch-pruning."""
    rest = tuple(f'mmrobustprune.{room}' for room in ('engine', 'report', 'corruption', 'attack'))
    run(
        'import sys\n'
        'import mmrobustprune.models.pruned\n'
        f'rest = {(*rest, "torch_pruning")!r}\n'
        'found = [name for name in sys.modules if name.startswith(rest)]\n'
        'assert not found, found\n'
    )


def test_folders_hold_at_most_15_files():
    counts = Counter(path.parent.relative_to(ROOT) for path in FILES)
    assert not {str(folder): count for folder, count in counts.items() if count > 15}


def test_no_two_classes_of_one_name():
    places = {}
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_every_file_has_tests_of_its_name():
    for path in FILES:
        if path.name != '__init__.py':
            below = path.relative_to(PACKAGE)
            tests = ROOT / 'tests' / below.parent / f'test_{below.name}'
            assert tests.is_file(), f'{below} has no {tests.relative_to(ROOT)}'


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_nested(node: ast.AST) -> bool:
    """A comprehension within a comprehension, or over two things."""
    if not isinstance(node, COMPREHENSIONS):
        return False
    inner = [one for one in ast.walk(node) if isinstance(one, COMPREHENSIONS)]
    return len(inner) > 1 or len(node.generators) > 1


def is_of_tuples(node: ast.AST) -> bool:
    """`a, b = x, y`: two statements in one."""
    assigns = isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
    return assigns and any(isinstance(target, ast.Tuple) for target in node.targets)


def test_no_comprehension_is_nested():
    for path in FILES:
        assert not [node.lineno for node in nodes(path) if is_nested(node)], path


def test_few_assignments_are_of_tuples():
    """Under 3 in 1,000 lines: a swap now and then."""
    texts = [path.read_text() for path in FILES]
    found = [sum(map(is_of_tuples, nodes(path))) for path in FILES]
    assert sum(found) < 3 * sum(text.count('\n') for text in texts) / 1000


def test_no_file_is_over_350_lines():
    for path in TRACKED:
        assert len(path.read_text().splitlines()) <= 350, path


@pytest.mark.parametrize('tool', TOOLS, ids=names(TOOLS))
def test_every_tool_explains_itself(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(tool), '--help'])
    monkeypatch.setattr(sys, 'path', sys.path.copy())
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(tool), run_name='__main__')
    said = capsys.readouterr().out
    assert end.value.code == 0 and 'xample' in said and f'tools/{tool.name}' in said


@pytest.mark.parametrize('tool', sorted((ROOT / 'tools').glob('*.sh')), ids=lambda path: path.name)
def test_every_shell_tool_says_its_usage(tool):
    head = tool.read_text().splitlines()[:8]
    assert head[0] == '#!/usr/bin/env bash'
    assert any(line.startswith('# Usage:') for line in head)
    assert subprocess.run(['bash', '-n', str(tool)]).returncode == 0


def faces() -> list[str]:
    found = pkgutil.walk_packages([str(PACKAGE)], 'mmrobustprune.')
    return ['mmrobustprune', *(info.name for info in found if info.ispkg)]


@pytest.mark.parametrize('module', faces())
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
