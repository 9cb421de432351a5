"""The private operations of the REST interface: orders, funds and histories of one account.

Source: vendor's interface description; recorded replies for everything it does not say.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal

from ..api.endpoints import MAX_PAGE
from ..api.models import FillType, MarketType, SortDirection
from . import wire_account
from .engine import Engine
from .events import OrderRecord, Refusal
from .gateway import Request, Route, Routes
from .payloads import OrderReference, Payload, order_reference, parse_order
from .replies import Reply, json_reply, not_found
from .requests import unreadable
from .wire import Json

_DEFAULT_PAGE = 100
_MAX_OFFSET = 10**9


class AccountOperations:
    """Orders, funds and histories of the account that signed.

    Args:
        engine: takes the orders.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._markets = engine.markets  # for names, ticks and steps, which never change

    def routes(self) -> Routes:
        """The operations by path and method."""
        return {
            "/api/v1/account": {"GET": _query("accountQuery", self._account)},
            "/api/v1/capital": {"GET": _query("balanceQuery", self._capital)},
            "/api/v1/capital/collateral": {"GET": _query("collateralQuery", self._collateral)},
            "/api/v1/borrowLend/positions": {"GET": _query("borrowLendPositionQuery", _nothing)},
            "/api/v1/position": {"GET": _query("positionQuery", self._position)},
            "/wapi/v1/capital/deposits": {"GET": _query("depositQueryAll", _nothing)},
            "/wapi/v1/capital/withdrawals": {"GET": _query("withdrawalQueryAll", _nothing)},
            "/api/v1/order": {
                "GET": _query("orderQuery", self._order),
                "POST": _command("orderExecute", "OrderExecutePayload", self._execute),
                "DELETE": _command("orderCancel", "OrderCancelPayload", self._cancel),
            },
            "/api/v1/orders": {
                "GET": _query("orderQueryAll", self._orders),
                "POST": Route(
                    answer=self._execute_batch,
                    instruction="orderExecute",
                    body="OrderExecutePayload",
                    is_batch=True,
                ),
                "DELETE": _command("orderCancelAll", "OrderCancelAllPayload", self._cancel_all),
            },
            "/wapi/v1/history/fills": {"GET": _history("fillHistoryQueryAll", self._fills)},
            "/wapi/v1/history/orders": {
                "GET": _history("orderHistoryQueryAll", self._order_history)
            },
        }

    # --- account ---

    def _account(self, request: Request) -> Reply:
        fees_bps = self._engine.fees_bps(request.account_id)
        return json_reply(
            wire_account.account(fees_bps, len(self._engine.open_orders(request.account_id)))
        )

    def _capital(self, request: Request) -> Reply:
        return json_reply(wire_account.balances(self._engine.balances(request.account_id)))

    def _collateral(self, request: Request) -> Reply:
        prices = {"USDC": Decimal(1)}
        for market in self._markets.values():
            price = self._engine.last_price(market.symbol)
            if market.quote_symbol == "USDC" and price is not None:
                prices.setdefault(market.base_symbol, price)
        return json_reply(
            wire_account.collateral(self._engine.balances(request.account_id), prices)
        )

    def _position(self, request: Request) -> Reply:
        if request.query.optional_symbol(self._markets) is not None:
            raise not_found()
        return json_reply([])

    # --- orders ---

    def _order(self, request: Request) -> Reply:
        query = request.query
        symbol = query.symbol(self._markets)
        client_id = query.integer("clientId", minimum=0)
        which = order_reference(symbol, query.text("orderId"), client_id)
        record = self._engine.open_order(
            request.account_id, symbol, order_id=which.order_id, client_id=which.client_id
        )
        return self._show(record)

    def _orders(self, request: Request) -> Reply:
        symbol = request.query.optional_symbol(self._markets)
        wanted = request.query.choice("marketType", MarketType)
        rows = self._engine.open_orders(request.account_id, symbol)
        return self._show_all(rows, [] if wanted is None else [wanted])

    def _execute(self, request: Request) -> Reply:
        order = parse_order(request.payload, self._markets)
        return self._show(self._engine.place(request.account_id, order))

    def _execute_batch(self, request: Request) -> Reply:
        orders = [parse_order(values, self._markets) for values in request.batch]
        for order in orders:
            # One order that can never be right refuses the whole batch before any is placed.
            self._engine.check(request.account_id, order)
        results: list[Json] = []
        for order in orders:
            try:
                record = self._engine.place(request.account_id, order)
            except Refusal as e:
                results.append(wire_account.batch_refused(e.code, e.message))
            else:
                results.append(wire_account.batch_placed(record, self._markets[record.symbol]))
        return json_reply(results)

    def _cancel(self, request: Request) -> Reply:
        payload = Payload(request.payload, "OrderCancelPayload")
        which = self._reference(payload)
        record = self._engine.cancel(
            request.account_id, which.symbol, order_id=which.order_id, client_id=which.client_id
        )
        return self._show(record)

    def _reference(self, payload: Payload) -> OrderReference:
        symbol = payload.symbol(self._markets)
        return order_reference(symbol, payload.text("orderId"), payload.client_id())

    def _cancel_all(self, request: Request) -> Reply:
        payload = Payload(request.payload, "OrderCancelAllPayload")
        symbol = payload.symbol(self._markets)
        kind = payload.text("orderType")
        if kind not in {None, "RestingLimitOrder", "ConditionalOrder"}:
            reason = unreadable("CancelOrderType", "Expect a valid enumeration value.")
            raise payload.refusal(reason)
        if kind == "ConditionalOrder":
            return json_reply([])
        return self._show_all(self._engine.cancel_all(request.account_id, symbol))

    def _show(self, record: OrderRecord) -> Reply:
        return json_reply(wire_account.order(record, self._markets[record.symbol]))

    def _show_all(
        self, records: Iterable[OrderRecord], types: list[MarketType] | None = None
    ) -> Reply:
        rows = [(record, self._markets[record.symbol]) for record in records]
        shown = [
            wire_account.order(record, market)
            for record, market in rows
            if not types or market.market_type in types
        ]
        return json_reply(shown)

    # --- history ---

    def _fills(self, request: Request) -> Reply:
        page = _Page(request)
        query = request.query
        fill_type = query.choice("fillType", FillType)
        if page.excludes_spot or fill_type not in {None, FillType.USER}:
            return page.reply([], 0)
        rows, total = self._engine.fills(
            request.account_id,
            symbol=query.optional_symbol(self._markets),
            order_id=page.order_id,
            from_ms=query.integer("from"),
            to_ms=query.integer("to"),
            limit=page.limit,
            offset=page.offset,
            ascending=page.ascending,
        )
        return page.reply([wire_account.fill(row) for row in rows], total)

    def _order_history(self, request: Request) -> Reply:
        page = _Page(request)
        if page.excludes_spot:
            return page.reply([], 0)
        rows, total = self._engine.order_history(
            request.account_id,
            symbol=request.query.optional_symbol(self._markets),
            order_id=page.order_id,
            limit=page.limit,
            offset=page.offset,
            ascending=page.ascending,
        )
        return page.reply(
            [wire_account.historic_order(row, self._markets[row.symbol]) for row in rows], total
        )


class _Page:
    """The part of a history that is asked for, and the headers that say where it lies."""

    def __init__(self, request: Request) -> None:
        query = request.query
        self.limit = query.integer("limit", minimum=1, maximum=MAX_PAGE) or _DEFAULT_PAGE
        self.offset = query.integer("offset", minimum=0, maximum=_MAX_OFFSET) or 0
        self.order_id = query.integer("orderId", minimum=0)
        direction = query.choice("sortDirection", SortDirection)
        self.ascending = direction is SortDirection.ASC
        market_types = query.choices("marketType", MarketType)
        # The local exchange trades spot markets only, so other histories are empty.
        self.excludes_spot = bool(market_types) and MarketType.SPOT not in market_types

    def reply(self, rows: list[Json], total: int) -> Reply:
        pages = -(-total // self.limit)
        headers = {
            "X-Current-Page": str(self.offset // self.limit + 1),
            "X-Page-Count": str(max(1, pages)),
            "X-Page-Size": str(self.limit),
            "X-Total": str(total),
        }
        return json_reply(rows, headers)


def _query(instruction: str, answer: Callable[[Request], Reply]) -> Route:
    return Route(answer=answer, instruction=instruction)


def _history(instruction: str, answer: Callable[[Request], Reply]) -> Route:
    return Route(answer=answer, instruction=instruction, is_history=True)


def _command(instruction: str, body: str, answer: Callable[[Request], Reply]) -> Route:
    return Route(answer=answer, instruction=instruction, body=body)


def _nothing(_: Request) -> Reply:
    return json_reply([])
