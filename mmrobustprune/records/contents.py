"""What files hold, remembered between runs, so that a large data set is read once."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from tqdm import tqdm

_FILE = 'contents.sqlite'
_LARGEST = 512 * 2**20  # bytes; then the memory is begun anew
_SETTLED = 2 * 10**9  # ns: a younger file may change once more and keep its size and time
_AT_ONCE = 500  # files per question or answer of the database
_THREADS = 8  # reading and hashing leave Python's lock
_TABLE = (
    'CREATE TABLE IF NOT EXISTS facts '
    '(fact TEXT, path TEXT, state TEXT, value TEXT, PRIMARY KEY (fact, path))'
)
Paths = Iterable[str | os.PathLike]


def cache_folder() -> Path:
    """MMRP_HOME, or this package's folder in the user's cache.

    For a user without a home, as in some containers, a place where nothing can be made.
    """
    given = os.environ.get('MMRP_HOME')
    if given:
        return Path(os.path.expanduser(given))
    home = os.path.expanduser('~')
    own = os.devnull if home == '~' else f'{home}/.cache'
    return Path(os.environ.get('XDG_CACHE_HOME') or own) / 'mmrobustprune'


def digest(data: bytes) -> str:
    """blake2b of 16 bytes in hexadecimal digits, as every digest of a file here."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_digests(paths: Paths) -> dict[str, str | None]:
    """Path -> digest of the file's bytes; None where it cannot be read."""
    return facts(paths, 'blake2b', _digest_of_file, 'reading files')


def group_digest(paths: Paths) -> str:
    """One digest of many files in their order, remembered as one.

    It costs a look at every file, and their bytes only where one of them changed.
    """
    paths = _absolute(paths)
    now = time.time_ns()
    states = [_state(path) for path in paths]
    name = digest('\n'.join(paths).encode())
    state = digest('\n'.join(map(str, states)).encode())
    known = _recall('group', [name]).get(name)
    if known is not None and known[0] == state:
        return known[1]
    found = digest(' '.join(map(str, _worked(paths, _digest_of_file, 'reading files'))).encode())
    if all(_is_settled(one, now) for one in states):
        _keep('group', {name: (state, found)})
    return found


def facts(
    paths: Paths, fact: str, work: Callable[[str], str | None], doing: str
) -> dict[str, str | None]:
    """A fact of every file, worked out where it is not known or the file has changed since.

    A file counts as unchanged while its size and its times of writing and of change are the same.

    Args:
        fact: its name among the remembered ones.
        work: path -> fact; None where there is none. Runs in threads.
        doing: for the progress bar, which is shown when it takes more than two seconds.
    Returns:
        By path, as given.
    """
    given = {os.fspath(path): os.path.abspath(path) for path in paths}
    wanted = list(dict.fromkeys(given.values()))
    now = time.time_ns()
    states = {path: _state(path) for path in wanted}
    found: dict[str, str | None] = {}
    for path, (state, value) in _recall(fact, wanted).items():
        if state == states[path]:
            found[path] = value
    missing = [path for path in wanted if path not in found]
    new: dict[str, tuple[str, str]] = {}
    for path, value in zip(missing, _worked(missing, work, doing), strict=True):
        found[path] = value
        if value is not None and _is_settled(states[path], now):
            new[path] = (states[path], value)
        if len(new) == _AT_ONCE:  # what is stopped later has not worked in vain
            _keep(fact, new)
            new = {}
    _keep(fact, new)
    return {name: found[path] for name, path in given.items()}


def _absolute(paths: Paths) -> list[str]:
    return [os.path.abspath(path) for path in paths]


def _digest_of_file(path: str) -> str | None:
    try:
        return digest(Path(path).read_bytes())
    except OSError:
        return None


def _state(path: str) -> str | None:
    """Size, time of writing and time of change (ns); a copied-over file may keep the first two."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return f'{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}'


def _is_settled(state: str | None, now: int) -> bool:
    """Whether a write right after `now` (ns), when it was looked at, would have another time."""
    if state is None:
        return False
    _, written, changed = map(int, state.split())
    return now - max(written, changed) > _SETTLED


def _worked(
    paths: Sequence[str], work: Callable[[str], str | None], doing: str
) -> Iterator[str | None]:
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from tqdm(
            pool.map(work, paths),
            doing,
            len(paths),
            unit='file',
            delay=2,
            leave=False,
            mininterval=0.1 if sys.stderr.isatty() else 30,
        )


@contextmanager
def _memory() -> Iterator[sqlite3.Connection]:
    path = cache_folder() / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LARGEST:
        path.unlink()
    with closing(sqlite3.connect(path, timeout=5)) as memory:
        memory.execute(_TABLE)
        yield memory


def _recall(fact: str, paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Path -> its state then, and its fact; nothing where the memory cannot be read."""
    found: dict[str, tuple[str, str]] = {}
    try:
        with _memory() as memory:
            for start in range(0, len(paths), _AT_ONCE):
                some = paths[start : start + _AT_ONCE]
                marks = ','.join('?' * len(some))
                rows = memory.execute(
                    f'SELECT path, state, value FROM facts WHERE fact = ? AND path IN ({marks})',
                    (fact, *some),
                )
                found |= {path: (state, value) for path, state, value in rows}
    except (sqlite3.Error, OSError):
        return {}  # a memory that fails costs time, never a result
    return found


def _keep(fact: str, new: Mapping[str, tuple[str, str]]) -> None:
    rows = [(fact, path, state, value) for path, (state, value) in new.items()]
    if not rows:
        return
    try:
        with _memory() as memory, memory:
            memory.executemany('INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)', rows)
    except sqlite3.OperationalError:
        pass  # locked by another process, or no place to write
    except sqlite3.DatabaseError:
        (cache_folder() / _FILE).unlink(missing_ok=True)  # damaged: begun anew by the next one
    except OSError:
        pass
