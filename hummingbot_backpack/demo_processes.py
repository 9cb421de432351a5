"""The processes of a demo: the local exchange, hbot commands, the bot, and the guard over them.

Each runs in a session of its own, so that Ctrl-C in a terminal reaches the demo alone, which then
ends them in order.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hummingbot_backpack import demo_guard

_READY_WITHIN_S = 30.0
_END_WITHIN_S = 5.0
_COMMAND_WITHIN_S = 180.0
_SNAPSHOT_WITHIN_S = 5.0
_LAST_LINES = 12


class DemoError(Exception):
    """The demo cannot go on; the message is for a person and says why."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What the local exchange says when it runs; keys stay out of every text."""

    rest: str
    ws: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)


class LocalExchange:
    """The local exchange as a process.

    Args:
        arguments: of its command line.
        home: working directory, by which the guard knows it.
        log: file for what it logs.
    """

    def __init__(self, arguments: Sequence[str], home: Path, log: Path) -> None:
        self._arguments = arguments
        self._home = home
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Ready:
        """Start it and wait until it can be used.

        Raises:
            DemoError: it did not start; the message has its reason.
        """
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", demo_guard.SIMULATOR, *self._arguments),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        stdout = self._process.stdout
        line = b""
        if stdout is not None:
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(stdout.readline(), _READY_WITHIN_S)
        try:
            return Ready(**json.loads(line))
        except (ValueError, TypeError):
            said = self._log.read_text(errors="replace").strip().splitlines()
            reason = said[-1].rpartition(": error: ")[2] if said else "it says nothing"
            raise DemoError(f"The local exchange did not start: {reason}") from None

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> None:
        """End it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


class Hbot:
    """Hummingbot's own command line in a home, and the bot that it starts.

    Args:
        home: prepared Hummingbot home.
        environment: of the commands, with the password of the key store.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment

    async def run(self, *arguments: str, text: str = "", module: str = demo_guard.COMMAND) -> str:
        """Run one command and return what it prints.

        Args:
            arguments: command and its arguments.
            text: its standard input; secrets go this way.
            module: what to run in place of hbot.

        Raises:
            DemoError: it failed; the message ends with what it said.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=self._home,
            env=dict(self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            output, errors = await asyncio.wait_for(
                process.communicate(text.encode()), _COMMAND_WITHIN_S
            )
        except TimeoutError:
            process.kill()
            await process.wait()
            raise DemoError(
                f"hbot {arguments[0]} did not end within {_COMMAND_WITHIN_S:g} s."
            ) from None
        if process.returncode:
            said = (errors or output).decode(errors="replace").strip().splitlines()
            raise DemoError(f"hbot {arguments[0]} failed: " + "\n".join(said[-_LAST_LINES:]))
        return output.decode()

    async def start(self, config: str) -> None:
        """Start the bot with a configuration of ``conf/scripts``.

        Raises:
            DemoError: it did not start.
        """
        await self.run("start", config)

    def pid(self) -> int | None:
        """Process id of the running bot; ``None`` if it has ended."""
        try:
            pid = int((self._home / "data/bot/bot.pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    async def snapshot(self) -> dict[str, Any]:
        """What the bot says of itself now, as ``hbot status`` asks it; empty without an answer."""
        pid, asked_s = self.pid(), time.time()
        if pid is None:
            return {}
        # What `hbot status` does, without the second that starting it takes.
        os.kill(pid, signal.SIGUSR1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SNAPSHOT_WITHIN_S):
                while True:
                    await asyncio.sleep(0.05)
                    status = self._read_status()
                    if status.get("updated_at", 0) >= asked_s:
                        return status
        return {}

    async def stop(self) -> bool:
        """Stop the bot, which cancels its orders; whether it ended by itself when asked.

        Raises:
            DemoError: there is no bot to stop.
        """
        record = json.loads(await self.run("stop", "--force", "--json"))
        return not record.get("killed")

    @property
    def _status(self) -> Path:
        return self._home / "data/bot/status.json"

    def _read_status(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._status.read_text())
        except (OSError, ValueError):
            return {}
        return content


@contextlib.contextmanager
def guarded(home: Path) -> Iterator[None]:
    """Have nothing left running in a home at the end, even if this process is killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "hummingbot_backpack.demo_guard", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):
        yield  # leaving the block closes its input and waits for it
