"""Whether a connector and the exchange tell the same of every order, fill, fee and balance.

Pure. One side is what the connector told (`Told`), the other what the exchange itself holds
(`truth_of`). Quantities are in base units unless named otherwise.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

# What one order may tell a strategy: nothing twice, nothing before its creation or after its end.
LIFE = re.compile(r"Failure|Created( Filled)*( Cancelled| Completed| Failure)?")

_ENDS = {"Cancelled", "Completed", "Failure"}
_OPEN = {"New", "PartiallyFilled"}
_MOST_TOLD = 5


class FillRow(NamedTuple):
    """One fill; ids are the exchange's."""

    order_id: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    fee_asset: str
    fee: Decimal


class OrderRow(NamedTuple):
    """One order by the exchange's id.

    `end` is ``Cancelled``, ``Completed`` or ``Failure``, empty for an open order.
    """

    order_id: str
    quantity: Decimal
    executed_quantity: Decimal
    executed_quote_quantity: Decimal
    end: str


class Funds(NamedTuple):
    """What there is of one asset, in its units."""

    available: Decimal
    total: Decimal


@dataclass(slots=True)
class Side:
    """Everything that one side tells of an account."""

    orders: dict[str, OrderRow] = field(default_factory=dict)
    fills: list[FillRow] = field(default_factory=list)
    open_ids: set[str] = field(default_factory=set)
    balances: dict[str, Funds] = field(default_factory=dict)


def differences(told: Side, true: Side) -> list[str]:
    """What the connector told wrongly, a sentence each; empty if both sides agree."""
    return [
        *_missing(told.orders, true.orders),
        *_unlike_orders(told.orders, true.orders),
        *_unlike_fills(told.fills, true.fills),
        *_unlike_sets("open orders", told.open_ids, true.open_ids),
        *_unlike_balances(told.balances, true.balances),
    ]


def wrong_lives(lives: Mapping[str, Sequence[str]]) -> list[str]:
    """Orders that told a strategy something twice, too early or too late.

    Args:
        lives: names of the events of each order in their order, such as ``Created``, ``Filled``.
    """
    told = {order_id: " ".join(names) for order_id, names in lives.items()}
    return [
        f"order {order_id} told: {text}"
        for order_id, text in told.items()
        if not LIFE.fullmatch(text)
    ]


def end_of(names: Iterable[str]) -> str:
    """How an order ended, by the names of its events; empty if it has not."""
    return next((name for name in names if name in _ENDS), "")


def truth_of(account: Mapping[str, Any]) -> Side:
    """The exchange's own side, from what its admin endpoint tells of an account."""
    orders = {row["id"]: _true_order(row) for row in account["orders"]}
    fills = [
        FillRow(
            order_id=row["orderId"],
            trade_id=str(row["tradeId"]),
            price=Decimal(row["price"]),
            quantity=Decimal(row["quantity"]),
            fee_asset=row["feeSymbol"],
            fee=Decimal(row["fee"]),
        )
        for row in account["fills"]
    ]
    balances = {
        asset: Funds(Decimal(row["available"]), Decimal(row["available"]) + Decimal(row["locked"]))
        for asset, row in account["balances"].items()
    }
    return Side(orders, fills, set(account["openOrders"]), balances)


def _true_order(row: Mapping[str, Any]) -> OrderRow:
    executed = Decimal(row["executedQuantity"])
    status = row["status"]
    if status in _OPEN:
        end = ""
    elif status == "Filled":
        end = "Completed"
    elif status == "Cancelled" or executed or row["timeInForce"] == "IOC":
        end = "Cancelled"  # also what was not to rest, and has ended as it was meant to
    else:
        end = "Failure"
    return OrderRow(
        order_id=row["id"],
        quantity=Decimal(row["quantity"] or 0),
        executed_quantity=executed,
        executed_quote_quantity=Decimal(row["executedQuoteQuantity"]),
        end=end,
    )


def _missing(told: Mapping[str, OrderRow], true: Mapping[str, OrderRow]) -> list[str]:
    lost = [f"order {i} is lost: the exchange has it ({true[i]})" for i in true.keys() - told]
    made_up = [f"order {i} was told, and the exchange has none" for i in told.keys() - true]
    return lost + made_up


def _unlike_orders(told: Mapping[str, OrderRow], true: Mapping[str, OrderRow]) -> list[str]:
    return [
        f"order {order_id}: told {told[order_id]}, true {true[order_id]}"
        for order_id in told.keys() & true.keys()
        if told[order_id] != true[order_id]
    ]


def _unlike_fills(told: Sequence[FillRow], true: Sequence[FillRow]) -> list[str]:
    counted, expected = Counter(told), Counter(true)
    twice = [f"told {n} times: {fill}" for fill, n in counted.items() if n > 1]
    missed = [f"not told: {fill}" for fill in expected.keys() - counted.keys()]
    wrong = [f"told and not true: {fill}" for fill in counted.keys() - expected.keys()]
    return twice + missed + wrong


def _unlike_sets(what: str, told: set[str], true: set[str]) -> list[str]:
    if told == true:
        return []
    return [f"{what}: only told {sorted(told - true)}, only true {sorted(true - told)}"]


def _unlike_balances(told: Mapping[str, Funds], true: Mapping[str, Funds]) -> list[str]:
    nothing = Funds(Decimal(0), Decimal(0))
    return [
        f"{asset}: told {told.get(asset)}, true {true.get(asset)}"
        for asset in sorted(told.keys() | true.keys())
        if told.get(asset, nothing) != true.get(asset, nothing)
    ]


def shortened(problems: Sequence[str], most: int = _MOST_TOLD) -> list[str]:
    """The first of many sentences, and how many there are in all."""
    if len(problems) <= most:
        return list(problems)
    return [*problems[:most], f"... and {len(problems) - most} more of these"]
