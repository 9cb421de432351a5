"""Placing and cancelling: an order is never lost, and a write is never repeated blindly.

Only definite evidence ends an order. After a time-out, a cut, a 5xx, a 429 or an unreadable reply
its fate is unknown: it stays tracked and is looked up by its client id until it is found, or is
absent from open orders and history after every request that could still create it has expired.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any, override

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
    DuplicateClientId,
    OrderNotFound,
    Outcome,
)
from .api.models import OrderStatus
from .backpack_order_checks import TIME_IN_FORCE, OrderChecks
from .backpack_order_tracker import BackpackOrderTracker
from .backpack_translation import (
    OrderReport,
    build_order,
    is_order_of,
    report_of_history,
    report_of_order,
)
from .backpack_unknown_orders import UnknownOrders

_CLIENT_ID_ATTEMPTS = 5
_UNKNOWN_CANCEL_PAUSE_S = 1.0
_FILL_GRACE_S = 2.0
_SETTLE_S = 0.1


class OrderLifecycle(OrderChecks):
    """The part of the connector that writes."""

    _order_tracker: BackpackOrderTracker
    _unknown: UnknownOrders

    # === placing

    @override
    async def _place_order_and_process_update(self, order: InFlightOrder, **kwargs: Any) -> str:
        self._placing.add(order.client_order_id)
        try:
            # Hummingbot has no word for it; programs may give it to `buy` and `sell`.
            report = await self._submit(order, kwargs.get(TIME_IN_FORCE))
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
                    found = await self._unknown.look_up(order, request)
                except BackpackError as unanswered:
                    return await self._unknown.resolve(order, request, unanswered)
                if found is not None:
                    return found
                duplicate = e
            except BackpackError as e:
                if e.outcome is Outcome.REJECTED:
                    raise
                return await self._unknown.resolve(order, request, e)
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
        # Taken for failed, but open on the exchange.
        lost = list(self._order_tracker.lost_orders.values())
        cancelled: set[str] = set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await asyncio.gather(
                    *(self._cancel_arrived(order, cancelled) for order in orders),
                    *(self._execute_order_cancel(order) for order in lost),
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
                if await self._execute_order_cancel(order) is not None:
                    cancelled.add(order.client_order_id)
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
