"""Lets an exchange outlive its process: reads its state file at the start, writes it now and then.

What is kept is `state`'s, how it is written `state_file`'s.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from .engine import Engine
from .events import BalanceEvent, EngineEvent, OrderEvent
from .sight import Tell
from .state import AccountState, open_orders
from .state_file import StateFile, StateFileError, encode

_SAVE_EVERY_S: Final = 2.0


class Memory:
    """The state of some accounts in a file.

    Args:
        engine: has the accounts.
        account_ids: whose state is kept; others that the file names stay in it as they are.
        path: the file.
        tell: hears what a user should know.

    Raises:
        StateFileError: the file is damaged or cannot be read.
    """

    def __init__(
        self,
        engine: Engine,
        account_ids: Sequence[str],
        path: Path,
        tell: Tell,
    ) -> None:
        self._engine = engine
        self._account_ids = account_ids
        self._file = StateFile(path)
        self._tell = tell
        self._others: list[AccountState] = []
        self._has_changed = False
        self._is_failing = False
        self._saves = 0
        self._has_recalled = False
        self._is_open = False
        self._saver: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()
        self._file.read()  # what is wrong with it is better known now than when it is needed
        engine.subscribe(self._on_event)

    def open(self) -> None:
        """Take the file and give the accounts what they had.

        Raises:
            StateFileError: it is damaged, cannot be read, or another exchange has it.
        """
        self._file.acquire()
        self._is_open, self._is_closing = True, asyncio.Event()
        if self._has_recalled:
            return
        self._has_recalled = True
        state = self._file.read()
        if state is not None:
            self._engine.restore(state)
            ours = [kept for kept in state.accounts if kept.name in self._account_ids]
            self._others = [kept for kept in state.accounts if kept not in ours]
            orders = sum(len(list(open_orders(kept))) for kept in ours)
            self._tell(
                logging.INFO,
                f"Balances and {orders} open orders are those of {self._file.path}.",
            )
        self._has_changed = state is None

    def start(self) -> None:
        """Save now and then, when something has changed."""
        self._saver = asyncio.create_task(self._save_for_ever())

    async def close(self) -> None:
        """Save for the last time and let others have the file. Does nothing if not open."""
        self._is_closing.set()
        if self._saver is not None:
            await self._saver
            self._saver = None
        if self._is_open:
            self._is_open = False
            await self._save()
        self._file.release()

    async def _save_for_ever(self) -> None:
        while not self._is_closing.is_set():
            await self._save()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_closing.wait(), _SAVE_EVERY_S)

    def save(self) -> None:
        """Save now, if anything has changed: for a process that ends without `close`."""
        if self._is_open and self._has_changed:
            try:
                self._file.write(*self._content())
            except StateFileError as e:
                self._fail(e)
            else:
                self._is_failing = False

    async def _save(self) -> None:
        if self._has_changed:
            try:
                # Encoded here, before anything in it changes; written there: that may take long.
                await asyncio.to_thread(self._file.write, *self._content())
            except StateFileError as e:
                self._fail(e)
            except asyncio.CancelledError:
                self._has_changed = True  # perhaps it is not written: the last `save` does it
                raise
            else:
                self._is_failing = False

    def _content(self) -> tuple[bytes, int]:
        self._has_changed = False
        self._saves += 1
        state = self._engine.state(self._account_ids)
        state = msgspec.structs.replace(state, accounts=[*state.accounts, *self._others])
        return encode(state), self._saves

    def _fail(self, error: StateFileError) -> None:
        """Tell of the first failure; until one succeeds the others are the same to the user."""
        self._has_changed = True
        if not self._is_failing:
            self._is_failing = True
            self._tell(logging.ERROR, f"The state of the demo is not saved: {error}")

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case OrderEvent():
                self._has_changed = True
            case BalanceEvent():
                self._has_changed = True
