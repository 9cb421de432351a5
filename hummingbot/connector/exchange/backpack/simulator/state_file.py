"""The file in which an exchange's funds, orders and fills outlive it.

Replaced as a whole, so that a crash leaves the old one or the new one. No key and no secret is in
it; only its owner may read it, because it tells what somebody holds.
"""

import contextlib
import fcntl
import os
import tempfile
import threading
from pathlib import Path

import msgspec

from .state import EngineState, check

_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, ArithmeticError)


def encode(state: EngineState) -> bytes:
    """The content of the file: JSON, for people to look into."""
    return msgspec.json.format(msgspec.json.encode(state), indent=1)


class StateFileError(ValueError):
    """The file cannot be used; the text says why and what to do."""


class StateFile:
    """One file, held by one exchange at a time.

    Args:
        path: need not exist yet; its folder is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self._lock: int | None = None
        self._writing = threading.Lock()
        self._written = 0

    def read(self) -> EngineState | None:
        """What was saved, ``None`` if nothing ever was.

        Raises:
            StateFileError: the file is damaged or cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as e:
            raise StateFileError(f"{self.path} cannot be read: {e.strerror or e}") from e
        try:
            state = msgspec.json.decode(content, type=EngineState)
            check(state)
        except _UNREADABLE as e:
            raise StateFileError(
                f"{self.path} is damaged ({e}). Delete it to start with new balances."
            ) from e
        return state

    def write(self, content: bytes, number: int) -> None:
        """Save what `encode` gave, whole or not at all.

        May be called from any thread; what is older (has a lower number) than the file is dropped.

        Raises:
            StateFileError: the file cannot be written; the old one is as it was.
        """
        try:
            with self._writing:
                if number > self._written:
                    self._replace(content)
                    self._written = number
        except OSError as e:
            raise StateFileError(f"{self.path} cannot be written: {e.strerror or e}") from e

    def acquire(self) -> None:
        """Keep other exchanges off the file: they would overwrite each other's orders.

        Raises:
            StateFileError: another one has it, or it cannot be written.
        """
        lock_path = self.path.with_name(f"{self.path.name}.lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StateFileError(f"{lock_path} cannot be written: {e.strerror or e}") from e
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(lock)
            raise StateFileError(
                f"{self.path} is in use by another running demo. Stop that one, or name another "
                "file."
            ) from e
        self._lock = lock

    def release(self) -> None:
        """Let others have the file."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)  # the lock goes with its last descriptor; the file of the lock stays

    def _replace(self, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
