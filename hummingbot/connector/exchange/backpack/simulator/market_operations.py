"""The public operations of the REST interface: markets and their data.

Source: vendor's interface description; recorded replies for everything it does not say.
"""

from collections.abc import Callable

from ..api.endpoints import DEPTH_LIMITS, MAX_PAGE
from ..api.models import KlinePriceType, MarketType, OrderBookState, SystemStatus
from . import wire
from .engine import Engine
from .gateway import Request, Route, Routes
from .replies import NO_CONTENT, Reply, json_reply, text_reply
from .requests import bad_parameter
from .statistics import INTERVALS_S, TICKER_WINDOWS_S, Statistics

_US_PER_MS = 1_000
_US_PER_S = 1_000_000
_DEFAULT_DEPTH = 1_000
_DEFAULT_PAGE = 100
_MAX_OFFSET = 10**9


class MarketOperations:
    """Markets and their data; nobody has to sign.

    Args:
        engine: books and trades.
        statistics: tickers and candles.
        clock_us: the exchange's time, µs since the epoch.
    """

    def __init__(self, engine: Engine, statistics: Statistics, clock_us: Callable[[], int]) -> None:
        self._engine = engine
        self._statistics = statistics
        self._clock_us = clock_us
        self._status_shown = SystemStatus.OK

    def routes(self) -> Routes:
        """The operations by path and method."""
        answers: dict[str, Route] = {
            "/api/v1/status": Route(answer=self._status),
            "/api/v1/ping": Route(answer=lambda _: text_reply("pong")),
            "/api/v1/time": Route(answer=self._time),
            "/api/v1/assets": Route(answer=self._assets),
            "/api/v1/markets": Route(answer=self._markets),
            "/api/v1/market": Route(answer=self._market),
            "/api/v1/depth": Route(answer=self._depth),
            "/api/v1/ticker": Route(answer=self._ticker),
            "/api/v1/tickers": Route(answer=self._tickers),
            "/api/v1/trades": Route(answer=self._trades),
            "/api/v1/trades/history": Route(answer=self._trades, is_history=True),
            "/api/v1/klines": Route(answer=self._klines, is_history=True),
        }
        return {path: {"GET": route} for path, route in answers.items()}

    def show_status(self, status: SystemStatus) -> None:
        """Answer this from now on when asked for the status."""
        self._status_shown = status

    def _now_s(self) -> int:
        return self._clock_us() // _US_PER_S

    def _status(self, request: Request) -> Reply:
        return json_reply({"message": None, "status": self._status_shown.value})

    def _time(self, request: Request) -> Reply:
        return text_reply(str(self._clock_us() // _US_PER_MS))

    def _assets(self, request: Request) -> Reply:
        markets = self._engine.markets.values()
        symbols = {m.base_symbol for m in markets} | {m.quote_symbol for m in markets}
        return json_reply(wire.assets(symbols))

    def _markets(self, request: Request) -> Reply:
        wanted = request.query.choices("marketType", MarketType)
        rows = [
            wire.market(market)
            for market in self._engine.markets.values()
            if not wanted or market.market_type in wanted
        ]
        return json_reply(rows)

    def _market(self, request: Request) -> Reply:
        symbol = request.query.symbol(self._engine.markets)
        return json_reply(wire.market(self._engine.markets[symbol]))

    def _depth(self, request: Request) -> Reply:
        symbol = request.query.symbol(self._engine.markets)
        allowed = [str(limit) for limit in DEPTH_LIMITS]
        limit = request.query.one_of("limit", allowed, "DepthLimit")
        # The engine refuses the book of a closed market with a 404, as recorded.
        bids, asks, last_update_id = self._engine.depth(symbol, int(limit or _DEFAULT_DEPTH))
        return json_reply(wire.depth(bids, asks, last_update_id, self._clock_us()))

    def _ticker(self, request: Request) -> Reply:
        symbol = request.query.symbol(self._engine.markets)
        window_s = self._window_s(request)
        if self._engine.markets[symbol].order_book_state is OrderBookState.CLOSED:
            return NO_CONTENT
        figures = self._statistics.ticker(symbol, self._now_s(), window_s)
        return NO_CONTENT if figures is None else json_reply(wire.ticker(figures))

    def _tickers(self, request: Request) -> Reply:
        window_s, now_s = self._window_s(request), self._now_s()
        figures = (
            self._statistics.ticker(symbol, now_s, window_s)
            for symbol, market in self._engine.markets.items()
            if market.order_book_state is not OrderBookState.CLOSED
        )
        return json_reply([wire.ticker(row) for row in figures if row is not None])

    def _window_s(self, request: Request) -> int:
        interval = request.query.one_of("interval", TICKER_WINDOWS_S, "TickerInterval")
        return TICKER_WINDOWS_S[interval or "1d"]

    def _trades(self, request: Request) -> Reply:
        query = request.query
        symbol = query.symbol(self._engine.markets)
        limit = query.integer("limit", minimum=1, maximum=MAX_PAGE)
        offset = query.integer("offset", minimum=0, maximum=_MAX_OFFSET)
        rows = self._engine.trades(symbol, limit or _DEFAULT_PAGE, offset or 0)
        return json_reply([wire.trade(row) for row in rows])

    def _klines(self, request: Request) -> Reply:
        query = request.query
        symbol = query.symbol(self._engine.markets)
        interval = query.one_of("interval", INTERVALS_S, "KlineInterval")
        if interval is None:
            raise bad_parameter("interval", 'Type "KlineInterval" expects an input value.')
        query.choice("priceType", KlinePriceType)  # without an index the last price stands for all
        start_s = query.integer("startTime")
        if start_s is None:
            raise bad_parameter("startTime", 'Type "integer" expects an input value.')
        now_s = self._now_s()
        end_s = query.integer("endTime")
        end_s = now_s if end_s is None else end_s
        rows = self._statistics.klines(symbol, interval, start_s, end_s, now_s)
        return json_reply([wire.kline(row) for row in rows])
