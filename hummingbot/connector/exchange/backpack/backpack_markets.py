"""Which markets there are: their names on both sides, their rules, their last prices."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, override

from bidict import bidict

from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.connector.trading_rule import TradingRule

from .api.endpoints import GetMarkets, GetTicker, GetTickers
from .api.errors import BackpackError, ExchangeUnavailable
from .api.models import Market, MarketType, Symbol
from .api.symbols import tradable_symbols, trading_pair_of
from .backpack_backoff import new_backoff
from .backpack_translation import to_trading_rule
from .backpack_web_utils import RestClient

_OK = 200
# For more pairs than this one request for all tickers is cheaper.
_SINGLE_TICKER_QUERIES = 2


class Markets(ExchangePyBase):
    """The part of the connector that knows the exchange's markets."""

    market_type = MarketType.SPOT
    rest: RestClient

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (of Hummingbot's base)
        self._listed_symbols: dict[str, Symbol] = {}
        self._markets_request: asyncio.Task[list[Market]] | None = None
        super().__init__(*args, **kwargs)

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
            raise ValueError(self._unknown_pair_message(trading_pair)) from None

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

    def _unknown_pair_message(self, trading_pair: str) -> str:
        return (
            f"{trading_pair} is not a market of Backpack that is open for orders. Write it as "
            "BASE-QUOTE, such as SOL-USDC, and see `connect` and the exchange's market list for "
            "the names."
        )

    async def _fetch_markets(self) -> list[Market]:
        """The market list; callers at the same time share one request."""
        if self._markets_request is None or self._markets_request.done():
            self._markets_request = asyncio.ensure_future(self._request_markets())
        return await asyncio.shield(self._markets_request)

    async def _request_markets(self) -> list[Market]:
        rows = await self.rest.send_rows(GetMarkets())
        if not rows.read and (self._listed_symbols or not rows.unreadable):
            # No exchange is without markets, and what is known of them must not be forgotten.
            raise ExchangeUnavailable(
                GetMarkets().name, _OK, None, "the list has no market that can be read"
            )
        for row in rows.unreadable:
            self.logger().error(f"A market of Backpack is left out: {row.error}")
        return rows.read

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
