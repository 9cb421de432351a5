"""The exchange's single command engine: orders in, events out, one at a time.

Synchronous and deterministic: the clock is given, nothing is read or written, and the same
commands give the same events. A command that is refused changes nothing.

Events reach the sinks at the end of the command that caused them, before it returns, each (but a
touch with its depth) with a later time than the one before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from ..api.endpoints import ExecuteOrder
from ..api.models import Market, OrderBookState, Side, Symbol
from .accounts import Account, page
from .book import PriceLevel
from .desk import OutsideDesk
from .events import (
    EngineEvent,
    FillRecord,
    OrderEventKind,
    OrderRecord,
    Refusal,
    TradeEvent,
)
from .execution import Execution
from .matching import Plan, check_plan, plan_matches, worst_price
from .outside import OutsideMarket
from .rules import UNKNOWN_SYMBOL_TEXT, Intent, invalid_order, invalid_request
from .state import EngineState, remember, restore
from .venue import Venue

# About as many digits as recorded: order ids have 11, trade ids 9, update ids 10.
FIRST_ORDER_ID: Final = 60_000_000_001
FIRST_TRADE_ID: Final = 300_000_001
FIRST_UPDATE_ID: Final = 4_000_000_001


class Engine:
    """Markets, accounts, and the commands on them.

    `markets` are the markets by symbol as they are now, for reading.

    Args:
        markets: the markets of this exchange; only spot markets trade.
        clock_us: current time, microseconds since the epoch.
        first_order_id: id of the first order.
        first_trade_id: id of the first trade of each market.
        first_update_id: id of the first change of each book.
    """

    def __init__(
        self,
        markets: Iterable[Market],
        *,
        clock_us: Callable[[], int],
        first_order_id: int = FIRST_ORDER_ID,
        first_trade_id: int = FIRST_TRADE_ID,
        first_update_id: int = FIRST_UPDATE_ID,
    ) -> None:
        self._first_trade_id = first_trade_id
        self._first_update_id = first_update_id
        self._venues: dict[Symbol, Venue] = {}
        self.markets: dict[Symbol, Market] = {}
        self._execution = Execution(clock_us, first_order_id=first_order_id)
        self._accounts = self._execution.accounts
        self._outside = OutsideMarket(self._execution)
        self.list_markets(markets)

    @property
    def collected_fees(self) -> dict[str, Decimal]:
        """Asset to fees taken less rebates paid, in units of the asset."""
        return dict(self._execution.collected_fees)

    def subscribe(self, sink: Callable[[EngineEvent], None]) -> None:
        """Send every event to `sink` from now on."""
        self._execution.sinks.append(sink)

    # --- Accounts ---------------------------------------------------------------------------

    def open_account(
        self,
        account_id: str,
        balances: Mapping[str, Decimal],
        *,
        maker_fee_bps: Decimal,
        taker_fee_bps: Decimal,
        unlimited: bool = False,
    ) -> None:
        """Create an account with free `balances` (asset to quantity).

        An `unlimited` one provides liquidity: it is never short of funds, is not bound by the
        price bands, and has no private events and no history.

        Raises:
            ValueError: the id is taken, or a number makes no sense.
        """
        if account_id in self._accounts:
            msg = f"account {account_id!r} exists"
            raise ValueError(msg)
        account = Account(
            account_id,
            maker_fee_bps=maker_fee_bps,
            taker_fee_bps=taker_fee_bps,
            unlimited=unlimited,
        )
        for asset, quantity in balances.items():
            account.deposit(asset, quantity)
        self._accounts[account_id] = account

    def deposit(self, account_id: str, asset: str, quantity: Decimal) -> None:
        """Add `quantity` of `asset` to an account; a negative one is withdrawn.

        Raises:
            ValueError: not a finite number, more than 12 decimals, or 1E15 and above in all.
            Refusal: less than that is free.
        """
        account = self._accounts[account_id]
        account.deposit(asset, quantity)
        self._execution.tell_balance(account, asset)
        self._execution.flush()

    def balances(self, account_id: str) -> dict[str, tuple[Decimal, Decimal]]:
        """Asset to ``(available, locked)`` in units of the asset; assets at zero are left out."""
        return self._accounts[account_id].balances()

    def fees_bps(self, account_id: str) -> tuple[Decimal, Decimal]:
        """Maker and taker fee in basis points, negative for a rebate."""
        account = self._accounts[account_id]
        return account.maker_fee_bps, account.taker_fee_bps

    # --- Orders -----------------------------------------------------------------------------

    def check(self, account_id: str, order: ExecuteOrder) -> None:
        """Check what can be known of `order` from the market's rules alone.

        One order that fails this refuses a whole batch; what depends on the moment (funds, the
        book, other orders) is refused order by order.

        Raises:
            Refusal: see `place`.
        """
        self._accounts[account_id]  # an unknown account is the caller's mistake
        self._read(order)

    def place(self, account_id: str, order: ExecuteOrder) -> OrderRecord:
        """Place an order and match it.

        Returns:
            The order after matching, a copy: prices in quote per base, quantities in base units
            unless named otherwise, times in µs.

        Raises:
            Refusal: with the exchange's status, code and text; nothing has changed.
        """
        account = self._accounts[account_id]
        venue, intent = self._read(order)
        if intent.client_id is not None and account.by_client_id(intent.client_id) is not None:
            raise invalid_order(f"Order with client ID already exists: {intent.client_id}")
        # The rest of the world makes the market that the bands are measured from.
        venue.admit(intent, within_bands=not account.unlimited)
        filters = venue.market.filters
        bound = worst_price(venue.book, intent, filters.price)
        plan = plan_matches(venue.book, intent, account_id, bound, filters.quantity.step_size)
        check_plan(intent, plan, filters.quantity.min_quantity)
        account.check_funds(venue.market, intent.side, _most_paid(intent, plan))
        placed = self._execution.submit(account, venue, intent, plan)
        self._execution.flush()
        return replace(placed)

    def cancel(
        self,
        account_id: str,
        symbol: Symbol,
        *,
        order_id: int | None = None,
        client_id: int | None = None,
    ) -> OrderRecord:
        """Cancel an open order by exactly one of its ids; returns a copy as it ended.

        Raises:
            Refusal: no such open order.
        """
        # Sources differ on a missing order: the vendor's description has only 400 here, and the
        # body "Not Found" is what other connectors match.
        missing = Refusal(400, "RESOURCE_NOT_FOUND", "Not Found")
        order = self._find(account_id, symbol, order_id, client_id, missing)
        self._execution.take_out(self._venues[symbol], order, OrderEventKind.CANCELLED)
        self._execution.flush()
        return replace(order)

    def cancel_all(self, account_id: str, symbol: Symbol) -> list[OrderRecord]:
        """Cancel all open orders of a market, oldest first; returns copies as they ended.

        Raises:
            Refusal: unknown market.
        """
        venue = self._venue(symbol)
        orders = [o for o in self._accounts[account_id].open.values() if o.symbol == symbol]
        for order in orders:
            self._execution.take_out(venue, order, OrderEventKind.CANCELLED)
        self._execution.flush()
        return [replace(order) for order in orders]

    def open_orders(self, account_id: str, symbol: Symbol | None = None) -> list[OrderRecord]:
        """Copies of the open orders, oldest first.

        Raises:
            Refusal: unknown market.
        """
        if symbol is not None:
            self._venue(symbol)
        orders = self._accounts[account_id].open.values()
        return [replace(o) for o in orders if symbol is None or o.symbol == symbol]

    def open_order(
        self,
        account_id: str,
        symbol: Symbol,
        *,
        order_id: int | None = None,
        client_id: int | None = None,
    ) -> OrderRecord:
        """Copy of an open order by exactly one of its ids.

        Raises:
            Refusal: 404 if it is not open, whether finished or never seen.
        """
        missing = Refusal(404, "RESOURCE_NOT_FOUND", "Not Found")
        return replace(self._find(account_id, symbol, order_id, client_id, missing))

    def is_open(self, account_id: str, order_id: int) -> bool:
        """Whether the account has this order open."""
        return order_id in self._accounts[account_id].open

    def order_history(
        self,
        account_id: str,
        *,
        symbol: Symbol | None = None,
        order_id: int | None = None,
        limit: int = 100,
        offset: int = 0,
        ascending: bool = False,
    ) -> tuple[list[OrderRecord], int]:
        """A page of all orders, open and finished, newest first by default; copies.

        Returns:
            The page, and how many orders match in all.
        """
        rows, total = page(
            self._accounts[account_id].orders,
            lambda order: symbol in {None, order.symbol} and order_id in {None, order.order_id},
            limit=limit,
            offset=offset,
            ascending=ascending,
        )
        return [replace(order) for order in rows], total

    def fills(
        self,
        account_id: str,
        *,
        symbol: Symbol | None = None,
        order_id: int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
        offset: int = 0,
        ascending: bool = False,
    ) -> tuple[list[FillRecord], int]:
        """A page of the fills, newest first by default; the time bounds are inclusive.

        Returns:
            The page, and how many fills match in all.
        """
        return page(
            self._accounts[account_id].fills,
            lambda fill: (
                symbol in {None, fill.symbol}
                and order_id in {None, fill.order_id}
                and (from_ms is None or fill.time_us // 1000 >= from_ms)
                and (to_ms is None or fill.time_us // 1000 <= to_ms)
            ),
            limit=limit,
            offset=offset,
            ascending=ascending,
        )

    # --- Market data ------------------------------------------------------------------------

    def depth(self, symbol: Symbol, limit: int) -> tuple[list[PriceLevel], list[PriceLevel], int]:
        """The best `limit` levels a side: bids and asks, BOTH ascending, and the last update id.

        Raises:
            Refusal: unknown or closed market.
        """
        venue = self._venue(symbol)
        if venue.market.order_book_state is OrderBookState.CLOSED:
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Not Found")
        book = venue.book
        return book.bids.depth(limit), book.asks.depth(limit), book.last_update_id

    def best(self, symbol: Symbol) -> tuple[Decimal | None, Decimal | None]:
        """Best bid and ask price, ``None`` for an empty side."""
        book = self._venue(symbol).book
        bid, ask = book.bids.best(), book.asks.best()
        return bid and bid[0], ask and ask[0]

    def trades(self, symbol: Symbol, limit: int, offset: int = 0) -> list[TradeEvent]:
        """Latest public trades, newest first; the last 2000 are kept."""
        newest_first = list(reversed(self._venue(symbol).trades))
        return newest_first[offset : offset + limit]

    def last_price(self, symbol: Symbol) -> Decimal | None:
        """Price of the last trade, ``None`` before the first."""
        return self._venue(symbol).last_price

    # --- Operation --------------------------------------------------------------------------

    def set_order_book_state(self, symbol: Symbol, state: OrderBookState) -> None:
        """Change what a market accepts; resting orders stay and can be cancelled."""
        venue = self._venue(symbol)
        venue.set_state(state)
        self.markets[symbol] = venue.market

    def list_markets(self, markets: Iterable[Market]) -> None:
        """Have exactly these markets, with these rules and states, in this order.

        Books stay. One that is not named goes, unless it has been used: then it is listed last.
        """
        wanted = {market.symbol: market for market in markets}
        for symbol, market in wanted.items():
            if symbol in self._venues:
                self._venues[symbol].relist(market)
            else:
                self._venues[symbol] = Venue(
                    market,
                    first_trade_id=self._first_trade_id,
                    first_update_id=self._first_update_id,
                )
        used = {order.symbol for a in self._accounts.values() for order in a.orders}
        used |= {symbol for symbol, venue in self._venues.items() if venue.book.is_used}
        for symbol in [s for s in self._venues if s not in wanted and s not in used]:
            del self._venues[symbol]
        self.markets.clear()  # not a new one: others hold it
        self.markets.update((symbol, self._venues[symbol].market) for symbol in wanted)
        self.markets.update((symbol, venue.market) for symbol, venue in self._venues.items())

    def outside(self, symbol: Symbol) -> OutsideDesk:
        """The commands on other people's liquidity in a market that mirrors another one.

        Raises:
            Refusal: unknown market.
        """
        return OutsideDesk(self._outside, self._execution, self._venue(symbol))

    def set_level(self, symbol: Symbol, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Make other people's liquidity at `price` exactly `quantity` (base units, absolute).

        What would cross a resting order of an account trades with it first; other people's own
        liquidity that it would cross is out of date and goes.

        Raises:
            ValueError: a number that no level can have.
        """
        self._outside.set_level(self._venue(symbol), side, price, quantity)
        self._execution.flush()

    def print_trade(
        self, symbol: Symbol, price: Decimal, quantity: Decimal, taker_side: Side
    ) -> None:
        """Print a trade of other people at `price`, for `quantity` in base units.

        Orders of our accounts at a better price would have been taken first, and are.
        """
        self._outside.print_trade(self._venue(symbol), price, quantity, taker_side)
        self._execution.flush()

    def set_next_update_id(self, symbol: Symbol, update_id: int) -> None:
        """Number the next change of the book `update_id`, to continue a recorded stream."""
        self._venue(symbol).book.last_update_id = update_id - 1

    # --- Restart ------------------------------------------------------------------------------

    def state(self, account_ids: Iterable[str]) -> EngineState:
        """What has to be remembered of these accounts."""
        accounts = [self._accounts[account_id] for account_id in account_ids]
        return remember(accounts, self._venues, self._execution)

    def restore(self, state: EngineState) -> None:
        """Give accounts that are open here what they had; before anybody trades.

        Accounts of the state that are not open here are passed over.
        """
        unlisted = [market for market in state.markets if market.symbol not in self.markets]
        self.list_markets([*self.markets.values(), *unlisted])
        restore(state, self._venues, self._execution)

    def _venue(self, symbol: Symbol) -> Venue:
        venue = self._venues.get(symbol)
        if venue is None:
            raise invalid_request("Invalid market symbol")
        return venue

    def _read(self, order: ExecuteOrder) -> tuple[Venue, Intent]:
        venue = self._venues.get(order.symbol)
        if venue is None:
            raise Refusal(400, None, UNKNOWN_SYMBOL_TEXT)
        return venue, venue.rules.read(order)

    def _find(
        self,
        account_id: str,
        symbol: Symbol,
        order_id: int | None,
        client_id: int | None,
        missing: Refusal,
    ) -> OrderRecord:
        self._venue(symbol)
        account = self._accounts[account_id]
        if order_id is not None and client_id is None:
            order = account.open.get(order_id)
        elif client_id is not None and order_id is None:
            order = account.by_client_id(client_id)
        else:
            raise invalid_request("Must specify either `clientId` or `orderId`")
        if order is None or order.symbol != symbol:
            raise missing
        return order


def _most_paid(intent: Intent, plan: Plan) -> Decimal:
    """What an order needs at most: an ask base units, a bid quote units.

    A limit bid locks its whole value, a market bid pays what it meets.
    """
    if intent.side is Side.ASK:
        return plan.target
    return plan.cost if intent.price is None else intent.price * plan.target
