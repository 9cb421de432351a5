"""What a spot and a perpetual connector share: account, markets, fees, clock and health."""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING, override

from bidict import bidict

from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.data_type.trade_fee import TradeFeeBase, TradeFeeSchema
from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

from . import backpack_web_utils
from .api.endpoints import (
    GetAccount,
    GetMarkets,
    GetStatus,
    GetTicker,
    GetTickers,
    GetTime,
)
from .api.errors import (
    BackpackError,
    ClockSkewError,
    ExchangeUnavailable,
)
from .api.models import Account, HistoricOrder, Market, Symbol, SystemStatus
from .api.symbols import tradable_symbols, trading_pair_of
from .backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
from .backpack_api_user_stream_data_source import BackpackAPIUserStreamDataSource
from .backpack_auth import BackpackAuth
from .backpack_backoff import new_backoff
from .backpack_balances import AccountBalances
from .backpack_constants import (
    ORDER_ID_MAX_LENGTH,
    ORDER_ID_PREFIX,
    RATE_LIMITS,
)
from .backpack_environments import Environment
from .backpack_health import Health
from .backpack_order_book_tracker import BackpackOrderBookTracker
from .backpack_order_tracker import BackpackOrderTracker
from .backpack_throttler import BackpackThrottler
from .backpack_translation import to_trading_rule
from .backpack_utils import DEFAULT_FEES
from .backpack_web_utils import CachedTimeSynchronizer, RestClient, build_api_factory

if TYPE_CHECKING:
    from .api.replies import Rows

_BASIS_POINT = Decimal("0.0001")
_OK = 200
# Between two reconciliations of which the first asked for the second.
_RECONCILIATION_PAUSE_S = 1.0
# However many reasons there are to ask, history is limited to 30 requests a minute.
_LEAST_POLL_INTERVAL_S = 0.5
# For more pairs than this one request for all tickers is cheaper.
_SINGLE_TICKER_QUERIES = 2


class BackpackConnectorBase(AccountBalances):
    """A connector to one account of Backpack.

    Args:
        environment: which exchange.
        api_key: public key, base64; may be empty if `trading_required` is not set.
        api_secret: private key, base64.
        trading_pairs: Hummingbot's names of the pairs to follow.
        trading_required: False for public data only.
        balance_asset_limit: Hummingbot's limits of what may be used, by exchange and asset.
        rate_limits_share_pct: share of the exchange's request limits that this connector may use,
            per cent.

    Raises:
        CredentialsError: the keys cannot work; the message says why.
    """

    web_utils = backpack_web_utils

    # Open orders are one request for all, so a healthy connector may ask more often than
    # Hummingbot's 120 s.
    LONG_POLL_INTERVAL = 60.0

    def __init__(
        self,
        *,
        environment: Environment,
        api_key: str = "",
        api_secret: str = "",
        trading_pairs: list[str] | None = None,
        trading_required: bool = True,
        balance_asset_limit: dict[str, dict[str, Decimal]] | None = None,
        rate_limits_share_pct: Decimal = Decimal(100),
    ) -> None:
        self._environment = environment
        self._trading_pairs = [] if trading_pairs is None else trading_pairs
        self._trading_required = trading_required
        self._keys_auth = BackpackAuth(api_key, api_secret, self._exchange_time_s)
        self._account_key = api_key
        self._rate_limits_share_pct = rate_limits_share_pct
        self._account: Account | None = None
        self._listed_symbols: dict[str, Symbol] = {}
        self._placing: set[str] = set()
        self._unknown: set[str] = set()
        self._polled_s = -math.inf
        self._recent_request: asyncio.Task[Rows[HistoricOrder]] | None = None
        self._recent_asked_s = -math.inf
        self._clock_lock = asyncio.Lock()
        self._is_reconciliation_due = False
        self._background: set[asyncio.Task[None]] = set()
        self._markets_request: asyncio.Task[list[Market]] | None = None
        self._markets_refresh: asyncio.Task[None] | None = None
        super().__init__(balance_asset_limit, rate_limits_share_pct)
        self._time_synchronizer = CachedTimeSynchronizer()
        self._set_order_book_tracker(
            BackpackOrderBookTracker(self._orderbook_ds, self._trading_pairs, self.domain)
        )

    # === what Hummingbot asks of every connector

    @property
    @override
    def domain(self) -> str:
        return self.name

    @property
    @override
    def authenticator(self) -> AuthBase:
        return self._keys_auth

    @property
    def auth(self) -> BackpackAuth:
        """Signs for this account."""
        return self._keys_auth

    @property
    @override
    def rate_limits_rules(self) -> list[RateLimit]:
        return RATE_LIMITS

    @property
    @override
    def client_order_id_max_length(self) -> int:
        return ORDER_ID_MAX_LENGTH

    @property
    @override
    def client_order_id_prefix(self) -> str:
        return ORDER_ID_PREFIX

    @property
    @override
    def trading_rules_request_path(self) -> str:
        return GetMarkets.path

    @property
    @override
    def trading_pairs_request_path(self) -> str:
        return GetMarkets.path

    @property
    @override
    def check_network_request_path(self) -> str:
        return GetStatus.path

    @property
    @override
    def trading_pairs(self) -> list[str]:
        return self._trading_pairs

    @property
    @override
    def is_cancel_request_in_exchange_synchronous(self) -> bool:
        return True

    @property
    @override
    def is_trading_required(self) -> bool:
        return self._trading_required

    @override
    def supported_order_types(self) -> list[OrderType]:
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]

    @property
    def environment(self) -> Environment:
        """Which exchange this connector talks to."""
        return self._environment

    async def ws_url(self) -> str:
        """Address of the streams, of an exchange that runs."""
        await self._environment.start()
        return self._environment.ws_url

    @override
    def _create_web_assistants_factory(self) -> WebAssistantsFactory:
        # The base has made its own; both are kept in the same place, so nothing sees the other.
        self._throttler = BackpackThrottler(
            RATE_LIMITS,
            self._rate_limits_share_pct,
            account=f"{self._environment.name} {self._environment.rest_url} {self._account_key}",
        )
        self.rest = RestClient(
            self._environment,
            self._throttler,
            self._keys_auth,
            before_signing=self.ensure_clock,
            on_clock_skew=self._reset_clock,
        )
        return build_api_factory(self._throttler, self._keys_auth)

    @override
    def _create_order_book_data_source(self) -> OrderBookTrackerDataSource:
        return BackpackAPIOrderBookDataSource(self._trading_pairs, self)

    @override
    def _create_user_stream_data_source(self) -> UserStreamTrackerDataSource:
        return BackpackAPIUserStreamDataSource(self)

    @override
    def _create_order_tracker(self) -> BackpackOrderTracker:
        return BackpackOrderTracker(self)

    # === state of the connection

    @property
    def is_user_stream_up(self) -> bool:
        """Whether events of our orders and balances are coming."""
        return bool(self._user_stream_tracker.data_source.is_subscribed)

    @property
    def health(self) -> Health:
        """How well this connector is connected."""
        market = self._orderbook_ds.stream
        account = self._user_stream_tracker.data_source.stream
        latencies_s = self.rest.latencies_s
        return Health(
            market_age_s=market.age_s,
            account_age_s=account.age_s if self.is_user_stream_up else None,
            reconnects=max(market.connects - 1, 0) + max(account.connects - 1, 0),
            gaps=self._orderbook_ds.gaps,
            silences=self._orderbook_ds.silences,
            halted=tuple(self._orderbook_ds.halted_pairs),
            resyncs=self._orderbook_ds.resyncs,
            unknown_orders=len(self._unknown),
            refusals=self._throttler.refusals,
            clock_offset_ms=self._time_synchronizer.skew_ms,
            latency_ms=statistics.median(latencies_s) * 1000 if latencies_s else None,
        )

    @override
    def _is_user_stream_initialized(self) -> bool:
        return not self.is_trading_required or self.is_user_stream_up

    @override
    def _get_poll_interval(self, timestamp: float) -> float:
        quiet = self.is_user_stream_up and not self._unknown
        return self.LONG_POLL_INTERVAL if quiet else self.SHORT_POLL_INTERVAL

    def request_reconciliation(self) -> None:
        """Ask for the state of orders and balances now instead of at the next poll."""
        self._is_reconciliation_due = True
        self._poll_notifier.set()

    @override
    async def _status_polling_loop_fetch_updates(self) -> None:
        pause_s = self._polled_s + _LEAST_POLL_INTERVAL_S - time.monotonic()
        if pause_s > 0:
            await self._sleep(pause_s)
        self._polled_s = time.monotonic()
        self._is_reconciliation_due = False
        await super()._status_polling_loop_fetch_updates()
        if self._is_reconciliation_due:
            # Asked for while one was under way, so that one may have missed the reason. The base
            # forgets such a wish when it is done.
            self._spawn(self._reconcile_again())

    async def _reconcile_again(self) -> None:
        await self._sleep(_RECONCILIATION_PAUSE_S)
        self._poll_notifier.set()

    @override
    async def _make_network_check_request(self) -> None:
        status = await self.rest.send(GetStatus())
        if status.status is not SystemStatus.OK:
            raise ExchangeUnavailable(
                GetStatus().name, _OK, status.status, status.message or "maintenance"
            )

    @override
    async def stop_network(self) -> None:
        await super().stop_network()
        for task in self._background:
            task.cancel()

    # === clock

    def _exchange_time_s(self) -> float:
        return float(self._time_synchronizer.time())

    async def _server_time_ms(self) -> float:
        return float(await self.rest.send(GetTime()))

    async def ensure_clock(self) -> None:
        """Ask the exchange for its time unless that was done before."""
        if self._time_synchronizer.is_synchronized:
            return
        async with self._clock_lock:
            if not self._time_synchronizer.is_synchronized:
                await self._time_synchronizer.ask(self._server_time_ms)

    async def _reset_clock(self) -> None:
        """Forget old samples, which would dilute the new one, and ask again."""
        self._time_synchronizer.clear_time_offset_ms_samples()
        await self.ensure_clock()

    @override
    async def _update_time_synchronizer(self, pass_on_non_cancelled_error: bool = False) -> None:
        # The base logs a traceback for every time the network is down.
        try:
            await self._time_synchronizer.ask(self._server_time_ms)
        except BackpackError as e:
            self.logger().warning(f"The exchange's time could not be asked; the last stays: {e}")

    @override
    def _is_request_exception_related_to_time_synchronizer(
        self, request_exception: Exception
    ) -> bool:
        return isinstance(request_exception, ClockSkewError)

    async def _until_answered[R](self, ask: Callable[[], Awaitable[R]], what: str) -> R:
        """Ask until there is an answer.

        The base would ask twice a second, with a traceback each time.
        """
        backoff = new_backoff()
        while True:
            try:
                return await ask()
            except BackpackError as e:
                self.logger().warning(f"{what} could not be asked yet: {e}")
                await self._sleep(backoff.next_delay_s())

    # === markets

    async def symbol_of(self, trading_pair: str) -> Symbol:
        """The exchange's symbol of a pair.

        Raises:
            BackpackError: the market list cannot be loaded.
            ValueError: the exchange has no such market that is open for orders.
        """
        if not self.trading_pair_symbol_map_ready():
            self._initialize_trading_pair_symbols_from_exchange_info(await self._fetch_markets())
        try:
            return Symbol(await self.exchange_symbol_associated_to_pair(trading_pair))
        except KeyError:
            raise ValueError(self._unknown_pair(trading_pair)) from None

    async def listed_symbol_of(self, trading_pair: str) -> Symbol:
        """The same for orders that exist: their market may have closed since.

        Raises:
            BackpackError: the market list cannot be loaded.
            ValueError: the exchange has no such market at all.
        """
        try:
            return await self.symbol_of(trading_pair)
        except ValueError:
            symbol = self._listed_symbols.get(trading_pair)
            if symbol is None:
                raise
            return symbol

    def _unknown_pair(self, trading_pair: str) -> str:
        return (
            f"{trading_pair} is not a market of Backpack that is open for orders. Write it as "
            "BASE-QUOTE, such as "
            "SOL-USDC, and see `connect` and the exchange's market list for the names."
        )

    async def _fetch_markets(self) -> list[Market]:
        """The market list; callers at the same time share one request."""
        if self._markets_request is None or self._markets_request.done():
            self._markets_request = asyncio.ensure_future(self._request_markets())
        return await asyncio.shield(self._markets_request)

    async def _request_markets(self) -> list[Market]:
        rows = await self.rest.send_rows(GetMarkets())
        for row in rows.unreadable:
            self.logger().error(f"A market of Backpack is left out: {row.error}")
        return rows.read

    def refresh_markets(self) -> None:
        """Ask in the background which markets take orders, and by which rules."""
        if self._markets_refresh is None or self._markets_refresh.done():
            self._markets_refresh = self._spawn(self._update_trading_rules())

    @override
    async def _make_trading_rules_request(self) -> list[Market]:
        return await self._until_answered(self._fetch_markets, "The market list")

    @override
    async def _make_trading_pairs_request(self) -> list[Market]:
        return await self._fetch_markets()

    @override
    async def _format_trading_rules(self, exchange_info_dict: list[Market]) -> list[TradingRule]:
        offered = tradable_symbols(exchange_info_dict, self.market_type)
        return [
            to_trading_rule(market) for market in exchange_info_dict if market.symbol in offered
        ]

    @override
    def _initialize_trading_pair_symbols_from_exchange_info(
        self, exchange_info: list[Market]
    ) -> None:
        self._set_trading_pair_symbol_map(bidict(tradable_symbols(exchange_info, self.market_type)))
        self._listed_symbols.update(
            (trading_pair_of(market), market.symbol)
            for market in exchange_info
            if market.market_type is self.market_type
        )

    @override
    async def _get_last_traded_price(self, trading_pair: str) -> float:
        ticker = await self.rest.send(GetTicker(symbol=await self.listed_symbol_of(trading_pair)))
        return float("nan") if ticker is None else float(ticker.last_price)

    @override
    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        if len(trading_pairs) <= _SINGLE_TICKER_QUERIES:
            prices: dict[str, float] = await super().get_last_traded_prices(trading_pairs)
            return prices
        last = await self.get_last_prices()
        # A pair without a trade is told too: the tracker asks again at once for what is missing.
        return {pair: float(last.get(pair, "nan")) for pair in trading_pairs}

    async def get_last_prices(self) -> dict[str, Decimal]:
        """Last traded price of every pair that traded in the last 24 hours, in quote units."""
        tickers = await self.rest.send(GetTickers())
        pairs = await self.trading_pair_symbol_map()
        return {pairs[t.symbol]: t.last_price for t in tickers if t.symbol in pairs}

    # === fees

    def trade_fee_schema(self) -> TradeFeeSchema:
        """How fees are charged; the user's overrides are honoured."""
        schema: TradeFeeSchema = super().trade_fee_schema() or DEFAULT_FEES
        return schema

    @override
    async def _update_trading_fees(self) -> None:
        self._account = await self._until_answered(
            lambda: self.rest.send(GetAccount()), "The account's fees"
        )

    def _fee_rate(self, *, is_maker: bool) -> Decimal:
        """Fraction of the traded amount; negative is a rebate."""
        if self._account is not None:
            bps = self._account.spot_maker_fee_bps if is_maker else self._account.spot_taker_fee_bps
            return bps * _BASIS_POINT
        schema = self.trade_fee_schema()
        return schema.maker_percent_fee_decimal if is_maker else schema.taker_percent_fee_decimal

    @override
    def _get_fee(
        self,
        base_currency: str,
        quote_currency: str,
        order_type: OrderType,
        order_side: TradeType,
        amount: Decimal,
        price: Decimal = Decimal("NaN"),
        is_maker: bool | None = None,
    ) -> TradeFeeBase:
        maker = order_type is OrderType.LIMIT_MAKER if is_maker is None else is_maker
        return TradeFeeBase.new_spot_fee(
            fee_schema=self.trade_fee_schema(),
            trade_type=order_side,
            percent=self._fee_rate(is_maker=maker),
            # The fee is taken from what is received.
            percent_token=base_currency if order_side is TradeType.BUY else quote_currency,
        )
