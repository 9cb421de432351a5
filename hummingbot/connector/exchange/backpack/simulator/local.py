"""A whole exchange in one value: engine, server, accounts and liquidity, made from settings.

    async with LocalExchange(Settings(markets=("SOL_USDC",))) as exchange:
        print(exchange.rest_url, exchange.ws_url, exchange.api_key)

Used by the command line, by tests and by the connector's demo mode. Knows nothing of the connector.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from ..api.models import Market, MarketType, OrderBookState, Symbol
from ..api.signing import KEY_BYTES, Signer, generate_key_pair
from .candle_history import build_history
from .engine import Engine
from .faults import Faults
from .liquidity import Liquidity, ReplayLiquidity, SyntheticLiquidity
from .markets import known_markets, reference_price
from .server import Credentials, ExchangeServer, ServerOptions
from .statistics import Candle, Statistics

_NS_PER_US = 1_000
_US_PER_S = 1_000_000

DEFAULT_BALANCES = MappingProxyType({"USDC": Decimal(100_000), "SOL": Decimal(1_000)})


class LiquidityKind(StrEnum):
    """Where other people's orders come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One account to open.

    Attributes:
        name: id of the account inside the exchange.
        api_key: base64 public key; empty, together with the secret, to have a pair made.
        api_secret: base64 secret; never shown.
        balances: free quantity by asset.
    """

    name: str = "main"
    api_key: str = ""
    api_secret: str = field(default="", repr=False)
    balances: Mapping[str, Decimal] = DEFAULT_BALANCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a local exchange is like.

    Attributes:
        markets: those with liquidity; every known market is listed and accepts orders.
        accounts: the first one is the exchange's own `api_key` and `api_secret`.
        liquidity: where other people's orders come from.
        replay_file: recorded stream, for replay.
        replay_speed: 2 replays twice as fast as recorded.
        seed: same seed, same synthetic market and candle history.
        frames_per_second: depth frames of each synthetic market.
        maker_fee_bps: basis points of the asset received; negative for a rebate.
        taker_fee_bps: as `maker_fee_bps`.
        candle_history: whether candles and tickers reach back before the start.
        rate_limits: whether requests are counted at all.
        requests_per_minute: of one key or address.
        history_per_minute: of these, for history over a time range.
        ping_interval_s: seconds between pings on a socket.
        pong_patience_s: seconds without a pong until a socket is cut.
        max_buffered_bytes: how much may wait for a slow reader.
        host: address to listen on.
        port: TCP port, 0 for any free one.
        clock_us: the time, µs since the epoch.
    """

    markets: tuple[str, ...] = ("SOL_USDC", "BTC_USDC")
    accounts: tuple[AccountSettings, ...] = (AccountSettings(),)
    liquidity: LiquidityKind = LiquidityKind.SYNTHETIC
    replay_file: Path | None = None
    replay_speed: float = 1.0
    seed: int = 7
    frames_per_second: float = 30.0
    maker_fee_bps: Decimal = Decimal(8)
    taker_fee_bps: Decimal = Decimal(10)
    candle_history: bool = True
    rate_limits: bool = True
    requests_per_minute: int = 2_000
    history_per_minute: int = 30
    ping_interval_s: float = 60.0
    pong_patience_s: float = 120.0
    max_buffered_bytes: int = 8 << 20
    host: str = "127.0.0.1"
    port: int = 0
    clock_us: Callable[[], int] = lambda: time.time_ns() // _NS_PER_US


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """An account that exists, with the keys that sign for it."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)


class LocalExchange:
    """An exchange on this machine, open while its ``async with`` block lasts.

    Attributes:
        settings: what it was made from.
        accounts: its accounts with their keys, in the order of the settings.
        engine: the exchange proper, to look at and to command directly.

    Raises:
        ValueError: settings that make no sense; the text says which.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings = settings or Settings()
        markets = known_markets()
        _check(settings, markets)
        self.accounts = tuple(_with_keys(account) for account in settings.accounts)
        self.engine = Engine(markets, clock_us=settings.clock_us)
        for account in settings.accounts:
            self.engine.open_account(
                account.name,
                account.balances,
                maker_fee_bps=settings.maker_fee_bps,
                taker_fee_bps=settings.taker_fee_bps,
            )
        self._statistics = Statistics(self._history() if settings.candle_history else None)
        self._server = ExchangeServer(
            self.engine,
            accounts=[Credentials(account.name, account.api_key) for account in self.accounts],
            liquidity=self._liquidity(),
            statistics=self._statistics,
            clock_us=settings.clock_us,
            options=_server_options(settings),
        )

    @property
    def rest_url(self) -> str:
        """Base of all REST addresses, such as ``http://127.0.0.1:40001``."""
        return self._server.rest_url

    @property
    def ws_url(self) -> str:
        """Address of all streams, such as ``ws://127.0.0.1:40001``."""
        return self._server.ws_url

    @property
    def api_key(self) -> str:
        """API key of the first account."""
        return self.accounts[0].api_key

    @property
    def api_secret(self) -> str:
        """API secret of the first account."""
        return self.accounts[0].api_secret

    @property
    def account_id(self) -> str:
        """Id of the first account, as the engine's methods take it."""
        return self.accounts[0].name

    @property
    def faults(self) -> Faults:
        """Faults to switch on."""
        return self._server.faults

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return self._server.connections

    async def start(self) -> None:
        """Open for business.

        Raises:
            OSError: the address is taken or not ours.
        """
        self._statistics.prepare(map(Symbol, self.settings.markets))
        await self._server.start(self.settings.host, self.settings.port)

    async def stop(self) -> None:
        """Close all connections and stop. Does nothing if not started."""
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _liquidity(self) -> Liquidity | None:
        settings = self.settings
        symbols = [Symbol(name) for name in settings.markets]
        match settings.liquidity:
            case LiquidityKind.SYNTHETIC:
                return SyntheticLiquidity(
                    self.engine,
                    symbols,
                    seed=settings.seed,
                    frames_per_second=settings.frames_per_second,
                )
            case LiquidityKind.REPLAY if settings.replay_file is not None:
                return ReplayLiquidity(
                    self.engine, settings.replay_file, speed=settings.replay_speed
                )
            case _:
                return None

    def _history(self) -> Callable[[Symbol, Decimal | None], list[Candle]]:
        markets = self.engine.markets
        start_s = self.settings.clock_us() // _US_PER_S

        def history(symbol: Symbol, first_price: Decimal | None) -> list[Candle]:
            if symbol not in self.settings.markets:
                return []  # nobody trades there, and nobody ever did
            price = first_price or self.engine.last_price(symbol) or reference_price(symbol)
            return build_history(markets[symbol], price, start_s, self.settings.seed)

        return history


def _server_options(settings: Settings) -> ServerOptions:
    return ServerOptions(
        requests_per_minute=settings.requests_per_minute if settings.rate_limits else None,
        history_per_minute=settings.history_per_minute if settings.rate_limits else None,
        ping_interval_s=settings.ping_interval_s,
        pong_patience_s=settings.pong_patience_s,
        max_buffered_bytes=settings.max_buffered_bytes,
    )


def _check(settings: Settings, markets: list[Market]) -> None:
    known = {market.symbol: market for market in markets}
    for name in settings.markets:
        market = known.get(Symbol(name))
        if market is None:
            msg = f"unknown market {name!r}; known are: {', '.join(sorted(known))}"
            raise ValueError(msg)
        if market.order_book_state is not OrderBookState.OPEN:
            msg = f"market {name!r} is {market.order_book_state.value}, nobody trades there"
            raise ValueError(msg)
        if market.market_type is not MarketType.SPOT:
            msg = f"market {name!r} is no spot market, and only those can be traded here"
            raise ValueError(msg)
    names = [account.name for account in settings.accounts]
    if not names or len(set(names)) < len(names):
        msg = "there must be at least one account, and each needs a name of its own"
        raise ValueError(msg)
    if settings.liquidity is LiquidityKind.REPLAY and settings.replay_file is None:
        msg = "replay needs a file to replay"
        raise ValueError(msg)


def _with_keys(account: AccountSettings) -> LocalAccount:
    api_key, api_secret = account.api_key, account.api_secret
    if not api_key and not api_secret:
        api_key, api_secret = generate_key_pair(os.urandom(KEY_BYTES))
    # The same check as in the connector: a pair that cannot work is named here and not in the first
    # request.
    signer = Signer(api_key, api_secret)
    return LocalAccount(account.name, signer.api_key, api_secret)
