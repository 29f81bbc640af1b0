"""Who gets a lock, and when somebody else's is taken over."""

import json
import os
import subprocess
import sys
import time

import pytest

from mmrobustprune.records.lock import Lock


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'locks' / 'adasap-seed0.lock'


def age(path, seconds):
    """Let the last sign of life of a lock be so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def held_elsewhere(path, **changes):
    """A lock of another machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(host='other', process=1, machine='x', token='y') | changes))


def test_one_of_two_gets_it_and_the_other_after_its_release(path):
    first = Lock(path)
    second = Lock(path)
    assert first.take() and not second.take()
    assert first.owner()['process'] == os.getpid() and first.is_ours() and not second.is_ours()
    first.release()
    assert not path.exists() and second.take()
    with second:
        pass
    assert not second.held and list(path.parent.iterdir()) == []


def test_a_lock_of_another_machine_is_taken_over_after_its_time_alone(path):
    held_elsewhere(path)
    assert not Lock(path, stale=60).take()
    age(path, 61)
    lock = Lock(path, stale=60)
    assert lock.take() and lock.owner()['host'] != 'other'
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    lock.release()


def test_a_dead_process_of_this_machine_holds_nothing(path):
    own = Lock(path)
    assert own.take()
    done = subprocess.Popen([sys.executable, '-c', ''])
    done.wait()
    path.write_text(json.dumps(own.owner() | dict(process=done.pid, token='z')))
    assert not own.is_ours()
    other = Lock(path)
    assert other.take()
    own.release()  # no longer ours: it stays
    assert path.exists() and other.is_ours()
    other.release()


def test_only_one_takes_a_stale_lock_over(path):
    held_elsewhere(path)
    age(path, 1000)
    guard = path.with_name(f'{path.name}.takeover')
    held_elsewhere(guard)
    assert not Lock(path).take()  # somebody is about to
    age(guard, 1000)
    assert not Lock(path).take() and not guard.exists()  # who was about to was killed
    lock = Lock(path)
    assert lock.take()
    lock.release()


def test_signs_of_life_are_given_until_it_was_taken_over(path):
    lock = Lock(path, stale=60, beat=0.01)
    assert lock.take()
    age(path, 50)
    deadline = time.monotonic() + 10
    while time.time() - path.stat().st_mtime > 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.time() - path.stat().st_mtime < 40
    held_elsewhere(path)
    while lock.held and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not lock.held


def test_a_lock_that_was_cut_short_is_somebodys(path):
    path.parent.mkdir()
    path.write_text('{"host"')
    assert not Lock(path).take() and Lock(path).owner() == dict(host='unknown')


def test_a_share_that_is_away_for_a_moment_ends_no_sign_of_life(path, monkeypatch):
    lock = Lock(path, stale=60, beat=0.01)
    assert lock.take()
    owner = lock.owner
    calls = []

    def away():
        calls.append(1)
        if len(calls) < 3:
            raise OSError(116, 'Stale file handle')
        return owner()

    monkeypatch.setattr(lock, 'owner', away)
    deadline = time.monotonic() + 10
    while len(calls) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    age(path, 50)
    while time.time() - path.stat().st_mtime > 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lock.held and time.time() - path.stat().st_mtime < 40
    lock.release()
    assert not path.exists()
