"""What Hummingbot's own records say of a bot: orders, fills and its ``history``, as one JSON line.

``python -m hummingbot_backpack.demo_history NAME PAIR`` runs inside a Hummingbot home and reads the
bot's last balances from standard input (JSON, as in ``status.json``). ``hbot history`` itself
prints six digits, and it does not load the client's configuration, so that it values fees in the
base asset at the prices of another exchange (gate.io), or not at all without a network.
"""

import asyncio
import json
import sqlite3
import sys
from decimal import Decimal
from typing import Any

from hummingbot.cli import bot
from hummingbot.cli.commands import history
from hummingbot.cli.data import get_trades
from hummingbot.client.config.config_helpers import load_client_config_map_from_file
from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections
from hummingbot.core.rate_oracle.rate_oracle import RateOracle


def main() -> int:
    """Print the records; returns 0."""
    name, pair = sys.argv[1:]
    balances = json.loads(sys.stdin.read() or "{}")
    load_client_config_map_from_file()  # tells the rate oracle where prices come from
    database = bot.db_path_for(name)
    if database is None:
        print(f"there is no database of {name}", file=sys.stderr)
        return 1
    print(json.dumps(asyncio.run(_read(database, pair, balances))))
    return 0


async def _read(database: str, pair: str, balances: dict[str, Any]) -> dict[str, Any]:
    fills = get_trades(database)
    oracle = RateOracle.get_instance()
    price = await oracle.stored_or_live_rate(pair)
    if price is None:  # then Hummingbot takes the last fill's
        price = fills[-1].price if fills else Decimal(0)
    # From here on all is valued at this one price: the market goes on moving.
    oracle.set_price(pair, price)
    markets = await history._compute(fills, balances)  # noqa: SLF001 (all that `history` prints)
    await Connections().close()
    return {
        "price": str(price),
        "markets": markets,
        "volume": str(sum((fill.price * fill.amount for fill in fills), Decimal(0))),
        "orders": _orders(database),
    }


def _orders(database: str) -> dict[str, str]:
    """Last state of each order, Hummingbot's word for it, by the exchange's order id."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute('SELECT exchange_order_id, id, last_status FROM "Order"')
        return {str(on_exchange or own): state for on_exchange, own, state in rows}


if __name__ == "__main__":
    sys.exit(main())
