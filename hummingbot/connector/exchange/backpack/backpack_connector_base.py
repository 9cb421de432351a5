"""What a spot and a perpetual connector share: account, markets, fees, clock and health."""

import asyncio
import math
import statistics
import time
from decimal import Decimal
from typing import override

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
    GetTime,
)
from .api.errors import (
    BackpackError,
    ClockSkewError,
    ExchangeUnavailable,
)
from .api.models import SystemStatus
from .backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
from .backpack_api_user_stream_data_source import BackpackAPIUserStreamDataSource
from .backpack_auth import BackpackAuth
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
from .backpack_unknown_orders import UnknownOrders
from .backpack_utils import DEFAULT_FEES
from .backpack_web_utils import CachedTimeSynchronizer, RestClient, build_api_factory

_BASIS_POINT = Decimal("0.0001")
_OK = 200
# Between two reconciliations of which the first asked for the second.
_RECONCILIATION_PAUSE_S = 1.0
# However many reasons there are to ask, history is limited to 30 requests a minute.
_LEAST_POLL_INTERVAL_S = 0.5
# Of what Hummingbot waits for its check of the network; a request's turn may be further away.
_CHECK_SHARE = 0.8


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
        self._placing: set[str] = set()
        self._polled_s = -math.inf
        self._clock_lock = asyncio.Lock()
        self._is_reconciliation_due = False
        self._background: set[asyncio.Task[None]] = set()
        self._markets_refresh: asyncio.Task[None] | None = None
        super().__init__(balance_asset_limit, rate_limits_share_pct)
        self._time_synchronizer = CachedTimeSynchronizer()
        self._unknown = UnknownOrders(
            self.rest,
            self._order_tracker,
            self._exchange_time_s,
            self._not_before_ms,
            self.logger(),
            self._sleep,
        )
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
    def _are_streams_up(self) -> bool:
        return self._orderbook_ds.stream.is_connected and self._is_user_stream_initialized()

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
        quiet = self.is_user_stream_up and not self._unknown and not self._is_poll_unanswered
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
        try:
            async with asyncio.timeout(self.check_network_timeout * _CHECK_SHARE):
                status = await self.rest.send(GetStatus())
        except (BackpackError, TimeoutError):
            # Hummingbot would stop streams and polls until its next check, which is worse than
            # a question without an answer.
            if self._are_streams_up:
                return
            raise
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

    def refresh_markets(self) -> None:
        """Ask in the background which markets take orders, and by which rules."""
        if self._markets_refresh is None or self._markets_refresh.done():
            self._markets_refresh = self._spawn(self._update_trading_rules())

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
