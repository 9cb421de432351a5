"""Backpack's spot markets as a price source of Hummingbot's rate oracle.

Where the prices come from (the live exchange or a local one) is the connector's decision; this
module only keeps them for a while and picks those that can be expressed in the wanted token.
"""

import asyncio
import logging
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, override

from hummingbot.connector.utils import split_hb_trading_pair
from hummingbot.core.rate_oracle.sources.rate_source_base import RateSourceBase
from hummingbot.core.rate_oracle.utils import normalize_token_symbol
from hummingbot.logger import HummingbotLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

# The oracle asks every second; the exchange itself serves tickers from a cache of 20 s.
MAX_AGE_S = 20.0
# Between two attempts while the exchange does not answer.
RETRY_AFTER_S = 10.0


class BackpackRateSource(RateSourceBase):
    """Last traded prices of all spot markets.

    Args:
        exchange: connector to ask; one without keys is made when none is given.
        clock: monotonic time in seconds.
    """

    _logger: HummingbotLogger | None = None

    def __init__(
        self,
        exchange: "BackpackExchange | None" = None,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        super().__init__()
        self._exchange = exchange
        self._clock = clock
        self._prices: dict[str, Decimal] = {}
        self._next_fetch_s = float("-inf")
        self._failing = False
        self._lock = asyncio.Lock()

    @property
    @override
    def name(self) -> str:
        """Name of the source, as in ``rate_oracle_source`` of the client's configuration."""
        return "backpack"

    @classmethod
    @override
    def logger(cls) -> HummingbotLogger:
        """Return this module's logger."""
        if cls._logger is None:
            cls._logger = logging.getLogger(__name__)
        return cls._logger

    @override
    async def get_prices(self, quote_token: str | None = None) -> dict[str, Decimal]:
        """Return last prices by Hummingbot trading pair.

        Args:
            quote_token: keep only pairs through which a token can be valued in this one;
                ``None`` keeps all.

        Returns:
            Trading pair to price in its quote token. While the exchange does not answer those of
            a demo in this process, or none: the oracle then goes on with the rates it has.
        """
        # One request serves everybody who asks at the same time.
        async with self._lock:
            if self._clock() >= self._next_fetch_s:
                await self._fetch()
        return self._prices if quote_token is None else _related(self._prices, quote_token)

    async def _fetch(self) -> None:
        try:
            self._prices = await self._connector().get_last_prices()
        except Exception as e:  # noqa: BLE001 - a missing rate must not stop a running bot
            self._prices = _demo_prices()
            if self._prices:
                # Money of a demo, and so are its prices; they cost no request of anybody's.
                self._next_fetch_s = self._clock() + RETRY_AFTER_S
                return
            self._next_fetch_s = self._clock() + RETRY_AFTER_S
            if not self._failing:
                self.logger().warning(
                    f"Backpack's prices cannot be read ({type(e).__name__}: {e}). Values in the "
                    f"display token stay as they were; next attempt in {RETRY_AFTER_S:g} s.",
                )
            self._failing = True
        else:
            self._next_fetch_s = self._clock() + MAX_AGE_S
            self._failing = False

    def _connector(self) -> "BackpackExchange":
        if self._exchange is None:
            # Not at the top: the connector's own imports lead back to the rate oracle.
            from hummingbot.connector.exchange.backpack.backpack_exchange import (  # noqa: PLC0415
                BackpackExchange,
            )

            self._exchange = BackpackExchange(
                backpack_api_key="",
                backpack_api_secret="",
                trading_pairs=[],
                trading_required=False,
            )
        return self._exchange


def _demo_prices() -> dict[str, Decimal]:
    """Prices of a demo that runs in this process; empty without one."""
    demo_module = sys.modules.get("hummingbot.connector.exchange.backpack.backpack_demo")
    demo = None if demo_module is None else demo_module.running_demo()
    return {} if demo is None else dict(demo.last_prices())


def _related(prices: dict[str, Decimal], quote_token: str) -> dict[str, Decimal]:
    """Keep the pairs quoted in a token, or in one that has a market with it.

    Backpack quotes nearly everything in USDC. With USDT as the display token, ``SOL-USDC`` is of
    use together with ``USDT-USDC``; the oracle joins the two.
    """
    target = normalize_token_symbol(quote_token)
    pairs = {pair: split_hb_trading_pair(pair) for pair in prices}
    bridges = {token for pair in pairs.values() if target in pair for token in pair}
    return {pair: prices[pair] for pair, (_, quote) in pairs.items() if quote in {target, *bridges}}
