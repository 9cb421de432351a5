"""The demo environment: an exchange inside this process, with made-up money.

The one place where the connector touches the simulator.
"""

import asyncio
import atexit
import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import override
from weakref import WeakKeyDictionary, WeakSet

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.logger import HummingbotLogger

from .api.models import MarketType, Symbol
from .api.symbols import tradable_symbols
from .backpack_constants import DEMO_NAME
from .backpack_demo_settings import DemoSettings
from .backpack_environments import OutsideEnvironment
from .simulator.engine import Engine
from .simulator.local import LocalExchange
from .simulator.settings import AccountSettings, LiquidityKind, Settings

_LIQUIDITY = {
    "auto": LiquidityKind.AUTO,
    "live": LiquidityKind.MIRROR,
    "synthetic": LiquidityKind.SYNTHETIC,
    "replay": LiquidityKind.REPLAY,
}


class DemoExchange:
    """One simulated exchange with one account, started when it is first needed.

    Args:
        settings: balances, fees and market.
        source: the exchange whose market is mirrored; only its public data are ever asked for.
        logger: hears what a trader should know of the market.

    Attributes:
        local: the exchange.
        environments: what its connectors hold of it, as long as they live.
    """

    def __init__(
        self, settings: DemoSettings, source: OutsideEnvironment, logger: HummingbotLogger
    ) -> None:
        self.local = LocalExchange(
            Settings(
                markets=(),
                accounts=(AccountSettings(balances=dict(settings.balances)),),
                liquidity=_LIQUIDITY[settings.market],
                source_rest_url=source.rest_url,
                source_ws_url=source.ws_url,
                replay_file=_path(settings.replay_file),
                maker_fee_bps=settings.maker_fee_bps,
                taker_fee_bps=settings.taker_fee_bps,
                state_file=_path(settings.state_file),
                tell=logger.log,
            )
        )
        self._lock = asyncio.Lock()
        self._is_open = False
        self.environments: WeakSet[DemoEnvironment] = WeakSet()

    @property
    def is_open(self) -> bool:
        """Whether it has been started."""
        return self._is_open

    @property
    def is_traded(self) -> bool:
        """Whether a strategy's connector uses it now, and not only one that looks."""
        return any(environment.is_traded for environment in self.environments)

    async def open(self, trading_pairs: list[str]) -> None:
        """Have it running, with living markets for these pairs."""
        async with self._lock:
            if not self._is_open:
                await self.local.start()
                self._is_open = True
                if self.local.settings.state_file is not None:
                    atexit.register(self.local.save)
                if self.local.source is None:
                    # What is held shall have a value; where nothing is mirrored only this gives it.
                    trading_pairs = [*trading_pairs, *self._held_pairs()]
            for symbol in self._symbols_of(trading_pairs):
                await self.local.add_market(symbol)

    def _held_pairs(self) -> list[str]:
        return [f"{asset}-USDC" for asset in self.local.engine.balances(self.local.account_id)]

    def _symbols_of(self, trading_pairs: list[str]) -> list[Symbol]:
        """Symbols of the pairs it has; of the others the connector tells the trader."""
        offered = tradable_symbols(self.local.engine.markets.values(), MarketType.SPOT)
        wanted = set(trading_pairs)
        return [symbol for symbol, pair in offered.items() if pair in wanted]


class DemoEnvironment:
    """A demo exchange as one connector sees it.

    Args:
        exchange: where it trades.
        trading_pairs: the connector's own list, which may grow.
        is_traded: for a strategy, and not only to look.

    Attributes:
        is_traded: the same, to be taken back when the strategy stops.
    """

    name = "demo"

    def __init__(
        self, exchange: DemoExchange, trading_pairs: list[str], *, is_traded: bool = False
    ) -> None:
        self._exchange = exchange
        self._trading_pairs = trading_pairs
        self.is_traded = is_traded
        exchange.environments.add(self)
        self._opened_pairs: tuple[str, ...] | None = None

    @property
    def rest_url(self) -> str:
        """Address of all REST operations; known once it is started."""
        return self._exchange.local.rest_url

    @property
    def ws_url(self) -> str:
        """Address of all streams; known once it is started."""
        return self._exchange.local.ws_url

    @property
    def api_key(self) -> str:
        """Public key of the demo account."""
        return self._exchange.local.api_key

    @property
    def api_secret(self) -> str:
        """Private key of the demo account, made for this process and worth nothing."""
        return self._exchange.local.api_secret

    def last_prices(self) -> dict[str, Decimal]:
        """Last price of every pair that has one, in quote units."""
        engine = self._exchange.local.engine
        offered = tradable_symbols(engine.markets.values(), MarketType.SPOT)
        prices = {
            pair: engine.last_price(symbol) or _middle(engine, symbol)
            for symbol, pair in offered.items()
        }
        return {pair: price for pair, price in prices.items() if price is not None}

    async def start(self) -> None:
        """Have the exchange running, and every pair that was added since."""
        pairs = tuple(self._trading_pairs)
        if pairs != self._opened_pairs:
            await self._exchange.open(list(pairs))
            self._opened_pairs = pairs


class _DemoFilter(logging.Filter):
    """Begins every line with what it is about."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(_PREFIX):
            record.msg = f"{_PREFIX}{record.msg}"
        return True


def demo_logger(connector: ConnectorBase) -> Callable[[], HummingbotLogger]:
    """What stands for a connector's ``logger``: every line says that it is about demo money."""
    logger = logging.getLogger(f"{connector.logger().name}.demo")
    logger.addFilter(_FILTER)
    return lambda: logger


_PREFIX = "[demo money] "
_FILTER = _DemoFilter()
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[DemoSettings, DemoExchange]] = (
    WeakKeyDictionary()
)


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _middle(engine: Engine, symbol: Symbol) -> Decimal | None:
    bid, ask = engine.best(symbol)
    return None if bid is None or ask is None else (bid + ask) / 2


def own_demo(
    settings: DemoSettings,
    source: OutsideEnvironment,
    trading_pairs: list[str],
    logger: HummingbotLogger,
) -> DemoEnvironment:
    """A demo that no other connector sees."""
    return DemoEnvironment(DemoExchange(settings, source, logger), trading_pairs)


def shared_demo(
    settings: DemoSettings,
    source: OutsideEnvironment,
    trading_pairs: list[str],
    logger: HummingbotLogger,
    *,
    is_traded: bool,
) -> DemoEnvironment:
    """The demo of this configuration, for every connector that Hummingbot makes of it.

    Hummingbot makes one to test a connection, one to show balances and one to trade; to a trader
    they are one account.
    """
    exchanges = _shared.setdefault(asyncio.get_event_loop(), {})
    if settings not in exchanges:
        exchanges[settings] = DemoExchange(settings, source, logger)
    offer_candles()
    return DemoEnvironment(exchanges[settings], trading_pairs, is_traded=is_traded)


def running_demo() -> DemoEnvironment | None:
    """The demo that Hummingbot's connectors share in the running loop, if one is open."""
    found = [demo for demo in _shared_now() if demo.is_open]
    return DemoEnvironment(found[0], []) if found else None


def demo_of_candles(trading_pair: str, *, only_traded: bool) -> DemoEnvironment | None:
    """The demo in the running loop of which candles are wanted, open or about to be.

    Args:
        trading_pair: the pair they are of.
        only_traded: leave those out on which no strategy trades now.
    """
    found = [demo for demo in _shared_now() if demo.is_traded or not only_traded]
    return DemoEnvironment(found[0], [trading_pair]) if found else None


def _shared_now() -> list[DemoExchange]:
    """The shared demos of the running loop, best known first.

    Hummingbot also makes connectors with default settings, only to look at the markets.
    """
    exchanges = _shared.get(asyncio.get_running_loop(), {}).values()
    return sorted(exchanges, key=lambda demo: (demo.is_traded, demo.is_open), reverse=True)


def offer_candles() -> None:
    """Let candles be asked for under the demo connector's name too."""
    # Not at the top: Hummingbot's candles import the connector.
    from hummingbot.data_feed.candles_feed.backpack_spot_candles import (  # noqa: PLC0415
        BackpackDemoCandles,
    )
    from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory  # noqa: PLC0415

    CandlesFactory._candles_map[DEMO_NAME] = BackpackDemoCandles
