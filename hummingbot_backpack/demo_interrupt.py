"""Ctrl-C and its relatives, noted and not thrown: a demo is ended in order."""

import contextlib
import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Any, Self

INTERRUPTED = 130  # the exit code that shells give to a command ended by Ctrl-C

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """While it is entered, the signals that end a program only set `requested`."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        text = "Stopping already; this takes some seconds." if self.requested else "Stopping early."
        self.requested = True
        # Not print: the signal may have come in the middle of one.
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), f"\n{text}\n".encode())
