"""Where connector and exchange disagree, each point in a few words."""

import re
from collections import Counter

from hummingbot.connector.exchange.backpack.api.models import OrderStatus

from .stage import available_of

# What one order may tell a strategy: nothing twice, nothing before its creation, and after its end
# nothing but fills that became known late.
LIFE = re.compile(r"Failure|Created( Filled)*( Completed|( Cancelled| Failure)( Filled)*)?")
_ALL = 1_000_000


def deviations(*traders, others=()):
    """What differs between an exchange and the connectors that traded there, the living one last.

    `others` are orders that none of them placed.
    """
    connector, exchange = traders[-1].connector, traders[-1].exchange
    engine, account = exchange.engine, exchange.account_id
    foreign = {str(order_id) for order_id in others}
    orders = {
        str(order.order_id): order
        for order in engine.order_history(account, limit=_ALL)[0]
        if str(order.order_id) not in foreign
    }
    fills = [fill for fill in engine.fills(account, limit=_ALL)[0] if str(fill.order_id) in orders]
    return [
        *_orders(traders, orders),
        *_fills([event for trader in traders for event in trader.events.fills()], fills),
        *_funds(connector, engine.balances(account)),
        *(problem for trader in traders for problem in _lives(trader)),
        *_books(traders[-1]),
    ]


def _orders(traders, true_orders):
    tracked = {}
    for trader in traders:
        tracked |= trader.connector._order_tracker.all_fillable_orders
    names = {o.exchange_order_id: name for name, o in tracked.items()} | _names_told(traders)
    for order_id, true in true_orders.items():
        if order_id not in names:
            yield f"an order that is {true.status} is not known"
            continue
        name = names[order_id]
        yield from _end(
            true, _end_told(traders, name), name in traders[-1].connector.in_flight_orders
        )
        # A connector that was stopped knows nothing of what came after it.
        order = traders[-1].connector._order_tracker.all_fillable_orders.get(name)
        if order is not None and order.executed_amount_base != true.executed_quantity:
            yield f"{order.executed_amount_base} of {true.executed_quantity} executed is recorded"
    for order_id in names.keys() - true_orders.keys() - {None}:
        yield f"an order {order_id!r} is held that the exchange does not know"


def _names_told(traders):
    """Client order ids by exchange order id, as the events say them."""
    return {
        event.exchange_order_id: event.order_id
        for trader in traders
        for event in trader.events.all
        if getattr(event, "exchange_order_id", None) is not None
    }


def _end_told(traders, name):
    told = [kind for trader in traders for kind in trader.events.names(name) if kind in _ENDS]
    return told[-1] if told else None


def _end(true, told, is_held_open):
    if true.status in _OPEN:
        if told is not None:
            yield f"an order that is {true.status} was told as {told}"
        elif not is_held_open:
            yield f"an order that is {true.status} is not tracked"
    elif told is None:
        yield f"nobody was told that an order is {true.status}"
    elif told not in _ENDS_OF[true.status]:
        yield f"an order that is {true.status} was told as {told}"
    elif is_held_open:
        yield f"an order that is {true.status} is held for open"


_OPEN = {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
_ENDS = {"Completed", "Cancelled", "Failure"}
_ENDS_OF = {
    OrderStatus.FILLED: {"Completed"},
    OrderStatus.CANCELLED: {"Cancelled"},
    # Hummingbot has no event for it; why it expired decides which of the two fits better.
    OrderStatus.EXPIRED: {"Cancelled", "Failure"},
}


def _fills(events, true_fills):
    told = Counter((event.exchange_order_id, event.exchange_trade_id) for event in events)
    truth = {(str(fill.order_id), str(fill.trade_id)): fill for fill in true_fills}
    if missing := truth.keys() - told.keys():
        yield f"{len(missing)} of {len(truth)} fills missing"
    if unknown := told.keys() - truth.keys():
        yield f"{len(unknown)} fills told that never were"
    if twice := [fill for fill, times in told.items() if times > 1]:
        yield f"{len(twice)} fills told twice"
    wrong = 0
    for event in events:
        fill = truth.get((event.exchange_order_id, event.exchange_trade_id))
        if fill is not None:
            fees = [(fee.token, fee.amount) for fee in event.trade_fee.flat_fees]
            is_right = (event.price, event.amount) == (fill.price, fill.quantity)
            wrong += not is_right or fees != [(fill.fee_symbol, fill.fee)]
    if wrong:
        yield f"{wrong} fills told with a wrong price, amount or fee"


def _funds(connector, balances):
    told = connector.get_all_balances()
    for asset in sorted(balances.keys() | {asset for asset, total in told.items() if total}):
        available, locked = balances.get(asset, (0, 0))
        if connector.get_balance(asset) != available + locked:
            total = connector.get_balance(asset)
            yield f"{asset}: total {total.normalize()}, is {(available + locked).normalize()}"
        if available_of(connector, asset) != available:
            free = available_of(connector, asset)
            yield f"{asset}: available {free.normalize()}, is {available.normalize()}"


def _lives(trader):
    for order_id in sorted(trader.events.order_ids()):
        told = " ".join(trader.events.names(order_id))
        is_restored = "Created" not in told and order_id in trader.restored
        if not LIFE.fullmatch(f"Created {told}" if is_restored else told):
            yield f"events of an order: {told}"


def _books(trader):
    wrong = [pair for pair in trader.connector.order_books if not trader.is_right(pair)]
    if wrong:
        yield f"{len(wrong)} of {len(trader.connector.order_books)} books wrong"
