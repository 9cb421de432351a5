"""Ends what a demo has left running, however the demo itself ended.

``python -m hummingbot_backpack.demo_guard HOME`` waits until its standard input ends, which is when
the demo closes it or is gone, killed even. Then it ends every Hummingbot and local exchange that
runs in that home; after an orderly demo there is none.
"""

import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped] # comes with Hummingbot, without types

COMMAND = "hummingbot_backpack.hbot"
ENGINE = "hummingbot.cli.engine"
HISTORY = "hummingbot_backpack.demo_history"
SIMULATOR = "hummingbot.connector.exchange.backpack.simulator"

# The bot cancels its orders when it is told to end, for which the exchange is still needed.
_STAGES = (
    ((COMMAND, HISTORY), 5.0),
    ((ENGINE,), 30.0),
    ((SIMULATOR,), 5.0),
)
_MOST_ROUNDS = 5


def main() -> int:
    """Wait for the end of the demo, then tidy up; returns 0."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_all(Path(sys.argv[1]))
    return 0


def end_all(home: Path) -> None:
    """End the demo's processes in `home`, first asking and then not, in order.

    Args:
        home: absolute, links resolved. Processes of other homes, and other programs that happen to
            run in this folder, are not touched.
    """
    for modules, patience_s in _STAGES:
        # More than once: a command may have started a bot just before it was ended.
        for _ in range(_MOST_ROUNDS):
            found = _running(home, modules)
            if not found:
                break
            for process in found:
                _quietly(process.terminate)
            _, left = psutil.wait_procs(found, timeout=patience_s)
            for process in left:
                _quietly(process.kill)
            psutil.wait_procs(left, timeout=patience_s)


def _running(home: Path, modules: tuple[str, ...]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if (
                command[1:2] == ["-m"]
                and command[2] in modules
                and Path(process.cwd()) == home
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except (psutil.Error, OSError, IndexError):
            continue  # ended meanwhile, or somebody else's
    return found


def _quietly(action: Callable[[], object]) -> None:
    with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
        action()


if __name__ == "__main__":
    sys.exit(main())
