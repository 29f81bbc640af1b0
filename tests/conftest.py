"""Threads, shared data, and a time budget for the slow tests.

Slow tests run while `--slow-budget` seconds (environment: MMRP_SLOW_BUDGET, default 30) last, those
unrun for longest first; the rest are skipped and named at the end, and come first the next time.
One whose last run was longer than what is left of the budget waits, except as the first; what never
ran takes the `seconds` of its mark, and shorter ones come before longer ones. When tests are chosen
on the command line (a path, -k, -m), all that are chosen run. The times are kept in MMRP_HOME
(default ~/.cache/mmrobustprune). Property tests draw the same examples in every run;
HYPOTHESIS_PROFILE=default draws others each time.
"""

import gc
import json
import os
import time
from contextlib import suppress
from pathlib import Path

for _name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ.setdefault(_name, '1')  # before torch: two cores and worker processes

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402

import mmrobustprune  # noqa: E402, F401  before a test imports mmcv.ops

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / 'shared' / 'data'
_cache = os.environ.get('XDG_CACHE_HOME', '~/.cache')
RECORD = (
    Path(os.environ.get('MMRP_HOME', f'{_cache}/mmrobustprune')).expanduser() / 'slow_tests.json'
)

settings.register_profile('same', derandomize=True)  # what a run finds, every run finds
settings.load_profile(
    os.environ.get('HYPOTHESIS_PROFILE', 'same')
)  # 'default' looks elsewhere each time


def pytest_addoption(parser):
    parser.addoption(
        '--slow-budget',
        type=float,
        default=float(os.environ.get('MMRP_SLOW_BUDGET', 30)),
        help='seconds for the tests marked slow (default: MMRP_SLOW_BUDGET or 30)',
    )


def pytest_configure(config):
    config.pluginmanager.register(SlowTests(config), 'slow-tests')


def pytest_collection_finish():
    """Set aside what the imports made: mmengine looks for garbage whenever it makes a data set."""
    gc.collect()
    gc.freeze()


class SlowTests:
    """Runs slow tests within a budget and remembers when each ran last."""

    def __init__(self, config):
        chosen = (
            config.args_source is pytest.Config.ArgsSource.ARGS
            or config.option.keyword
            or config.option.markexpr
        )
        self.budget = float('inf') if chosen else config.option.slow_budget
        self.config = config
        self.record = _read(RECORD)
        self.spent = 0.0
        self.left_out = []

    def pytest_collection_modifyitems(self, items):
        slow = [item for item in items if item.get_closest_marker('slow')]
        quick = [item for item in items if not item.get_closest_marker('slow')]
        items[:] = quick + sorted(slow, key=self.last)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if not item.get_closest_marker('slow'):
            return (yield)
        start = time.monotonic()
        done = yield
        seconds = time.monotonic() - start
        self.spent += seconds
        if item.nodeid not in self.left_out:
            self.record = _read(RECORD) | {item.nodeid: [time.time(), seconds]}
            _write(RECORD, self.record)
        return done

    def pytest_runtest_setup(self, item):
        if (
            item.get_closest_marker('slow')
            and self.spent
            and self.spent + self.last(item)[1] >= self.budget
        ):
            self.left_out.append(item.nodeid)
            pytest.skip(f'the {self.budget:.0f} s for slow tests are used up')

    def last(self, item):
        """When a test ended last, and how long it took; before that 0 and what its mark says."""
        known = self.record.get(item.nodeid)
        if isinstance(known, list):  # earlier versions kept the time alone
            return tuple(known)
        return known or 0, item.get_closest_marker('slow').kwargs.get('seconds', 0)

    def pytest_sessionfinish(self):
        if hasattr(self.config, 'workeroutput'):  # one of several processes
            self.config.workeroutput['left_out'] = self.left_out

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.left_out += getattr(node, 'workeroutput', {}).get('left_out', [])

    def pytest_terminal_summary(self, terminalreporter):
        if self.left_out:
            terminalreporter.section('slow tests left out this time, first the next time')
            for name in self.left_out:
                terminalreporter.write_line(name)


def _read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _write(path, record):
    part = path.with_name(f'{path.name}.{os.getpid()}')
    with suppress(OSError):  # another user's folder
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(record, indent=1))
        part.replace(path)


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of real data beside the project; without it the tests that need it are skipped."""
    if not DATA.is_dir():
        pytest.skip(f'{DATA} is not there')
    return DATA


def _same_scope():
    """Leave mmengine's default scope as it was: names without one must not depend on the order."""
    known = DefaultScope._instance_dict
    before = known.copy()
    yield
    known.clear()
    known.update(before)


_of_a_module = pytest.fixture(scope='module', autouse=True)(_same_scope)
_of_a_test = pytest.fixture(autouse=True)(_same_scope)
