"""Hummingbot's command line in a home: ``python -m hummingbot_backpack.hbot COMMAND ...``.

Three commands are helped. ``history`` never reads the client's configuration, so that it asks
another exchange (gate.io) for prices, and logs a traceback where there is no network. ``start``
takes what a bot that was killed has left for a sign of life of the new one. ``status`` is told when
it is about demo money.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hummingbot.cli import bot
from hummingbot.cli import main as hbot
from hummingbot_backpack import demo_note

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hummingbot.model.trade_fill import TradeFill

    type Compute = Callable[[Sequence[TradeFill], Mapping[str, Any]], Awaitable[list[Any]]]

# As many lines of the log as `hbot status` itself looks at.
_LOG_LINES = 600


def main() -> None:
    """Run the command of ``sys.argv``.

    Raises:
        SystemExit: always, with hbot's exit code.
    """
    command = sys.argv[1:2]
    if command == ["history"]:
        _help_history()
    elif command == ["start"] and not bot.running():
        bot._status_file().unlink(missing_ok=True)  # noqa: SLF001 - it has no other name
    elif command == ["status"] and "--json" not in sys.argv and _is_a_demo_running():
        print(f"{demo_note.NOTE}\n")
    hbot.main()


def _help_history() -> None:
    # Here, because they take seconds.
    from hummingbot.cli.commands import history
    from hummingbot.client.config.config_helpers import load_client_config_map_from_file

    load_client_config_map_from_file()  # tells the rate oracle where prices come from
    history._compute = partial(_compute, history._compute)  # noqa: SLF001 - the only way in


async def _compute(
    compute: "Compute", fills: "Sequence[TradeFill]", balances: Mapping[str, Any]
) -> list[Any]:
    """What ``history`` prints, valued at prices of the market in which the fills took place.

    A demo's market lives in the bot's process and nowhere else; its last fill tells what it was.
    Where no price is to be had the last fill's is taken too.
    """
    from hummingbot.core.rate_oracle.rate_oracle import RateOracle

    oracle = RateOracle.get_instance()
    last = {fill.symbol: fill.price for fill in fills}  # the newest come last
    outside = {fill.symbol for fill in fills if fill.market != demo_note.CONNECTOR}
    asked = await oracle.source.get_prices(quote_token=oracle.quote_token) if outside else {}
    made_up = {pair: last[pair] for pair in last.keys() - outside}
    for pair, price in {**last, **asked, **made_up}.items():
        oracle.set_price(pair, price)
    return await compute(fills, balances)


def _is_a_demo_running() -> bool:
    pid = bot.read_pid()
    if pid is None or not bot.running():
        return False
    lines = bot.tail_lines(bot.structured_log_file(), _LOG_LINES)
    return any(f" - {pid} - " in line and demo_note.PREFIX in line for line in lines)


if __name__ == "__main__":
    main()
