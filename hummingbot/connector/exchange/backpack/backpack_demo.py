"""The demo environment: an exchange inside this process, with made-up money.

The one place where the connector touches the simulator.
"""

import asyncio

from .api.models import MarketType, OrderBookState, Symbol
from .api.symbols import trading_pair_of
from .backpack_demo_settings import DemoSettings
from .simulator.local import AccountSettings, LocalExchange, Settings
from .simulator.markets import known_markets


class DemoExchange:
    """One simulated exchange with one account, started when it is first needed.

    Args:
        settings: balances, fees and market.
        trading_pairs: those that get a living market; all others are listed with empty books.
    """

    def __init__(self, settings: DemoSettings, trading_pairs: list[str]) -> None:
        self.local = LocalExchange(
            Settings(
                markets=_symbols_of(trading_pairs),
                accounts=(AccountSettings(balances=dict(settings.balances)),),
                maker_fee_bps=settings.maker_fee_bps,
                taker_fee_bps=settings.taker_fee_bps,
            )
        )
        self._starting = asyncio.Lock()
        self._is_open = False

    async def open(self) -> None:
        """Have it running."""
        async with self._starting:
            if not self._is_open:
                await self.local.start()
                self._is_open = True


class DemoEnvironment:
    """A demo exchange as a connector sees it."""

    name = "demo"

    def __init__(self, exchange: DemoExchange) -> None:
        self._exchange = exchange
        self.rest_url = ""
        self.ws_url = ""

    @property
    def api_key(self) -> str:
        """Public key of the demo account."""
        return self._exchange.local.api_key

    @property
    def api_secret(self) -> str:
        """Private key of the demo account, made for this process and worth nothing."""
        return self._exchange.local.api_secret

    async def start(self) -> None:
        """Have the exchange running."""
        if not self.rest_url:
            await self._exchange.open()
            self.ws_url = self._exchange.local.ws_url
            self.rest_url = self._exchange.local.rest_url


def own_demo(settings: DemoSettings, trading_pairs: list[str]) -> DemoEnvironment:
    """A demo that no other connector sees."""
    return DemoEnvironment(DemoExchange(settings, trading_pairs))


def _symbols_of(trading_pairs: list[str]) -> tuple[Symbol, ...]:
    """Symbols of the pairs that the simulator can bring to life."""
    wanted = set(trading_pairs)
    return tuple(
        market.symbol
        for market in known_markets()
        if trading_pair_of(market) in wanted
        and market.market_type is MarketType.SPOT
        and market.order_book_state is OrderBookState.OPEN
    )
