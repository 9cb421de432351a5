"""What a strategy is told over a bot's whole life, restarts included, and whether it is true."""

import logging
import re
from collections import Counter

from hummingbot.connector.exchange.backpack.api.models import OrderStatus, TimeInForce
from hummingbot.core.data_type.in_flight_order import OrderState

from ..conftest import EventLog, told_fill, true_fill

# Nothing twice, nothing before its creation, and after its end only fills that became known late.
LIFE = re.compile(r"Failure|Created( Filled)*( Completed|( Cancelled| Failure)( Filled)*)?")
_ENDED = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.FAILED})
_ALIVE = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
_STATES = {
    OrderStatus.NEW: {OrderState.OPEN, OrderState.PENDING_CANCEL},
    OrderStatus.PARTIALLY_FILLED: {OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL},
    OrderStatus.FILLED: {OrderState.FILLED},
    OrderStatus.CANCELLED: {OrderState.CANCELED},
}
# Hummingbot computes the fee of an order that it saves in the base asset, too, and complains that
# nobody has a rate for it.
_FEES = "hummingbot.core.data_type.in_flight_order"


class Witness(logging.Handler):
    """Keeps every order and every event of the connectors that lived one after the other."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.orders = {}
        self.connector = None
        self.accidents = []
        self._logs = []
        self._ends = {}

    def watch(self, connector):
        """Follow one connector from before its start."""
        self.connector = connector
        self._logs.append(EventLog(connector))
        track = connector._order_tracker.start_tracking_order

        def tracked(order):
            self.orders[order.client_order_id] = order
            track(order)

        connector._order_tracker.start_tracking_order = tracked

    def emit(self, record):
        """An exception that only a log tells of is an accident."""
        if record.exc_info and record.name.startswith("hummingbot") and record.name != _FEES:
            self.accidents.append(f"{record.getMessage()}: {record.exc_info[1]!r}")

    def events(self):
        return [event for log in self._logs for event in log.all]

    def fills(self):
        return [event for log in self._logs for event in log.fills()]

    def names(self, order_id):
        """What was told of one order, in short words."""
        return " ".join(name for log in self._logs for name in log.names(order_id))

    # === what must hold at any time

    def problems(self, exchange):
        """Everything that is wrong now, whatever is still under way."""
        return [
            *self.accidents,
            *exchange.violations,
            *self._lives(),
            *self._regressions(),
            *self._amounts(),
            *self._living_dead(exchange),
        ]

    def _lives(self):
        order_ids = {event.order_id for event in self.events()}
        for order_id in sorted(order_ids):
            told = self.names(order_id)
            if not LIFE.fullmatch(told):
                yield f"{order_id} was told as: {told}"
        counted = Counter((f.order_id, f.exchange_trade_id) for f in self.fills())
        for (order_id, trade_id), times in counted.items():
            if times > 1:
                yield f"trade {trade_id} of {order_id} was told {times} times"

    def _regressions(self):
        for order_id, order in self.orders.items():
            end = self._ends.get(order_id)
            if end is not None and order.current_state is not end:
                yield f"{order_id} had ended as {end.name} and is {order.current_state.name}"
            elif end is None and order.current_state in _ENDED:
                self._ends[order_id] = order.current_state

    def _amounts(self):
        for order_id, order in self.orders.items():
            recorded = sum(fill.fill_base_amount for fill in order.order_fills.values())
            if order.executed_amount_base != recorded:
                yield f"{order_id}: {order.executed_amount_base} executed, fills of {recorded}"
            if order.executed_amount_base > order.amount:
                yield f"{order_id}: {order.executed_amount_base} executed of {order.amount}"

    def _living_dead(self, exchange):
        true = exchange.orders()
        for order_id, end in self._ends.items():
            order = true.get(self.orders[order_id].exchange_order_id)
            if order is not None and order.status in _ALIVE:
                yield f"{order_id} has ended as {end.name}, but is {order.status} on the exchange"

    # === what must hold in the end

    def differences(self, exchange):
        """Where connector and exchange do not agree."""
        true = exchange.orders()
        placed = {o.exchange_order_id: o for o in self.orders.values() if o.exchange_order_id}
        return [
            *(f"not known to the connector: {true[i]}" for i in true.keys() - placed.keys()),
            *(f"not known to the exchange: {placed[i]}" for i in placed.keys() - true.keys()),
            *(
                difference
                for i in true.keys() & placed.keys()
                for difference in _order_differences(placed[i], true[i])
            ),
            *self._open_differences(true),
            *self._fill_differences(exchange),
            *self._fund_differences(exchange),
        ]

    def _open_differences(self, true):
        ours = {o.exchange_order_id for o in self.connector.in_flight_orders.values()}
        theirs = {order_id for order_id, order in true.items() if order.status in _ALIVE}
        if ours != theirs:
            yield f"open: {ours} here, {theirs} there"
        lost = self.connector._order_tracker.lost_orders
        if lost:
            yield f"still lost: {sorted(lost)}"

    def _fill_differences(self, exchange):
        ours = Counter(told_fill(event) for event in self.fills())
        theirs = Counter(true_fill(fill) for fill in exchange.fills())
        for fill in theirs - ours:
            yield f"fill not told: {fill}"
        for fill in ours - theirs:
            yield f"fill that never was: {fill}"

    def _fund_differences(self, exchange):
        available = self.connector.available_balances
        ours = {a: (available.get(a), t) for a, t in self.connector.get_all_balances().items() if t}
        theirs = exchange.funds()
        if ours != theirs:
            yield f"funds: {ours} here, {theirs} there"


def _order_differences(order, true):
    expected = _STATES.get(true.status) or _states_of_expired(true)
    if order.current_state not in expected:
        yield f"{order.client_order_id} is {order.current_state.name}, there {true.status}"
    if order.executed_amount_base != true.executed_quantity:
        yield f"{order.client_order_id}: {order.executed_amount_base} of {true.executed_quantity}"
    if order.executed_amount_quote != true.executed_quote_quantity:
        yield f"{order.client_order_id}: quote {order.executed_amount_quote}, there {true}"


def _states_of_expired(true):
    if true.executed_quantity > 0 or true.expiry_reason == "ImmediateOrCancel":
        return {OrderState.CANCELED}
    # An IOC order may end for another reason, which not every reply tells.
    is_ioc = true.time_in_force is TimeInForce.IOC
    return {OrderState.FAILED, OrderState.CANCELED} if is_ioc else {OrderState.FAILED}
