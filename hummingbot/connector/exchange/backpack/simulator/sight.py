"""Whether a mirrored exchange can be seen, told to the user once for each change."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

type Tell = Callable[[int, str], None]
"""Told the level (of `logging`) and the text of what a user should know."""


class Sight:
    """Sight of one source. Out of sight at first, which is the caller's to tell.

    Args:
        url: of the source, for the user.
        tell: hears each change.

    Attributes:
        reason: why it was out of sight last; empty if that never was found out.
    """

    def __init__(self, url: str, tell: Tell) -> None:
        self.reason = ""
        self._url = url
        self._tell = tell
        self._is_clear = asyncio.Event()
        self._lost_s: float | None = None
        self._was_seen = False

    def cloud(self) -> None:
        """Not everything can be seen for a moment, as while a market is being added."""
        self._is_clear.clear()

    def lose(self, reason: str) -> None:
        """The source is out of sight."""
        self.reason = reason
        self._is_clear.clear()
        if self._was_seen and self._lost_s is None:
            self._lost_s = time.monotonic()
            self._tell(
                logging.WARNING,
                f"The live market is out of sight ({reason}): nothing is filled until it is back.",
            )

    def regain(self) -> None:
        """Everything can be seen."""
        self._is_clear.set()
        lost_s, self._lost_s = self._lost_s, None
        if not self._was_seen:
            self._was_seen = True
            self._tell(logging.INFO, f"The live market at {self._url} is in sight.")
        elif lost_s is not None:
            lasted_s = time.monotonic() - lost_s
            self._tell(logging.INFO, f"The live market is back in sight after {lasted_s:.1f} s.")

    async def wait(self, patience_s: float) -> bool:
        """Wait until everything can be seen; whether it can."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_clear.wait(), patience_s)
        return self._is_clear.is_set()
