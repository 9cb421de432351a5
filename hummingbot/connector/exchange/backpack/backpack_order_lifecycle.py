"""Placing and cancelling: an order is never lost, and a write is never repeated blindly.

Only definite evidence ends an order. After a time-out, a cut, a 5xx, a 429 or an unreadable reply
its fate is unknown: it stays tracked and is looked up by its client id until it is found, or is
absent from open orders and history after every request that could still create it has expired.
"""

import asyncio
import contextlib
import difflib
import math
import time
from collections.abc import Coroutine
from dataclasses import replace
from decimal import Decimal
from itertools import chain, repeat
from typing import Any, override

from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate
from hummingbot.core.utils.async_utils import safe_ensure_future

from .api.endpoints import (
    CancelOrder,
    ExecuteOrder,
    GetOrder,
    GetOrderHistory,
)
from .api.errors import (
    BackpackError,
    DecodeError,
    DuplicateClientId,
    OrderNotFound,
    Outcome,
)
from .api.models import HistoricOrder, OrderStatus, milliseconds
from .api.replies import Rows
from .backpack_constants import (
    HISTORY_PAGE,
    UNKNOWN_ORDER_PATIENCE_S,
    UNKNOWN_ORDER_RETRY_S,
)
from .backpack_order_tracker import BackpackOrderTracker
from .backpack_translation import (
    OrderReport,
    build_order,
    is_order_of,
    is_placed_by,
    problem_of_time_in_force,
    report_of_history,
    report_of_order,
)
from .backpack_web_utils import RestClient

_TIME_IN_FORCE = "time_in_force"
_CLIENT_ID_ATTEMPTS = 5
_UNKNOWN_CANCEL_PAUSE_S = 1.0
_FILL_GRACE_S = 2.0
# So long a look-up waits for others to share its request.
_SHARED_LOOK_UP_S = 0.1
# Between two questions for the latest orders.
_LOOK_UP_PAUSE_S = 4.0
# Longer than any order's fate stays unknown while the exchange answers.
_LOOK_BACK_S = 120.0
_SETTLE_S = 0.1
# Far above any real order, far below what Decimal's 28 digits can divide by the smallest step.
_LARGEST_NUMBER = Decimal(10) ** 15


class NeverArrived(BackpackError):
    """An order of unknown fate was looked for until it could not exist any more."""

    outcome = Outcome.REJECTED

    def __init__(self, error: BackpackError) -> None:
        super().__init__(
            f"{str(error).rstrip('.')}; afterwards it was neither among the open orders nor in the "
            "history, so Backpack never accepted it."
        )


class OrderLifecycle(ExchangePyBase):
    """The part of the connector that writes."""

    rest: RestClient
    _order_tracker: BackpackOrderTracker

    # === placing

    @override
    async def _create_order(
        self,
        trade_type: TradeType,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal | None = None,
        **kwargs: Any,
    ) -> None:
        problem = self._problem_of(trading_pair, amount, trade_type, order_type, price)
        problem = problem or problem_of_time_in_force(order_type, kwargs.get(_TIME_IN_FORCE))
        if problem is None:
            await super()._create_order(
                trade_type, order_id, trading_pair, amount, order_type, price, **kwargs
            )
            return
        self.start_tracking_order(
            order_id=order_id,
            exchange_order_id=None,
            trading_pair=trading_pair,
            order_type=order_type,
            trade_type=trade_type,
            price=price,
            amount=trackable(amount),
            **kwargs,
        )
        self._on_order_failure(
            order_id, trading_pair, amount, trade_type, order_type, price, ValueError(problem)
        )

    def _problem_of(  # noqa: PLR0911 (one return for each problem)
        self,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal | None,
    ) -> str | None:
        """What makes an order impossible, in words for a trader, or ``None``."""
        if trading_pair not in self._trading_rules:
            return self._why_not_offered(trading_pair)
        rule = self._trading_rules[trading_pair]
        if not _is_sane(amount):
            return f"The amount {amount} is not a positive number of a possible size."
        if self.quantize_order_amount(trading_pair, amount) < rule.min_order_size:
            return (
                f"Order amount {amount} is lower than minimum order size {rule.min_order_size} for "
                f"the pair {trading_pair}. The order will not be created."
            )
        if amount > rule.max_order_size:
            return (
                f"The amount {amount} is above the largest order of {trading_pair}, "
                f"{rule.max_order_size}."
            )
        if order_type is OrderType.MARKET:
            if not rule.supports_market_orders:
                return f"{trading_pair} accepts no market orders at the moment; use a limit order."
            if not self._has_touch(trading_pair):
                return (
                    f"There is no price for {trading_pair}: a side of its order book is empty or "
                    "not loaded yet. Use a limit order, or wait until the connector is ready."
                )
            return None
        if price is None or not _is_sane(price):
            return f"The price {price} is not a positive number of a possible size."
        if self.quantize_order_price(trading_pair, price) <= 0:
            return (
                f"The price {price} is below the smallest price step of {trading_pair}, "
                f"{rule.min_price_increment}."
            )
        return None

    def _has_touch(self, trading_pair: str) -> bool:
        """Whether the book has both sides; Hummingbot asks the best bid of any market order."""
        book = self.order_books.get(trading_pair)
        if book is None:
            return False
        try:
            return not any(math.isnan(book.get_price(is_buy)) for is_buy in (True, False))
        except OSError:  # how Hummingbot's book says that a side is empty
            return False

    def _why_not_offered(self, trading_pair: str) -> str:
        if not self._trading_rules:
            return (
                f"The trading rules are not loaded yet, so no order for {trading_pair} can be "
                "placed. Wait until "
                "the connector is ready."
            )
        near = difflib.get_close_matches(trading_pair.upper(), self._trading_rules, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return (
            f"{trading_pair} is not a market of Backpack that is open for orders: it does not "
            "exist, or is closed "
            f"or cancel-only.{hint}"
        )

    @override
    async def _place_order_and_process_update(self, order: InFlightOrder, **kwargs: Any) -> str:
        self._placing.add(order.client_order_id)
        try:
            # Hummingbot has no word for it; programs may give it to `buy` and `sell`.
            report = await self._submit(order, kwargs.get(_TIME_IN_FORCE))
        finally:
            self._placing.discard(order.client_order_id)
        await self._on_placed(order, report)
        return report.exchange_order_id

    async def _on_placed(self, order: InFlightOrder, report: OrderReport) -> None:
        """The order exists: created first, then whatever the engine has done to it already."""
        await self._order_tracker.apply(
            OrderUpdate(
                trading_pair=order.trading_pair,
                update_timestamp=report.timestamp_s,
                new_state=OrderState.OPEN,
                client_order_id=order.client_order_id,
                exchange_order_id=report.exchange_order_id,
            )
        )
        if report.status is not OrderStatus.NEW:
            self._spawn(self._apply_report(order, report))

    async def _on_first_word(self, order: InFlightOrder, report: OrderReport) -> None:
        """Tell strategies of an order's creation before its fills or its end.

        The first that is heard of it may be any of them, and its fills are found by the id it gets.
        """
        await self._on_placed(order, replace(report, status=OrderStatus.NEW, reason=None))

    @override
    async def _place_order(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal,
        **kwargs: Any,
    ) -> tuple[str, float]:
        order = self._order_tracker.active_orders[order_id]
        report = await self._submit(order)
        return report.exchange_order_id, report.timestamp_s

    async def _submit(self, order: InFlightOrder, time_in_force: str | None = None) -> OrderReport:
        """Place an order and return what became of it.

        Raises:
            BackpackError: the order certainly is not on the exchange.
        """
        for attempt in range(_CLIENT_ID_ATTEMPTS):
            request = await self._request_of(order, attempt, time_in_force)
            try:
                return report_of_order(await self.rest.send(request))
            except DuplicateClientId as e:
                # Another bot's open order has this client id, or ours has, by a request that was
                # thought lost.
                try:
                    found = await self._look_up(request)
                except BackpackError as unanswered:
                    return await self._resolve(order, request, unanswered)
                if found is not None:
                    return found
                duplicate = e
            except BackpackError as e:
                if e.outcome is Outcome.REJECTED:
                    raise
                return await self._resolve(order, request, e)
        raise duplicate

    def _has_lent(self, order: InFlightOrder) -> bool:
        """Whether what the order spends is lent out, at least in part."""
        raise NotImplementedError

    async def _request_of(
        self,
        order: InFlightOrder,
        attempt: int = 0,
        time_in_force: str | None = None,
    ) -> ExecuteOrder:
        return build_order(
            symbol=await self.symbol_of(order.trading_pair),
            client_id=(
                self._order_tracker.assign_client_id(order, attempt)
                if attempt
                else self._order_tracker.client_id_of(order)
            ),
            trade_type=order.trade_type,
            order_type=order.order_type,
            amount=order.amount,
            price=order.price,
            redeem_lent=self._has_lent(order),
            time_in_force=time_in_force,
        )

    async def _resolve(
        self, order: InFlightOrder, request: ExecuteOrder, error: BackpackError
    ) -> OrderReport:
        """Find out what became of an order whose request got no definite answer."""
        self.logger().warning(
            f"It is not known whether Backpack accepted order {order.client_order_id} ({error}). "
            "It stays tracked and is being looked up."
        )
        self._unknown.add(order.client_order_id)
        try:
            return await self._search(order, request, error)
        finally:
            self._unknown.discard(order.client_order_id)

    async def _search(
        self, order: InFlightOrder, request: ExecuteOrder, error: BackpackError
    ) -> OrderReport:
        certain_s = time.monotonic() + UNKNOWN_ORDER_PATIENCE_S
        for delay_s in chain(UNKNOWN_ORDER_RETRY_S, repeat(UNKNOWN_ORDER_RETRY_S[-1])):
            await self._sleep(delay_s)
            if order.exchange_order_id is not None:
                # A stream event or a poll has found it meanwhile, and has applied its state.
                return OrderReport(
                    exchange_order_id=order.exchange_order_id,
                    client_id=request.client_id,
                    status=OrderStatus.NEW,
                    executed_amount=order.executed_amount_base,
                    timestamp_s=self._time_synchronizer.time(),
                )
            asked_s = time.monotonic()
            try:
                found = await self._look_up(request)
            except asyncio.CancelledError:
                raise
            # Whatever goes wrong in a look-up, it is no evidence that ends an order.
            except Exception as e:  # noqa: BLE001
                self.logger().debug("Order %s not looked up: %s", order.client_order_id, e)
                continue
            if found is not None:
                self.logger().info(f"Order {order.client_order_id} was found on Backpack.")
                return found
            if asked_s > certain_s:
                break
        # Should it appear after all, it must still be known as ours.
        self._order_tracker.give_up(order)
        raise NeverArrived(error) from error

    async def _look_up(self, request: ExecuteOrder) -> OrderReport | None:
        """The order that a request placed, open or ended; ``None`` if there certainly is none."""
        try:
            order = await self.rest.send(
                GetOrder(symbol=request.symbol, client_id=request.client_id)
            )
        except OrderNotFound:
            rows = await self._recent_orders()
            found = next((r for r in rows.read if is_placed_by(r, request)), None)
            if found is not None:
                return report_of_history(found)
            if rows.unreadable:
                raise rows.unreadable[0].error from None  # it may be this one
            self._check_reach(rows)
            return None
        return report_of_order(order) if is_placed_by(order, request) else None

    def _check_reach(self, rows: Rows[HistoricOrder]) -> None:
        """Check that a page of the latest orders reaches back behind any that is looked up.

        Raises:
            DecodeError: it does not, so an order that is not on it may exist.
        """
        since_ms = (self._time_synchronizer.time() - _LOOK_BACK_S) * 1000
        if len(rows.read) >= HISTORY_PAGE and milliseconds(rows.read[-1].created_at_utc) > since_ms:
            reason = f"more than {HISTORY_PAGE} orders in {_LOOK_BACK_S:.0f} s"
            raise DecodeError(GetOrderHistory.path, reason, b"")

    async def _recent_orders(self) -> Rows[HistoricOrder]:
        """The account's latest orders, asked after now.

        However many orders are looked up, they share these requests: only 30 a minute are allowed,
        and fills need some of them.
        """
        if self._recent_request is None:
            self._recent_request = asyncio.ensure_future(self._ask_recent_orders())
        return await asyncio.shield(self._recent_request)

    async def _ask_recent_orders(self) -> Rows[HistoricOrder]:
        pause_s = self._recent_asked_s + _LOOK_UP_PAUSE_S - time.monotonic()
        await self._sleep(max(pause_s, _SHARED_LOOK_UP_S))
        self._recent_asked_s = time.monotonic()
        self._recent_request = None  # who comes from now on needs a later answer
        return await self.rest.send_rows(GetOrderHistory(limit=HISTORY_PAGE))

    @override
    def _on_order_failure(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal | None,
        exception: Exception,
        **kwargs: Any,
    ) -> None:
        # Hummingbot's wording, by which its users search their logs; the reason follows in plain
        # words.
        self.logger().network(
            f"Error submitting {trade_type.name.lower()} {order_type.name.upper()} order to "
            f"{self.name_cap} for {amount} {trading_pair} {price}."
        )
        self.logger().warning(f"Order {order_id} was not placed: {exception}")
        self._update_order_after_failure(order_id, trading_pair, exception)

    # === cancelling

    @override
    async def cancel_all(self, timeout_seconds: float) -> list[CancellationResult]:
        """Cancel every order and see it through: at a stop Hummingbot drops the connector next.

        An order on its way to the exchange is cancelled when it has arrived, and of one that was
        filled before its cancellation came the fills are recorded.

        Args:
            timeout_seconds: for all of it.

        Returns:
            For each order that was open, whether this cancelled it.
        """
        orders = [order for order in self.in_flight_orders.values() if not order.is_done]
        cancelled: set[str] = set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await asyncio.gather(
                    *(self._cancel_arrived(order, cancelled) for order in orders),
                    return_exceptions=True,
                )
                await self._settle_cancelled(orders)
        return [
            CancellationResult(order.client_order_id, order.client_order_id in cancelled)
            for order in orders
        ]

    async def _cancel_arrived(self, order: InFlightOrder, cancelled: set[str]) -> None:
        while order.client_order_id in self._placing:
            if order.client_order_id in self._unknown and order.exchange_order_id is None:
                # It may rest there: a cancellation by its client id harms nothing if it does not.
                await self._execute_order_cancel(order)
                # Not ten times a second: each answer costs a request and a line in the log.
                await self._sleep(_UNKNOWN_CANCEL_PAUSE_S)
            await self._sleep(_SETTLE_S)
        if not order.is_done and await self._execute_order_cancel(order) is not None:
            cancelled.add(order.client_order_id)

    async def _settle_cancelled(self, orders: list[InFlightOrder]) -> None:
        while left := [order for order in orders if not order.is_done]:
            try:
                await self._update_order_status()
            # At a stop one order that makes trouble must not keep the rest from being told.
            except Exception:  # noqa: BLE001
                self.logger().exception("The state of the orders could not be asked.")
                return
            if not any(order.is_pending_cancel_confirmation for order in left):
                return
            await self._sleep(_SETTLE_S)

    @override
    async def _place_cancel(self, order_id: str, tracked_order: InFlightOrder) -> bool:
        return await self._execute_order_cancel(tracked_order) is not None

    @override
    async def _execute_order_cancel(self, order: InFlightOrder) -> str | None:
        try:
            reply = await self.rest.send(await self._cancel_request_of(order))
        except OrderNotFound:
            self.logger().warning(
                f"Failed to cancel order {order.client_order_id} (order not found)"
            )
            # It has ended, or is still on its way to the exchange: the history tells.
            self._order_tracker.suspect(order)
            self.request_reconciliation()
            return None
        except (BackpackError, ValueError) as e:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {e}")
            self.request_reconciliation()
            return None
        if reply is None:
            # 202: accepted, not yet executed. The stream or the next poll tells when it is.
            if not order.is_pending_create:  # else nobody would be told that it was created
                await self._order_tracker.apply(
                    OrderUpdate(
                        trading_pair=order.trading_pair,
                        update_timestamp=self.current_timestamp,
                        new_state=OrderState.PENDING_CANCEL,
                        client_order_id=order.client_order_id,
                    )
                )
            self.request_reconciliation()
        else:
            await self._apply_report(order, report_of_order(reply))
        return order.client_order_id

    async def _cancel_request_of(self, order: InFlightOrder) -> CancelOrder:
        symbol = await self.listed_symbol_of(order.trading_pair)
        if order.exchange_order_id is not None:
            return CancelOrder(symbol=symbol, order_id=order.exchange_order_id)
        # Another bot of the same account may use the client id of an order that never arrived.
        look_up = GetOrder(symbol=symbol, client_id=self._order_tracker.client_id_of(order))
        found = await self.rest.send(look_up)
        if not is_order_of(found, order):
            raise OrderNotFound(look_up.name, 200, None, "the order of that client id is another")
        return CancelOrder(symbol=symbol, order_id=found.id)

    # === what a report means for an order

    async def _apply_report(
        self, order: InFlightOrder, report: OrderReport, *, fills_loaded: bool = False
    ) -> None:
        """Bring an order to the state that the exchange reports, its fills first.

        An order does not end before every fill that the exchange counts is recorded; the next poll
        tries again.
        """
        if order.is_pending_create and report.status is not OrderStatus.NEW:
            await self._on_first_word(order, report)
        if report.lacks_reason:
            report = await self._with_reason(report)
        if not fills_loaded and order.executed_amount_base < report.executed_amount:
            await self._complete_fills(order, report.executed_amount)
        is_complete = (
            order.executed_amount_base >= report.executed_amount
            or order.completely_filled_event.is_set()
        )
        if report.status.is_terminal and not is_complete:
            self.logger().warning(
                f"Order {order.client_order_id} has ended on Backpack ({report.status}), but not "
                "all of its fills "
                "could be loaded yet. It stays tracked until they are."
            )
            self.request_reconciliation()
            return
        if report.reason is not None and order.is_open:
            self.logger().warning(f"Backpack ended order {order.client_order_id}: {report.reason}.")
        await self._order_tracker.apply(report.to_order_update(order))

    async def _with_reason(self, report: OrderReport) -> OrderReport:
        """The same with why the order expired, which only events and the history say."""
        order_id = report.exchange_order_id
        try:
            rows = await self.rest.send_rows(GetOrderHistory(order_id=order_id))
        except BackpackError as e:
            self.logger().debug("Why order %s expired could not be asked: %s", order_id, e)
            return report
        return next((report_of_history(row) for row in rows.read if row.id == order_id), report)

    async def _complete_fills(self, order: InFlightOrder, amount: Decimal) -> None:
        """Record fills up to `amount` (base units).

        From the stream if it is up, else from the history.
        """
        if self.is_user_stream_up and await self._order_tracker.wait_executed(
            order, amount, _FILL_GRACE_S
        ):
            return
        await self._update_orders_fills([order])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background, until it is done or the network stops."""
        task: asyncio.Task[None] = safe_ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def trackable(amount: Decimal) -> Decimal:
    """What Hummingbot can compare: it takes a negative amount for filled, and trips over NaN."""
    return amount if _is_sane(amount) else Decimal(0)


def _is_sane(number: Decimal) -> bool:
    return number.is_finite() and 0 < number < _LARGEST_NUMBER
