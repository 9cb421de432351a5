"""A bot that trades while everything goes wrong, and a comparison of both sides at the end.

``scripts/soak`` and ``python -m hummingbot_backpack.soak`` are the same. This module is the command
line; ``soak_run`` is what happens.
"""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hummingbot_backpack import overlay

_LONGEST_MINUTES = 24 * 60
_MOST_PAIRS = 10

_DESCRIPTION = """\
Trade on an exchange on this computer while faults strike, and check that nothing was lost.

Starts the local exchange in a process of its own and a real connector on Hummingbot's clock. The
connector places and cancels orders at random on several pairs, and every few seconds something goes
wrong: requests are lost or answered late, connections are cut, frames are skipped, the exchange is
down, in maintenance or has the wrong time. Books are compared with the exchange's own all the time.
At the end faults are lifted and both sides are compared: orders, fills, fees, balances, events.
"""

_EPILOG = """\
The same seed draws the same market, faults and decisions; what comes when depends on the computer.
Reconnects wait at most 4 s here instead of 60 s, so that there is something to see in between.

Ctrl-C ends it early, with the same comparison. The exit code is 0 when everything agrees, 1 when
not (it then says what, and keeps its folder with the logs), 2 when it could not run.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose.

    Attributes:
        minutes: how long faults strike.
        seed: of market, faults and decisions.
        pairs: how many are traded.
        messages_per_second: of all order books together.
        actions_per_second: orders and cancellations.
        only: names of the faults that strike; all if empty.
        folder: for logs and records; ``None`` for a temporary one.
    """

    minutes: float
    seed: int
    pairs: int
    messages_per_second: float
    actions_per_second: float
    only: tuple[str, ...]
    folder: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it.

    Args:
        arguments: command line without the program's name; ``None`` takes the process's own.

    Returns:
        0 if both sides agree, 1 if not, 2 if it cannot run here.
    """
    options = parse(arguments)
    os.environ.pop(overlay.DISABLE_VARIABLE, None)
    from hummingbot_backpack import soak_run

    return soak_run.main(options)


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line.

    Raises:
        SystemExit: after ``--help``, or with 2 and a message for arguments that make no sense.
    """
    parser = argparse.ArgumentParser(
        prog="soak",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--minutes", type=_minutes, default=10.0, metavar="N", help="default 10; 0.5 is possible")
    add("--seed", type=int, default=1, metavar="S", help="default 1")
    add("--pairs", type=_pairs, default=5, metavar="N", help=f"1 to {_MOST_PAIRS} (default 5)")
    add(
        "--messages-per-second",
        type=_positive,
        default=100.0,
        metavar="N",
        help="changes of all order books together (default 100)",
    )
    add(
        "--actions-per-second",
        type=_positive,
        default=4.0,
        metavar="N",
        help="orders and cancellations of the bot (default 4)",
    )
    add(
        "--only",
        action="append",
        default=[],
        metavar="FAULT",
        help="let only this fault strike, by its name as in the simulator's --help; repeat for "
        "more; none: let nothing go wrong",
    )
    add("--folder", type=Path, help="keep logs and records there: a new or empty folder")
    values = parser.parse_args(arguments)
    folder = values.folder
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        parser.error(f"{folder} is not a new or empty folder")
    return Options(
        minutes=values.minutes,
        seed=values.seed,
        pairs=values.pairs,
        messages_per_second=values.messages_per_second,
        actions_per_second=values.actions_per_second,
        only=tuple(values.only),
        folder=folder,
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _minutes(text: str) -> float:
    if not 0 < (value := _number(text)) <= _LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of minutes above 0 and up to {_LONGEST_MINUTES}"
        )
    return value


def _positive(text: str) -> float:
    if not 0 < (value := _number(text)) <= 100_000:  # noqa: PLR2004 (far above what is possible)
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _pairs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST_PAIRS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_PAIRS}")
    return int(text[:9])


if __name__ == "__main__":
    sys.exit(main())
