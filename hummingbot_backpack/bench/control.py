"""Starts the server and tells it what to do."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import msgspec

_LONGEST_LINE = 1 << 26


class Control:
    """The server's commands, from the process that is measured.

    Args:
        reader: of the control connection.
        writer: of the control connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Open the control connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=_LONGEST_LINE))

    async def ask(self, command: str, *arguments: object) -> Any:  # noqa: ANN401 (any JSON)
        """Have one command of `server.Exchange` carried out; its result."""
        self._writer.write(msgspec.json.encode([command, *arguments]) + b"\n")
        return msgspec.json.decode(await self._reader.readline())

    async def close(self) -> None:
        """Close the control connection."""
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def server(markets: int, round_trip_ms: float = 0.0) -> AsyncIterator[tuple[int, int]]:
    """A server in a process of its own.

    Yields:
        Port of the wire protocol, and port of the commands.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hummingbot_backpack.bench.server",
        str(markets),
        str(round_trip_ms),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 (it is a pipe)
        wire, control = (await process.stdout.readline()).split()
        yield int(wire), int(control)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
