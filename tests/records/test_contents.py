"""Digests of files: always those of the bytes as they are, read once while nothing changes."""

import hashlib
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from mmrobustprune.records import contents
from mmrobustprune.records.contents import cache_folder, facts, file_digests, group_digest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('MMRP_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(contents, '_SETTLED', 0)  # files of this moment count as old ones
    return tmp_path / 'home'


@pytest.fixture
def files(tmp_path):
    paths = []
    for index in range(1200):  # more than one question of the database
        path = tmp_path / f'{index}.bin'
        path.write_bytes(index.to_bytes(2, 'big') * 10)
        paths.append(path)
    return paths


def blake2b(path):
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def counted(calls):
    lock = threading.Lock()

    def work(path):
        with lock:
            calls.append(path)
        return str(os.path.getsize(path))

    return work


def test_digests_are_those_of_the_bytes_the_second_time_too(files):
    expected = {str(path): blake2b(path) for path in files}
    assert file_digests(files) == expected == file_digests(files)


def test_only_what_has_changed_is_read_again(files):
    calls = []
    facts(files, 'size', counted(calls), 'reading')
    assert sorted(calls) == sorted(map(str, files))
    files[3].write_bytes(b'longer than it was before')
    del calls[:]
    found = facts(files, 'size', counted(calls), 'reading')
    assert (
        calls == [str(files[3])] and found[str(files[3])] == '25' and found[str(files[4])] == '20'
    )


def test_another_file_of_the_same_size_and_time_is_noticed(files):
    """As `cp -p` and `rsync -t` leave it."""
    before = os.stat(files[0])
    old = file_digests(files[:1])[str(files[0])]
    files[0].write_bytes(bytes(20)[:19] + b'x')
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(files[0])
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert file_digests(files[:1])[str(files[0])] == blake2b(files[0]) != old


def test_a_file_of_this_moment_is_not_trusted_yet(files, monkeypatch):
    """Within one tick of the clock it may change once more and look the same."""
    monkeypatch.setattr(contents, '_SETTLED', 10**12)
    calls = []
    for _ in range(2):
        facts(files[:1], 'size', counted(calls), 'reading')
    assert calls == [str(files[0])] * 2


def test_a_file_that_is_not_there_has_no_digest(tmp_path, files):
    gone = tmp_path / 'gone.png'
    assert file_digests([gone, files[0]]) == {str(gone): None, str(files[0]): blake2b(files[0])}
    gone.write_bytes(b'there now')
    assert file_digests([gone])[str(gone)] == blake2b(gone)


@pytest.mark.parametrize('damage', [b'no database at all', b''])
def test_a_damaged_memory_costs_time_and_is_begun_anew(files, home, damage):
    expected = file_digests(files[:5])
    (home / 'contents.sqlite').write_bytes(damage)
    calls = []
    assert file_digests(files[:5]) == expected == file_digests(files[:5])
    facts(files[:5], 'size', counted(calls), 'reading')
    facts(files[:5], 'size', counted(calls), 'reading')
    assert len(calls) == 5


def test_a_place_that_cannot_be_written_costs_time_alone(files, tmp_path, monkeypatch):
    (tmp_path / 'file').write_bytes(b'')
    monkeypatch.setenv('MMRP_HOME', str(tmp_path / 'file' / 'home'))
    assert file_digests(files[:2]) == {str(path): blake2b(path) for path in files[:2]}


def test_one_digest_of_many_files_goes_by_bytes_and_order(files, monkeypatch):
    first = group_digest(files)
    monkeypatch.setattr(contents, '_digest_of_file', None)  # nothing is read again
    assert group_digest(files) == first
    monkeypatch.undo()
    assert group_digest(files[::-1]) != first
    files[700].write_bytes(b'y' * 20)
    assert group_digest(files) != first


def test_the_memory_lies_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv('MMRP_HOME', '~/there')
    assert cache_folder() == tmp_path.home() / 'there'
    monkeypatch.delenv('MMRP_HOME')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert cache_folder() == tmp_path / 'mmrobustprune'


def test_a_user_without_a_home_has_no_memory(files, monkeypatch):
    """As in a container with a number for a user: no HOME, and nobody of that number is known."""
    for name in ('MMRP_HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, 'expanduser', lambda path: path)
    assert file_digests(files[:2]) == {str(path): blake2b(path) for path in files[:2]}
    assert not Path('~').exists() and not cache_folder().exists()


@pytest.mark.skipif(os.getuid() != 0, reason='a second user takes root')
def test_a_second_user_reads_what_the_first_remembers(monkeypatch):
    folder = Path(tempfile.mkdtemp(dir='/tmp'))
    folder.chmod(0o755)
    monkeypatch.setenv('MMRP_HOME', str(folder / 'home'))
    known = folder / 'known'
    new = folder / 'new'
    calls = []
    for path in (known, new):
        path.write_bytes(b'four')
    facts([known], 'size', counted(calls), 'reading')
    del calls[:]
    child = os.fork()
    if not child:  # it may read and not write
        try:
            os.setuid(65534)
            found = facts([known, new], 'size', counted(calls), 'reading')
            os._exit(found == {str(known): '4', str(new): '4'} and calls == [str(new)])
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    shutil.rmtree(folder)
    assert os.waitstatus_to_exitcode(status) == 1
