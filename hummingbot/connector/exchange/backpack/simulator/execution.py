"""Carries out what was decided: the only code that changes orders, books and funds.

The events of a command wait in a queue until it is complete, in the recorded order: an order's
update, then the balances it changed; the two fills, then the trade; the changed level, then the
touch if it moved. It must not decide whether an order is acceptable.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_UP, Decimal
from typing import Final

from ..api.models import OrderStatus, OrderType, Side, TimeInForce
from .accounts import Account, hold_of
from .book import price_of, remaining
from .events import (
    ZERO,
    BalanceEvent,
    BookTickerEvent,
    DepthEvent,
    EngineEvent,
    FillRecord,
    OrderEvent,
    OrderEventKind,
    OrderRecord,
    TradeEvent,
)
from .matching import End, Plan
from .rules import Intent
from .venue import Venue

_SELF_TRADE: Final = "SelfTradePrevention"


class Execution:
    """Applies plans and cancellations, keeps time and ids, and tells the sinks."""

    def __init__(self, clock_us: Callable[[], int], *, first_order_id: int) -> None:
        self.accounts: dict[str, Account] = {}
        self.sinks: list[Callable[[EngineEvent], None]] = []
        self.collected_fees: dict[str, Decimal] = {}
        self._clock_us = clock_us
        self._time_us = 0
        self.next_order_id = first_order_id
        self._events: deque[EngineEvent] = deque()
        self._is_telling = False

    def stamp(self) -> int:
        """Current time in µs, strictly increasing even if the clock stands still or goes back."""
        self._time_us = max(self._clock_us(), self._time_us + 1)
        return self._time_us

    def submit(self, account: Account, venue: Venue, intent: Intent, plan: Plan) -> OrderRecord:
        """Accept an order and carry out its plan; the live record is returned."""
        order = self._accept(account, venue, intent, plan)
        for maker, quantity in plan.steps:
            if quantity:
                self._match(venue, order, maker, quantity)
            else:
                self.take_out(venue, maker, OrderEventKind.EXPIRED, _SELF_TRADE)
        if remaining(order) > 0:
            reason = _expiry_reason(intent, plan.end)
            if reason is None:
                venue.book.side(order.side).add(order)
                self.publish_level(venue, order.side, price_of(order))
            else:
                self._end(venue, order, OrderEventKind.EXPIRED, reason)
        return order

    def take_out(
        self, venue: Venue, order: OrderRecord, kind: OrderEventKind, reason: str | None = None
    ) -> None:
        """End a resting order by cancellation or expiry."""
        venue.book.side(order.side).remove(order)
        self._end(venue, order, kind, reason)
        self.publish_level(venue, order.side, price_of(order))

    def publish_level(self, venue: Venue, side: Side, price: Decimal) -> None:
        """Tell that the quantity at `price` changed, under the next update id."""
        book = venue.book
        book.last_update_id += 1
        quantity = book.side(side).quantity_at(price) or ZERO.quantize(venue.rules.quantity_unit)
        changed = ((price, quantity),)
        time_us = self.stamp()
        self.emit(
            DepthEvent(
                symbol=venue.market.symbol,
                first_update_id=book.last_update_id,
                last_update_id=book.last_update_id,
                bids=changed if side is Side.BID else (),
                asks=changed if side is Side.ASK else (),
                time_us=time_us,
            )
        )
        touch = book.bids.best(), book.asks.best()
        if touch == book.touch:
            return
        book.touch = touch
        self.emit(
            BookTickerEvent(
                symbol=venue.market.symbol,
                last_update_id=book.last_update_id,
                bid=touch[0],
                ask=touch[1],
                time_us=time_us,
            )
        )

    def print_trade(
        self,
        venue: Venue,
        price: Decimal,
        quantity: Decimal,
        *,
        buyer_order_id: int,
        seller_order_id: int,
        is_buyer_maker: bool,
    ) -> None:
        """Make a trade public."""
        trade = TradeEvent(
            symbol=venue.market.symbol,
            trade_id=venue.next_trade_id,
            price=price,
            quantity=quantity,
            buyer_order_id=buyer_order_id,
            seller_order_id=seller_order_id,
            is_buyer_maker=is_buyer_maker,
            time_us=self.stamp(),
        )
        venue.next_trade_id += 1
        venue.last_price = price
        venue.trades.append(trade)
        self.emit(trade)

    def emit(self, event: EngineEvent) -> None:
        """Queue `event` for the sinks."""
        if self.sinks:
            self._events.append(event)

    def flush(self) -> None:
        """Tell the sinks what a command did, now that it is complete.

        A sink may give commands: their events follow those that wait already.
        """
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._events:
                event = self._events.popleft()
                for sink in self.sinks:
                    sink(event)
        finally:
            self._is_telling = False

    def tell_balance(self, account: Account, asset: str) -> None:
        """Tell what `account` now has of `asset`; unlimited accounts have no private events."""
        if account.unlimited:
            return
        funds = account.funds(asset)
        self.emit(
            BalanceEvent(
                account_id=account.account_id,
                asset=asset,
                available=funds.available,
                locked=funds.locked,
                time_us=self.stamp(),
            )
        )

    def new_order_id(self) -> int:
        """Next order id, increasing."""
        order_id = self.next_order_id
        self.next_order_id += 1
        return order_id

    def _accept(self, account: Account, venue: Venue, intent: Intent, plan: Plan) -> OrderRecord:
        quote_quantity = intent.quote_quantity
        if intent.order_type is OrderType.MARKET and quote_quantity is None:
            # Recorded (4.43 for 4.42506, 3.82 for 3.81428): the cost, rounded up to the tick.
            quote_quantity = plan.cost.quantize(venue.rules.price_unit, ROUND_UP)
        time_us = self.stamp()
        order = OrderRecord(
            order_id=self.new_order_id(),
            account_id=account.account_id,
            symbol=intent.symbol,
            side=intent.side,
            order_type=intent.order_type,
            created_at_us=time_us,
            updated_at_us=time_us,
            price=intent.price,
            quantity=plan.target,
            quote_quantity=quote_quantity,
            time_in_force=intent.time_in_force,
            post_only=intent.post_only,
            self_trade_prevention=intent.self_trade_prevention,
            client_id=intent.client_id,
        )
        account.accept(order, venue.market)
        self._tell_order(account, OrderEventKind.ACCEPTED, order, time_us)
        if order.order_type is OrderType.LIMIT:
            self.tell_balance(account, hold_of(order, venue.market)[0])
        return order

    def _match(
        self, venue: Venue, taker: OrderRecord, maker: OrderRecord, quantity: Decimal
    ) -> None:
        price = price_of(maker)
        venue.book.side(maker.side).reduce(maker, quantity)
        trade_id, time_us = venue.next_trade_id, self.stamp()
        fills = [
            self._fill(venue, order, trade_id, price, quantity, time_us, is_maker=order is maker)
            for order in (maker, taker)
        ]
        for order, fill in zip((maker, taker), fills, strict=True):
            account = self.accounts[order.account_id]
            self._tell_order(account, OrderEventKind.FILL, order, self.stamp(), fill)
            self.tell_balance(account, venue.market.base_symbol)
            self.tell_balance(account, venue.market.quote_symbol)
        buyer, seller = (maker, taker) if maker.side is Side.BID else (taker, maker)
        self.print_trade(
            venue,
            price,
            quantity,
            buyer_order_id=buyer.order_id,
            seller_order_id=seller.order_id,
            is_buyer_maker=buyer is maker,
        )
        self.publish_level(venue, maker.side, price)

    def _fill(
        self,
        venue: Venue,
        order: OrderRecord,
        trade_id: int,
        price: Decimal,
        quantity: Decimal,
        time_us: int,
        *,
        is_maker: bool,
    ) -> FillRecord:
        """Count one side of a trade in its order and in its account."""
        market, account = venue.market, self.accounts[order.account_id]
        is_bid = order.side is Side.BID
        fee_asset = market.base_symbol if is_bid else market.quote_symbol
        fee = account.fee(quantity if is_bid else price * quantity, is_maker=is_maker)
        fill = FillRecord(
            trade_id=trade_id,
            order_id=order.order_id,
            account_id=order.account_id,
            symbol=market.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_symbol=fee_asset,
            is_maker=is_maker,
            time_us=time_us,
            client_id=order.client_id,
        )
        account.settle(order, fill, market)
        account.record(fill)
        self.collected_fees[fee_asset] = self.collected_fees.get(fee_asset, ZERO) + fee
        order.executed_quantity += quantity
        order.executed_quote_quantity += price * quantity
        order.updated_at_us = time_us
        if remaining(order) > 0:
            order.status = OrderStatus.PARTIALLY_FILLED
        else:
            order.status = OrderStatus.FILLED
            account.close(order, market)
        return fill

    def _end(
        self, venue: Venue, order: OrderRecord, kind: OrderEventKind, reason: str | None
    ) -> None:
        account = self.accounts[order.account_id]
        is_cancelled = kind is OrderEventKind.CANCELLED
        order.status = OrderStatus.CANCELLED if is_cancelled else OrderStatus.EXPIRED
        order.expiry_reason = reason
        order.updated_at_us = time_us = self.stamp()
        account.close(order, venue.market)
        self._tell_order(account, kind, order, time_us)
        if order.order_type is OrderType.LIMIT:
            self.tell_balance(account, hold_of(order, venue.market)[0])

    def _tell_order(
        self,
        account: Account,
        kind: OrderEventKind,
        order: OrderRecord,
        time_us: int,
        fill: FillRecord | None = None,
    ) -> None:
        if account.unlimited:
            return
        self.emit(OrderEvent(kind=kind, order=replace(order), time_us=time_us, fill=fill))


def _expiry_reason(intent: Intent, end: End) -> str | None:
    """Why what was not filled cannot rest, in the vendor's words; ``None`` if it can."""
    if end is End.SELF:
        return _SELF_TRADE
    if intent.order_type is OrderType.MARKET:
        # The impact band stopped it, or the other side ran out.
        return "PriceImpact" if end is End.BOUND else "InsufficientLiquidity"
    if intent.time_in_force is TimeInForce.GTC:
        return None
    return "ImmediateOrCancel"
