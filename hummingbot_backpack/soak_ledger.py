"""What a connector tells its strategies, written down as it comes.

In a file and not in memory, so that the recorder does not look like a leak of the recorded.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hummingbot_backpack.soak_check import FillRow, OrderRow, Side, end_of

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

_KINDS = ("Created", "Filled", "Cancelled", "Completed", "Failure")


class Ledger:
    """Every event of every order of one connector.

    Args:
        file: where to write; new.

    Attributes:
        counts: how many events there were of each kind.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._out = file.open("w", encoding="utf-8")
        self._forwarder: Any = None
        self.counts = dict.fromkeys(_KINDS, 0)

    def listen_to(self, connector: "BackpackExchange") -> None:
        """Write down what this connector tells from now on."""
        from hummingbot.core.event.event_forwarder import EventForwarder
        from hummingbot.core.event.events import MarketEvent

        # Listeners are held weakly.
        self._forwarder = EventForwarder(self._note)
        for event in (
            MarketEvent.BuyOrderCreated,
            MarketEvent.SellOrderCreated,
            MarketEvent.OrderFilled,
            MarketEvent.OrderCancelled,
            MarketEvent.OrderFailure,
            MarketEvent.BuyOrderCompleted,
            MarketEvent.SellOrderCompleted,
        ):
            connector.add_listener(event, self._forwarder)

    def close(self) -> None:
        """Write no more."""
        self._out.close()

    def side(self) -> tuple[Side, dict[str, list[str]]]:
        """What was told up to now, without balances and open orders; and each order's events."""
        self._out.flush()
        lives: dict[str, list[str]] = {}
        amounts: dict[str, Decimal] = {}
        ids: dict[str, str] = {}
        fills: dict[str, list[FillRow]] = {}
        with self._file.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                order_id = row["order"]
                lives.setdefault(order_id, []).append(row["kind"])
                if row["kind"] == "Created":
                    ids[order_id], amounts[order_id] = row["id"], Decimal(row["amount"])
                elif row["kind"] == "Filled":
                    fills.setdefault(order_id, []).append(_fill_of(row))
        told = Side(fills=[fill for rows in fills.values() for fill in rows])
        for order_id, exchange_id in ids.items():
            own = fills.get(order_id, [])
            told.orders[exchange_id] = OrderRow(
                order_id=exchange_id,
                quantity=amounts[order_id],
                executed_quantity=sum((f.quantity for f in own), Decimal(0)),
                executed_quote_quantity=sum((f.quantity * f.price for f in own), Decimal(0)),
                end=end_of(lives[order_id]),
            )
        return told, lives

    def _note(self, event: Any) -> None:  # noqa: ANN401 (one of Hummingbot's event classes)
        kind = next(kind for kind in _KINDS if kind in type(event).__name__)
        self.counts[kind] += 1
        row = {"kind": kind, "order": event.order_id}
        if kind == "Created":
            row |= {"id": event.exchange_order_id, "amount": str(event.amount)}
        elif kind == "Filled":
            (fee,) = event.trade_fee.flat_fees
            row |= {
                "id": event.exchange_order_id,
                "trade": event.exchange_trade_id,
                "price": str(event.price),
                "amount": str(event.amount),
                "fee_asset": fee.token,
                "fee": str(fee.amount),
            }
        elif kind == "Failure":
            row["why"] = str(event.error_message)
        self._out.write(json.dumps(row) + "\n")


def _fill_of(row: dict[str, str]) -> FillRow:
    return FillRow(
        order_id=row["id"],
        trade_id=row["trade"],
        price=Decimal(row["price"]),
        quantity=Decimal(row["amount"]),
        fee_asset=row["fee_asset"],
        fee=Decimal(row["fee"]),
    )
