"""One process at a time on one piece of work, among machines that share a folder and no server."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from .files import write_json

STALE = 600.0  # seconds without a sign of life
BEAT = 30.0  # seconds between two signs


class Lock:
    """A file that says who works on something; its time of writing is renewed while they live.

    A lock is stale, and goes to whoever asks next, where its process is gone from this machine, or
    where it gave no sign of life for `stale` seconds by the clock of the shared disk.

    Args:
        path: of the file; its folder is made.
        stale, beat: seconds.
    Attributes:
        held: whether it is ours, as far as we know.
    """

    def __init__(self, path: str | os.PathLike, stale: float = STALE, beat: float = BEAT) -> None:
        self.path = Path(path)
        self.stale = stale
        self.beat = beat
        self.held = False
        self._owner = dict(_here(), token=uuid.uuid4().hex)
        self._done = threading.Event()

    def take(self) -> bool:
        """Try to get it; False where somebody else has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.held = self._create(self.path) or self._take_over()
        if self.held:
            self._done.clear()
            threading.Thread(target=self._live, daemon=True).start()
        return self.held

    def release(self) -> None:
        """Give it back, where it is still ours."""
        self._done.set()
        with suppress(OSError):  # a share that is away: our process ends, and the lock is stale
            if self.is_ours():
                self.path.unlink(missing_ok=True)
        self.held = False

    def owner(self) -> dict[str, Any]:
        """Host, process and token of who has it; empty where nobody has."""
        try:
            return json.loads(self.path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return {}
        except ValueError:  # killed while it was written
            return dict(host='unknown')

    def is_ours(self) -> bool:
        """Whether nobody took it over, as after a machine slept."""
        return self.owner().get('token') == self._owner['token']

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.held:
            self.release()

    def _create(self, path: Path) -> bool:
        """Write a file of ours where there is none; only one of several writers succeeds."""
        try:
            with open(path, 'x', encoding='utf-8') as file:
                json.dump(self._owner, file)
        except FileExistsError:
            return False
        return True

    def _take_over(self) -> bool:
        """Replace a stale lock; who does it holds a second file for that moment."""
        if not self._is_stale(self.path, self.owner()):
            return False
        guard = self.path.with_name(f'{self.path.name}.takeover')
        if not self._create(guard):
            if self._age(guard) > self.stale:  # killed in that moment
                guard.unlink(missing_ok=True)
            return False
        try:
            if not self._is_stale(self.path, self.owner()):
                return False
            write_json(self.path, self._owner)
            return True
        finally:
            guard.unlink(missing_ok=True)

    def _is_stale(self, path: Path, owner: dict[str, Any]) -> bool:
        if not owner:
            return True
        here = _here()
        own_machine = all(owner.get(key) == here[key] for key in ('host', 'machine'))
        if own_machine and not _is_alive(owner.get('process')):
            return True
        return self._age(path) > self.stale

    def _age(self, path: Path) -> float:
        """Seconds since a file was written, by the clock of the disk it lies on."""
        probe = self.path.with_name(f'{self.path.name}.{self._owner["token"]}')
        try:
            probe.touch()
            return probe.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return float('inf')
        finally:
            probe.unlink(missing_ok=True)

    def _live(self) -> None:
        while not self._done.wait(self.beat):
            with suppress(OSError):  # a share that is away for a moment
                if self.path.parent.is_dir() and not self.is_ours():
                    self.held = False
                    return
                os.utime(self.path)


def _here() -> dict[str, Any]:
    """This process: host, process number, and what tells its machine and container apart."""
    marks = []
    with suppress(OSError):
        marks.append(Path('/proc/sys/kernel/random/boot_id').read_text().strip())
        marks.append(os.readlink('/proc/self/ns/pid'))
    return dict(host=socket.gethostname(), process=os.getpid(), machine=' '.join(marks))


def _is_alive(process: Any) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except PermissionError:  # of another user
        return True
    return True
