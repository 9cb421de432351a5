"""Several orders with one request, under the same rules as one."""

import asyncio
from decimal import Decimal
from itertools import batched
from typing import override

from hummingbot.connector.utils import get_new_client_order_id
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.market_order import MarketOrder
from hummingbot.core.utils.async_utils import safe_ensure_future

from .api.endpoints import MAX_BATCH_ORDERS, ExecuteOrder, ExecuteOrders
from .api.errors import BackpackError, DecodeError, DuplicateClientId, Outcome, refusal
from .api.models import PlacedOrder
from .backpack_order_checks import trackable
from .backpack_order_lifecycle import OrderLifecycle
from .backpack_translation import report_of_order


class OrderBatches(OrderLifecycle):
    """The part of the connector that places several orders at once."""

    @override
    def batch_order_create(
        self, orders_to_create: list[LimitOrder | MarketOrder]
    ) -> list[LimitOrder | MarketOrder]:
        """Place orders with as few requests as possible; each comes back with its id."""
        named = [self._with_new_id(order) for order in orders_to_create]
        # Not with the tasks that end with the network: what was sent must be brought to its end.
        safe_ensure_future(self._create_batch(named))
        return named

    def _with_new_id(self, order: LimitOrder | MarketOrder) -> LimitOrder | MarketOrder:
        order_id = get_new_client_order_id(
            is_buy=order.is_buy,
            trading_pair=order.trading_pair,
            hbot_order_id_prefix=self.client_order_id_prefix,
            max_id_len=self.client_order_id_max_length,
        )
        if isinstance(order, LimitOrder):
            return LimitOrder(
                client_order_id=order_id,
                trading_pair=order.trading_pair,
                is_buy=order.is_buy,
                base_currency=order.base_currency,
                quote_currency=order.quote_currency,
                price=order.price,
                quantity=order.quantity,
                filled_quantity=order.filled_quantity,
                creation_timestamp=order.creation_timestamp,
                status=order.status,
            )
        return MarketOrder(
            order_id=order_id,
            trading_pair=order.trading_pair,
            is_buy=order.is_buy,
            base_asset=order.base_asset,
            quote_asset=order.quote_asset,
            amount=order.amount,
            timestamp=order.timestamp,
        )

    async def _create_batch(self, orders: list[LimitOrder | MarketOrder]) -> None:
        tracked = [t for order in orders if (t := self._track_batched(order)) is not None]
        # All of them from the start: a poll must not look for those of a later request, nor a stop
        # overlook them.
        names = {order.client_order_id for order in tracked}
        self._placing |= names
        try:
            for chunk in batched(tracked, MAX_BATCH_ORDERS):
                await self._submit_batch(list(chunk))
        finally:
            self._placing -= names

    def _track_batched(self, order: LimitOrder | MarketOrder) -> InFlightOrder | None:
        """Start tracking one order of a batch; an impossible one fails at once."""
        is_limit = isinstance(order, LimitOrder)
        order_id = order.client_order_id if is_limit else order.order_id
        order_type = OrderType.LIMIT if is_limit else OrderType.MARKET
        trade_type = TradeType.BUY if order.is_buy else TradeType.SELL
        amount = order.quantity if is_limit else order.amount
        price = order.price if is_limit else Decimal("NaN")
        pair = order.trading_pair
        problem = self._problem_of(pair, amount, trade_type, order_type, price)
        if problem is None:
            amount = self.quantize_order_amount(pair, amount)
            price = self.quantize_order_price(pair, price) if is_limit else price
        self.start_tracking_order(
            order_id=order_id,
            exchange_order_id=None,
            trading_pair=pair,
            trade_type=trade_type,
            price=price,
            amount=trackable(amount),
            order_type=order_type,
        )
        if problem is not None:
            self._on_order_failure(
                order_id, pair, amount, trade_type, order_type, price, ValueError(problem)
            )
            return None
        return self._order_tracker.fetch_tracked_order(order_id)

    async def _submit_batch(self, orders: list[InFlightOrder]) -> None:
        sent: list[tuple[InFlightOrder, ExecuteOrder]] = []
        for order in orders:
            try:
                sent.append((order, await self._request_of(order)))
            except (BackpackError, ValueError) as e:
                self._placing.discard(order.client_order_id)
                self._fail(order, e)
        if not sent:
            return
        batch = ExecuteOrders(orders=tuple(request for _, request in sent))
        try:
            results = await self.rest.send(batch)
            if len(results) != len(sent):
                raise DecodeError(batch.name, f"{len(results)} results, not {len(sent)}", b"")
        except BackpackError as e:
            await asyncio.gather(*(self._settle_batched(*pair, e) for pair in sent))
            return
        unsettled = []
        for (order, request), result in zip(sent, results, strict=True):
            if isinstance(result, PlacedOrder):
                self._placing.discard(order.client_order_id)
                await self._on_placed(order, report_of_order(result))
                continue
            error = refusal(batch.name, result.code, result.message)
            if error.outcome is Outcome.UNKNOWN or isinstance(error, DuplicateClientId):
                unsettled.append(self._settle_batched(order, request, error))
            else:
                self._placing.discard(order.client_order_id)
                self._fail(order, error)
        await asyncio.gather(*unsettled)

    async def _settle_batched(
        self, order: InFlightOrder, request: ExecuteOrder, error: BackpackError
    ) -> None:
        """One order of a batch that got no answer, or was refused as a whole for one in it."""
        try:
            if error.outcome is Outcome.REJECTED:
                # Nothing of the batch was executed, so sending each alone repeats nothing.
                report = await self._submit(order)
            else:
                report = await self._unknown.resolve(order, request, error)
        except BackpackError as e:
            self._fail(order, e)
        else:
            await self._on_placed(order, report)
        finally:
            self._placing.discard(order.client_order_id)

    def _fail(self, order: InFlightOrder, error: Exception) -> None:
        self._on_order_failure(
            order.client_order_id,
            order.trading_pair,
            order.amount,
            order.trade_type,
            order.order_type,
            order.price,
            error,
        )
