"""The demo environment: an exchange inside this process, with made-up money.

The one place where the connector touches the simulator.
"""

from typing import override

from .api.models import MarketType, OrderBookState
from .api.symbols import trading_pair_of
from .backpack_environments import Environment
from .simulator.local import LocalExchange, Settings
from .simulator.markets import known_markets


class DemoEnvironment(Environment):
    """An exchange of this connector's own, started when something is first asked of it.

    Args:
        trading_pairs: those that get a living market; all others are listed with empty books.
    """

    def __init__(self, trading_pairs: list[str]) -> None:
        wanted = set(trading_pairs)
        symbols = tuple(
            market.symbol
            for market in known_markets()
            if trading_pair_of(market) in wanted
            and market.market_type is MarketType.SPOT
            and market.order_book_state is OrderBookState.OPEN
        )
        exchange = LocalExchange(Settings(markets=symbols))
        super().__init__("demo", "", "")
        # Frozen like every environment, except for the exchange that stands behind it.
        object.__setattr__(self, "_exchange", exchange)

    _exchange: LocalExchange

    @property
    def api_key(self) -> str:
        """Public key of the demo account."""
        return self._exchange.api_key

    @property
    def api_secret(self) -> str:
        """Private key of the demo account, made for this process and worth nothing."""
        return self._exchange.api_secret

    @override
    async def start(self) -> None:
        if not self.rest_url:
            await self._exchange.start()
            object.__setattr__(self, "rest_url", self._exchange.rest_url)
            object.__setattr__(self, "ws_url", self._exchange.ws_url)
