"""What became of an order whose request got no definite answer.

Only definite evidence ends an order: it is looked up by its client id until it is found, or is
absent from open orders and history after every request that could still create it has expired.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from itertools import chain, repeat

from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.logger import HummingbotLogger

from .api.endpoints import ExecuteOrder, GetOrder
from .api.errors import BackpackError, OrderNotFound, Outcome
from .api.models import HistoricOrder, OrderStatus
from .api.replies import Rows
from .backpack_constants import UNKNOWN_ORDER_PATIENCE_S, UNKNOWN_ORDER_RETRY_S
from .backpack_history import latest_orders
from .backpack_order_tracker import BackpackOrderTracker
from .backpack_translation import OrderReport, is_placed_by, report_of_history, report_of_order
from .backpack_web_utils import RestClient

# So long a look-up waits for others to share its request.
_SHARED_LOOK_UP_S = 0.1
# Between two questions for the latest orders.
_LOOK_UP_PAUSE_S = 4.0


class NeverArrived(BackpackError):
    """An order of unknown fate was looked for until it could not exist any more."""

    outcome = Outcome.REJECTED

    def __init__(self, error: BackpackError) -> None:
        super().__init__(
            f"{str(error).rstrip('.')}; afterwards it was neither among the open orders nor in the "
            "history, so Backpack never accepted it."
        )


class UnknownOrders:
    """Looks for orders of unknown fate; as a collection, the client order ids looked for now.

    Args:
        rest: asks the exchange.
        tracker: remembers orders that are given up.
        time_s: the exchange's time in seconds since the epoch.
        not_before_ms: a time before which an order was certainly not made, by the exchange's clock.
        logger: of the connector.
        sleep: the connector's.
    """

    def __init__(
        self,
        rest: RestClient,
        tracker: BackpackOrderTracker,
        time_s: Callable[[], float],
        not_before_ms: Callable[[InFlightOrder], float],
        logger: HummingbotLogger,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._rest = rest
        self._tracker = tracker
        self._time_s = time_s
        self._not_before_ms = not_before_ms
        self._logger = logger
        self._sleep = sleep
        self._names: set[str] = set()
        self._request: asyncio.Task[Rows[HistoricOrder]] | None = None
        self._asked_s = -math.inf
        self._since_ms = math.inf

    def __len__(self) -> int:
        """How many are being looked for."""
        return len(self._names)

    def __contains__(self, client_order_id: str) -> bool:
        """Whether an order is being looked for."""
        return client_order_id in self._names

    async def resolve(
        self, order: InFlightOrder, request: ExecuteOrder, error: BackpackError
    ) -> OrderReport:
        """Find out what became of an order whose request got no definite answer."""
        self._logger.warning(
            "It is not known whether Backpack accepted order %s (%s). It stays tracked and is "
            "being looked up.",
            order.client_order_id,
            error,
        )
        self._names.add(order.client_order_id)
        try:
            return await self._search(order, request, error)
        finally:
            self._names.discard(order.client_order_id)

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
                    timestamp_s=self._time_s(),
                )
            asked_s = time.monotonic()
            try:
                found = await self.look_up(order, request)
            except asyncio.CancelledError:
                raise
            # Whatever goes wrong in a look-up, it is no evidence that ends an order.
            except Exception as e:  # noqa: BLE001
                self._logger.debug("Order %s not looked up: %s", order.client_order_id, e)
                continue
            if found is not None:
                self._logger.info("Order %s was found on Backpack.", order.client_order_id)
                return found
            if asked_s > certain_s:
                break
        # Should it appear after all, it must still be known as ours.
        self._tracker.give_up(order)
        raise NeverArrived(error) from error

    async def look_up(self, order: InFlightOrder, request: ExecuteOrder) -> OrderReport | None:
        """The order that a request placed, open or ended; ``None`` if there certainly is none.

        Raises:
            BackpackError: that is not known.
        """
        try:
            found = await self._rest.send(
                GetOrder(symbol=request.symbol, client_id=request.client_id)
            )
        except OrderNotFound:
            rows = await self._orders_since(self._not_before_ms(order))
            row = next((r for r in rows.read if is_placed_by(r, request)), None)
            if row is not None:
                return report_of_history(row)
            for unreadable in rows.unreadable:
                if unreadable.may_have_client_id(request.client_id):
                    raise unreadable.error from None  # it may be this one
            return None
        return report_of_order(found) if is_placed_by(found, request) else None

    async def _orders_since(self, since_ms: float) -> Rows[HistoricOrder]:
        """The account's latest orders, asked after now and back to a time of the exchange's clock.

        However many orders are looked up, they share these requests: only 30 a minute are allowed,
        and fills need some of them.
        """
        self._since_ms = min(self._since_ms, since_ms)
        if self._request is None:
            self._request = asyncio.ensure_future(self._ask_orders())
        return await asyncio.shield(self._request)

    async def _ask_orders(self) -> Rows[HistoricOrder]:
        pause_s = self._asked_s + _LOOK_UP_PAUSE_S - time.monotonic()
        await self._sleep(max(pause_s, _SHARED_LOOK_UP_S))
        self._asked_s = time.monotonic()
        self._request = None  # who comes from now on needs a later answer
        since_ms, self._since_ms = self._since_ms, math.inf
        told: Rows[HistoricOrder] = Rows([], [])
        async for rows in latest_orders(self._rest, since_ms=since_ms):
            told.read.extend(rows.read)
            told.unreadable.extend(rows.unreadable)
        return told
