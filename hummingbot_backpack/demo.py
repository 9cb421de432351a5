"""A market-making bot on a local exchange, for a look at everything without an account.

``scripts/demo`` and ``python -m hummingbot_backpack.demo`` are the same. This module is the command
line; ``demo_run`` is what happens. Nothing of Hummingbot is imported before that: the help works
where nothing is installed yet.
"""

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from hummingbot_backpack import home, overlay
from hummingbot_backpack.demo_interrupt import INTERRUPTED

_LONGEST_MINUTES = 24 * 60
_LARGEST_PORT = 65_535

_DESCRIPTION = """\
Run a market-making bot with Hummingbot on an exchange on this computer, and check the result.

Starts the local exchange, connects Hummingbot's `backpack` connector to it (hbot connect), runs a
strategy (hbot start), shows what it does, stops it (hbot stop) and compares Hummingbot's own
records with the books of the exchange. No account, no network and no real money are involved.
"""

_EPILOG = """\
Ctrl-C ends it early, in the same way. The exit code is 0 when every order and fill is accounted
for on both sides, 1 when not (it then says why, and keeps the home with its logs), 2 when it could
not run, 130 when it was stopped before the bot was running.

A home that was kept can be looked at with `scripts/hummingbot --home FOLDER logs` (or status); the
password of its key store is "demo".
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose.

    Attributes:
        minutes: how long the bot trades.
        strategy: script in the home's ``scripts`` folder, without ``.py``.
        order_amount: of each quote, in the base asset.
        spread: distance of each quote from the mid price, a fraction of the price.
        refresh_time_s: after how many seconds quotes are renewed.
        seed: of the exchange's market; the same seed gives the same random numbers.
        port: TCP port of the exchange, 0 for any free one.
        home: Hummingbot home; ``None`` for a temporary one.
    """

    minutes: float
    strategy: str
    order_amount: Decimal
    spread: Decimal
    refresh_time_s: int
    seed: int
    port: int
    home: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: command line without the program's name; ``None`` takes the process's own.

    Returns:
        0 if all went well, 1 if something does not hold, 2 if it cannot run here, 130 if it was
        interrupted before the bot was running.
    """
    options = parse(arguments)
    # The demo is about this plugin, whatever was compared in this terminal before.
    os.environ.pop(overlay.DISABLE_VARIABLE, None)
    problem = installation_problem()
    if problem is not None:
        print(f"demo: {problem}", file=sys.stderr)
        return 2
    try:
        from hummingbot_backpack import demo_run

        return demo_run.main(options)
    except KeyboardInterrupt:  # before there was anything to end in order
        return INTERRUPTED


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line.

    Raises:
        SystemExit: after ``--help``, or with 2 and a message for arguments that make no sense.
    """
    parser = argparse.ArgumentParser(
        prog="demo",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--minutes",
        type=_minutes,
        default=2.0,
        metavar="N",
        help="how long the bot trades (default 2; 0.5 is half a minute)",
    )
    strategies = [Path(name).stem for name in home.STRATEGIES]
    add(
        "--strategy",
        choices=strategies,
        default=strategies[0],
        help="strategy to run (default %(default)s)",
    )
    add(
        "--order-amount",
        type=_amount,
        default="0.5",
        metavar="SOL",
        help="size of each quote (default %(default)s SOL)",
    )
    add(
        "--spread",
        type=_fraction,
        default="0.0005",
        metavar="F",
        help="distance of the quotes from the mid price as a fraction of it (default %(default)s, "
        "which is 0.05 %%)",
    )
    add(
        "--refresh-time",
        type=_seconds,
        default=5,
        metavar="S",
        help="seconds after which quotes are renewed (default %(default)s)",
    )
    add("--seed", type=int, default=7, metavar="N", help="of the market (default %(default)s)")
    add(
        "--home",
        type=Path,
        metavar="FOLDER",
        help="Hummingbot home to use and keep: a new or empty folder, or one of an earlier demo "
        "(default: a temporary one, removed if all went well)",
    )
    add(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="TCP port of the exchange (default: any free one)",
    )
    values = parser.parse_args(arguments)
    return Options(
        minutes=values.minutes,
        strategy=values.strategy,
        order_amount=values.order_amount,
        spread=values.spread,
        refresh_time_s=values.refresh_time,
        seed=values.seed,
        port=values.port,
        home=values.home,
    )


def installation_problem() -> str | None:
    """Say why the demo cannot run with this Python, or ``None``."""
    try:
        home.installed_package()
    except home.HomeError as e:
        return str(e)
    if importlib.util.find_spec("hummingbot.cli") is None:
        return (
            "this Hummingbot has no hbot command line yet. "
            "Upgrade it with `pip install --upgrade hummingbot`."
        )
    connector = importlib.util.find_spec("hummingbot.connector.exchange.backpack")
    if connector is None or not Path(connector.origin or "/").is_relative_to(overlay.tree()):
        return (
            f"the Backpack plugin is not active in {sys.executable}: Hummingbot's built-in "
            f"connector is found instead. Install the plugin there with "
            "`pip install hummingbot-backpack`, or run scripts/demo, which sets everything up."
        )
    return None


# --- argument types: argparse shows the text of an ArgumentTypeError ------------------------------


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of minutes above 0 and up to {_LONGEST_MINUTES}"
        )
    return value


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def _amount(text: str) -> Decimal:
    value = _number(text)
    if not 0 < value <= 1000 or round(value, 2) != value:  # noqa: PLR2004 (market's step and size)
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount from 0.01 to 1000 SOL")
    return value


def _fraction(text: str) -> Decimal:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a fraction from 0 to below 1")
    return value


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _LONGEST_MINUTES * 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds above 0")
    return int(text[:9])


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a TCP port (0 to {_LARGEST_PORT})")
    return int(text[:9])


if __name__ == "__main__":
    sys.exit(main())
