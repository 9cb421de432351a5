#!/usr/bin/env python
"""Check the public interface of a Backpack exchange, for a person.

Asks for status, clock, markets, order book, trades and candles, then listens to the streams for
some seconds and checks that the book they give is right. Needs no account. The live exchange by
default; `--rest` and `--ws` name another one, such as the local exchange.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from hummingbot.connector.exchange.backpack.api.depth import DepthSequence
from hummingbot.connector.exchange.backpack.api.endpoints import (
    Endpoint,
    GetDepth,
    GetKlines,
    GetMarkets,
    GetStatus,
    GetTicker,
    GetTime,
    GetTrades,
)
from hummingbot.connector.exchange.backpack.api.errors import BackpackError, TransportError
from hummingbot.connector.exchange.backpack.api.models import Depth, DepthLevel, Symbol
from hummingbot.connector.exchange.backpack.api.replies import parse_reply
from hummingbot.connector.exchange.backpack.api.streams import (
    PUBLIC_EVENTS,
    BookTicker,
    DepthDiff,
    PublicTrade,
    book_ticker_topic,
    depth_topic,
    frame_decoder,
    parse_frame,
    subscribe_frame,
    trade_topic,
)
from hummingbot.connector.exchange.backpack.api.symbols import tradable_symbols
from hummingbot.connector.exchange.backpack.backpack_environments import LIVE

if TYPE_CHECKING:
    from decimal import Decimal

TIMEOUT_S = 10.0
CLOCK_TOLERANCE_MS = 2_000
KLINES_MINUTES = 30


class CheckFailedError(Exception):
    """A check did not hold; the text says what was seen."""


class Book:
    """An order book kept as the exchange describes it: snapshot and diffs in sequence."""

    def __init__(self, symbol: str) -> None:
        self.sequence: DepthSequence[DepthDiff[DepthLevel]] = DepthSequence(symbol)
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def load(self, snapshot: Depth[DepthLevel]) -> None:
        """Start from a snapshot and the diffs that came meanwhile."""
        kept = self.sequence.start(snapshot.last_update_id)
        self.bids = {level.price: level.quantity for level in snapshot.bids}
        self.asks = {level.price: level.quantity for level in snapshot.asks}
        for diff in kept:
            self._apply(diff)

    def accept(self, diff: DepthDiff[DepthLevel]) -> None:
        """Take one diff of the stream."""
        if (accepted := self.sequence.accept(diff)) is not None:
            self._apply(accepted)

    def _apply(self, diff: DepthDiff[DepthLevel]) -> None:
        for side, levels in ((self.bids, diff.bids), (self.asks, diff.asks)):
            for level in levels:
                if level.quantity:
                    side[level.price] = level.quantity
                else:
                    side.pop(level.price, None)

    def states(self, ticker: BookTicker) -> bool:
        """Whether the book has the best prices that a frame of the same update states."""
        best_bid = max(self.bids, default=None)
        best_ask = min(self.asks, default=None)
        return (best_bid, best_ask) == (ticker.bid_price, ticker.ask_price)


class PublicApiCheck:
    """The checks, one line each."""

    def __init__(self, session: aiohttp.ClientSession, options: argparse.Namespace) -> None:
        self._session = session
        self._options = options
        self._symbol = Symbol(options.symbol)
        self.failures = 0

    async def run(self) -> None:
        """Make every check; a failed one does not stop the others."""
        await self._check("status", self._status)
        await self._check("clock", self._clock)
        await self._check("markets", self._markets)
        await self._check("order book", self._depth)
        await self._check("ticker", self._ticker)
        await self._check("trades", self._trades)
        await self._check("candles", self._klines)
        await self._check("streams", self._streams)

    async def _check(self, name: str, check: Callable[[], Awaitable[str]]) -> None:
        try:
            result, mark = await check(), "ok  "
        except (CheckFailedError, BackpackError, aiohttp.ClientError, TimeoutError) as e:
            result, mark = str(e) or type(e).__name__, "FAIL"
            self.failures += 1
        print(f"{mark}  {name:<11} {result}", flush=True)

    async def _send[R](self, endpoint: Endpoint[R]) -> R:
        url = URL(self._options.rest.rstrip("/") + endpoint.path).with_query(endpoint.query())
        try:
            async with self._session.request(endpoint.method.value, url) as reply:
                return parse_reply(endpoint, reply.status, await reply.read())
        except (aiohttp.ClientError, TimeoutError) as e:
            raise TransportError(endpoint.name, str(e) or type(e).__name__) from e

    async def _status(self) -> str:
        status = await self._send(GetStatus())
        return status.status.value + (f": {status.message}" if status.message else "")

    async def _clock(self) -> str:
        before_ms = time.time() * 1000
        server_ms = await self._send(GetTime())
        after_ms = time.time() * 1000
        offset_ms = server_ms - (before_ms + after_ms) / 2
        told = f"{offset_ms:+.0f} ms from this computer's, round trip {after_ms - before_ms:.0f} ms"
        if abs(offset_ms) > CLOCK_TOLERANCE_MS:
            raise CheckFailedError(f"{told}; turn on automatic time (NTP) on this computer")
        return told

    async def _markets(self) -> str:
        markets = await self._send(GetMarkets())
        offered = tradable_symbols(markets)
        if self._symbol not in offered:
            raise CheckFailedError(
                f"{self._symbol} is not a spot market that is open for orders; choose one of "
                f"{len(offered)} with --symbol, such as {', '.join(sorted(offered)[:5])}"
            )
        return f"{len(markets)} listed, {len(offered)} spot markets open for orders"

    async def _depth(self) -> str:
        depth = await self._send(GetDepth(symbol=self._symbol))
        if not depth.bids or not depth.asks:
            raise CheckFailedError("one side is empty")
        bid, ask = depth.bids[-1], depth.asks[0]
        if bid.price >= ask.price:
            raise CheckFailedError(f"crossed: bid {bid.price}, ask {ask.price}")
        return (
            f"{len(depth.bids)} bids, {len(depth.asks)} asks, best {bid.price} / {ask.price}, "
            f"update {depth.last_update_id}"
        )

    async def _ticker(self) -> str:
        ticker = await self._send(GetTicker(symbol=self._symbol))
        if ticker is None:
            return "nothing traded in 24 hours"
        return f"last {ticker.last_price}, 24 h volume {ticker.volume}"

    async def _trades(self) -> str:
        trades = await self._send(GetTrades(symbol=self._symbol, limit=100))
        if not trades:
            return "none"
        age_s = time.time() - trades[0].timestamp_ms / 1000
        return f"{len(trades)}, the newest {age_s:.1f} s old"

    async def _klines(self) -> str:
        start_s = int(time.time()) - KLINES_MINUTES * 60
        klines = await self._send(
            GetKlines(symbol=self._symbol, interval="1m", start_time_s=start_s)
        )
        traded = sum(1 for kline in klines if kline.close is not None)
        return f"{len(klines)} of one minute, {traded} with trades"

    async def _streams(self) -> str:
        book = Book(self._symbol)
        counts = {DepthDiff: 0, PublicTrade: 0, BookTicker: 0}
        compared = 0
        topics = [
            depth_topic(self._symbol),
            trade_topic(self._symbol),
            book_ticker_topic(self._symbol),
        ]
        decoder = frame_decoder(PUBLIC_EVENTS)
        async with self._session.ws_connect(self._options.ws) as socket:
            await socket.send_str(subscribe_frame(topics))
            snapshot = asyncio.ensure_future(self._send(GetDepth(symbol=self._symbol)))
            deadline_s = time.monotonic() + self._options.seconds
            while (left_s := deadline_s - time.monotonic()) > 0:
                try:
                    payload = await socket.receive_str(timeout=left_s)
                except TimeoutError:
                    break
                event = parse_frame(payload, decoder)
                if type(event) in counts:
                    counts[type(event)] += 1
                if isinstance(event, DepthDiff):
                    book.accept(event)
                if snapshot.done() and not book.sequence.in_sync:
                    book.load(snapshot.result())
                if (
                    isinstance(event, BookTicker)
                    and event.last_update_id == book.sequence.last_update_id
                ):
                    compared += 1
                    if not book.states(event):
                        raise CheckFailedError(
                            f"the book differs from bookTicker at update {event.last_update_id}"
                        )
        if not counts[DepthDiff]:
            raise CheckFailedError(f"no depth message in {self._options.seconds} s")
        return (
            f"{counts[DepthDiff]} diffs without a gap, {counts[PublicTrade]} trades, "
            f"{counts[BookTicker]} best prices ({compared} compared with the book)"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rest", default=LIVE.rest_url, help="REST address (%(default)s)")
    parser.add_argument("--ws", default=LIVE.ws_url, help="WebSocket address (%(default)s)")
    parser.add_argument("--symbol", default="SOL_USDC", help="market to look at (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long to listen (%(default)s)"
    )
    return parser.parse_args()


async def _main(options: argparse.Namespace) -> int:
    print(f"Backpack at {options.rest} and {options.ws}")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        check = PublicApiCheck(session, options)
        await check.run()
    print("All checks hold." if not check.failures else f"{check.failures} checks failed.")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(_options())))
