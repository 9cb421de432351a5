"""What a local exchange is like: everything that can be chosen, with its defaults.

Values only; `local` makes an exchange of them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from ..api.models import Market, MarketType, Symbol

_NS_PER_US = 1_000

LIVE_REST_URL = "https://api.backpack.exchange"
LIVE_WS_URL = "wss://ws.backpack.exchange"

DEFAULT_BALANCES = MappingProxyType({"USDC": Decimal(100_000), "SOL": Decimal(1_000)})


class LiquidityKind(StrEnum):
    """Where other people's orders come from.

    `MIRROR` shows the public market of another exchange, `AUTO` does if that can be reached at the
    start and is synthetic otherwise.
    """

    SYNTHETIC = "synthetic"
    MIRROR = "mirror"
    AUTO = "auto"
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
        markets: those with liquidity; every known market (of a mirror: every market of its source)
            is listed and accepts orders.
        accounts: the first one is the exchange's own `api_key` and `api_secret`.
        liquidity: where other people's orders come from.
        source_rest_url: base of the REST addresses of the exchange to mirror.
        source_ws_url: address of its streams.
        source_patience_s: seconds that the start waits for it; after them `AUTO` is synthetic, and
            `MIRROR` starts blind.
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
        faults: what goes wrong, in texts such as ``drop-ws:every=20s``; see `fault_script`.
        admin: whether tests in other processes can start faults and read the truth; see `admin`.
        state_file: where funds, orders and fills outlive the exchange; ``None`` to forget them.
        tell: hears what a user should know of the mirrored market and of the state file, as a level
            of `logging` and a text; ``None`` for this package's log.
        host: address to listen on.
        port: TCP port, 0 for any free one.
        clock_us: the time, µs since the epoch.
    """

    markets: tuple[str, ...] = ("SOL_USDC", "BTC_USDC")
    accounts: tuple[AccountSettings, ...] = (AccountSettings(),)
    liquidity: LiquidityKind = LiquidityKind.SYNTHETIC
    source_rest_url: str = LIVE_REST_URL
    source_ws_url: str = LIVE_WS_URL
    source_patience_s: float = 3.0
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
    faults: tuple[str, ...] = ()
    admin: bool = False
    state_file: Path | None = None
    tell: Callable[[int, str], None] | None = None
    host: str = "127.0.0.1"
    port: int = 0
    clock_us: Callable[[], int] = lambda: time.time_ns() // _NS_PER_US


def check_settings(settings: Settings) -> None:
    """Check what can be known without any market.

    Raises:
        ValueError: settings that make no sense; the text says which.
    """
    names = [account.name for account in settings.accounts]
    if not names or len(set(names)) < len(names):
        msg = "there must be at least one account, and each needs a name of its own"
        raise ValueError(msg)
    if settings.liquidity is LiquidityKind.REPLAY and settings.replay_file is None:
        msg = "replay needs a file to replay"
        raise ValueError(msg)


def check_market(name: str, markets: Mapping[Symbol, Market]) -> Symbol:
    """The market of this name, if other people may come to trade there.

    Raises:
        ValueError: unknown, closed, or not a spot market.
    """
    market = markets.get(Symbol(name))
    if market is None:
        msg = f"unknown market {name!r}; known are: {', '.join(sorted(markets))}"
        raise ValueError(msg)
    if not market.order_book_state.accepts_orders:
        msg = f"market {name!r} is {market.order_book_state.value}, nobody trades there"
        raise ValueError(msg)
    if market.market_type is not MarketType.SPOT:
        msg = f"market {name!r} is no spot market, and only those can be traded here"
        raise ValueError(msg)
    return market.symbol
