"""Keeps mirrored markets up with their source: connects, subscribes, resynchronises, watches.

What the frames mean to books and orders is `mirror`'s. A market is blind from the moment its
connection, its sequence or its freshness is in doubt until a new snapshot is in.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain, repeat
from typing import Final

import aiohttp
import msgspec

from ..api.backoff import Backoff
from ..api.endpoints import GetDepth, GetMarkets
from ..api.errors import BackpackError, DecodeError, SequenceGap
from ..api.models import DepthLevel, OrderBookState, Symbol
from ..api.streams import (
    DepthDiff,
    PublicTrade,
    depth_topic,
    frame_decoder,
    parse_frame,
    subscribe_frame,
    trade_topic,
)
from .engine import Engine
from .mirror import MirroredMarket
from .sight import Sight, Tell
from .source_client import UNREACHABLE, SourceClient

_log = logging.getLogger(__name__)

_SNAPSHOT_LEVELS: Final = 1_000
_SNAPSHOT_RETRY_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
# A market that was silent for this long is asked for: it may be quiet, or the stream dead.
_STALE_AFTER_S: Final = 10.0
# How long the stream may take to bring what a snapshot has shown.
_STREAM_LAG_S: Final = 1.0
_WATCH_EVERY_S: Final = 1.0
_RELIST_EVERY_S: Final = 600.0
# Frames that are there already are read without a pause; this many until others get a turn.
_FRAMES_A_TURN: Final = 64


class MirrorSource:
    """The source of an engine's mirrored markets.

    Args:
        engine: its market list becomes the source's.
        client: calls the source.
        tell: hears when the market gets out of sight and when it is back.
        stale_after_s: seconds of silence until a market is checked.

    Attributes:
        sight: whether all of them can be seen.
    """

    def __init__(
        self,
        engine: Engine,
        client: SourceClient,
        *,
        tell: Tell = _log.log,
        stale_after_s: float = _STALE_AFTER_S,
    ) -> None:
        self._engine = engine
        self._client = client
        self._tell = tell
        self.sight = Sight(client.rest_url, tell)
        self._stale_after_s = stale_after_s
        self._backoff = Backoff(clock_s=time.monotonic, uniform=random.uniform)
        self._wanted: dict[Symbol, None] = {}
        self._markets: dict[Symbol, MirroredMarket] = {}
        self._syncs: dict[Symbol, asyncio.Task[None]] = {}
        self._heard_s: dict[Symbol, float] = {}
        self._decoder = frame_decoder(DepthDiff[DepthLevel] | PublicTrade)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._runner: asyncio.Task[None] | None = None
        self._listed_s: float | None = None
        self._doubt = ""

    @property
    def is_blind(self) -> bool:
        """Whether any of the markets cannot be seen now."""
        return self._socket is None or bool(self.blind_symbols)

    @property
    def blind_symbols(self) -> list[Symbol]:
        """The markets that cannot be seen now."""
        return [s for s in self._wanted if s not in self._markets or self._markets[s].is_blind]

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, of which a market may come into sight."""
        return self._socket is not None

    @property
    def has_listed(self) -> bool:
        """Whether the source's market list is known."""
        return self._listed_s is not None

    def market(self, symbol: Symbol) -> MirroredMarket:
        """A mirrored market, to look at.

        Raises:
            KeyError: not mirrored, or not listed by the source.
        """
        return self._markets[symbol]

    async def list_markets(self) -> None:
        """Take over the source's market list, with its rules and states.

        Raises:
            BackpackError: it cannot be had.
        """
        rows = await self._client.fetch(GetMarkets())
        listed = {row.symbol for row in rows}
        gone = [
            msgspec.structs.replace(market, order_book_state=OrderBookState.CLOSED)
            for symbol, market in self._engine.markets.items()
            if symbol in self._markets and symbol not in listed
        ]
        self._engine.list_markets([*rows, *gone])
        if self._listed_s is None:
            for symbol in self._wanted.keys() - listed:
                self._tell(logging.WARNING, f"The live market does not list {symbol}.")
        self._listed_s = time.monotonic()
        self._follow(self._wanted)

    def add(self, symbols: Iterable[Symbol]) -> None:
        """Mirror more markets; those the source does not list (yet) stay blind."""
        new = [symbol for symbol in symbols if symbol not in self._wanted]
        self._wanted.update(dict.fromkeys(new))
        self._follow(new)
        self._look()
        if self._socket is not None:
            for symbol in new:
                self._resync(symbol)

    def start(self) -> None:
        """Connect, and stay connected."""
        self._runner = asyncio.create_task(self._run())

    def abandon(self) -> None:
        """Give the markets up after `stop`: others may bring them to life."""
        for market in self._markets.values():
            market.clear()
        self._markets.clear()
        self._wanted.clear()

    async def stop(self) -> None:
        """Disconnect for good; the markets stay as they are, blind."""
        tasks = [task for task in (self._runner, *self._syncs.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for market in self._markets.values():
            market.lose()
        await self._client.close()

    # --- connection ---

    async def _run(self) -> None:
        while True:
            try:
                await self._run_once()
                reason = self._doubt or "closed by the source"
            except UNREACHABLE as e:
                reason = str(e) or type(e).__name__
            except Exception as e:  # noqa: BLE001 (logged in full)
                # The outermost loop: whatever goes wrong must not end the mirror for good.
                _log.exception("unexpected error in the mirror")
                reason = str(e)
            self._lose(reason)
            delay_s = self._backoff.next_delay_s()
            _log.debug("the source is down (%s): connecting again in %.1f s", reason, delay_s)
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> None:
        self._doubt = ""
        await self._relist()
        socket = await self._client.connect()
        watch = asyncio.create_task(self._watch(socket))
        watch.add_done_callback(_log_failure)
        try:
            self._socket = socket
            self._backoff.succeeded()
            for symbol in self._markets:
                self._resync(symbol)
            self._look()
            await self._read(socket)
        finally:
            self._socket = None
            watch.cancel()
            with suppress(*UNREACHABLE):
                await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        turn = 0
        while True:
            message = await socket.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    self._on_message(message.data)
                case aiohttp.WSMsgType.ERROR:
                    raise aiohttp.ClientConnectionError(str(message.data))
                case aiohttp.WSMsgType.CLOSE | aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED:
                    return
                case _:
                    pass
            turn += 1
            if turn % _FRAMES_A_TURN == 0:
                await asyncio.sleep(0)

    def _on_message(self, text: str) -> None:
        try:
            event = parse_frame(text, self._decoder)
        except DecodeError as e:
            _log.warning("a frame of the source cannot be read: %s", e)  # if a diff, a gap follows
            return
        market = self._markets.get(event.symbol)
        if market is None:
            return
        self._heard_s[event.symbol] = time.monotonic()
        try:
            if type(event) is PublicTrade:
                market.on_trade(event)
            else:
                market.on_diff(event)
        except (SequenceGap, ArithmeticError, ValueError) as e:
            self._look(str(e))
            self._resync(event.symbol)

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Doubt what was not heard of for long, and renew the market list now and then."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            await self._relist()
            silent_before_s = time.monotonic() - self._stale_after_s
            for symbol, market in list(self._markets.items()):
                if market.is_blind or self._heard_s.get(symbol, 0.0) > silent_before_s:
                    continue
                self._doubt = await self._check(symbol, market)
                if self._doubt:
                    self._lose(self._doubt)
                    await socket.close()
                    return

    async def _check(self, symbol: Symbol, market: MirroredMarket) -> str:
        """Why a silent market is not to be trusted; empty if it only is quiet."""
        try:
            snapshot = await self._client.fetch(GetDepth(symbol=symbol, limit=5))
        except BackpackError as e:
            return f"{symbol} is silent, and cannot be checked: {e}"
        deadline_s = time.monotonic() + _STREAM_LAG_S
        while (market.last_update_id or 0) < snapshot.last_update_id and not market.is_blind:
            if time.monotonic() > deadline_s:
                return f"the stream of {symbol} stands still"
            await asyncio.sleep(_STREAM_LAG_S / 10)
        self._heard_s[symbol] = time.monotonic()
        return ""

    # --- markets ---

    async def _relist(self) -> None:
        """Renew the market list if it is old; a known one serves on if that fails."""
        listed_s, now_s = self._listed_s, time.monotonic()
        if listed_s is not None and now_s - listed_s < _RELIST_EVERY_S:
            return
        try:
            await self.list_markets()
        except BackpackError as e:
            if listed_s is None:
                raise
            self._listed_s = now_s
            _log.warning("the source's market list cannot be renewed: %s", e)

    def _follow(self, symbols: Iterable[Symbol]) -> None:
        for symbol in symbols:
            if symbol not in self._markets and symbol in self._engine.markets:
                self._markets[symbol] = MirroredMarket(self._engine.outside(symbol), symbol)

    def _resync(self, symbol: Symbol) -> None:
        """Subscribe, which twice is no harm, and load the book."""
        known = self._syncs.get(symbol)
        if known is not None:
            known.cancel()
        if symbol in self._markets:
            self._syncs[symbol] = asyncio.create_task(self._synchronise(symbol))
            self._syncs[symbol].add_done_callback(_log_failure)

    async def _synchronise(self, symbol: Symbol) -> None:
        market, socket = self._markets[symbol], self._socket
        if socket is None:
            return
        with suppress(*UNREACHABLE):  # the reader of the socket notices, too
            await socket.send_str(subscribe_frame([depth_topic(symbol), trade_topic(symbol)]))
        request = GetDepth(symbol=symbol, limit=_SNAPSHOT_LEVELS)
        for delay_s in chain(_SNAPSHOT_RETRY_S, repeat(_SNAPSHOT_RETRY_S[-1])):
            try:
                market.load(await self._client.fetch(request))
            except SequenceGap:
                pass  # older than the first diff that was kept: the next one is newer
            except (*UNREACHABLE, ArithmeticError, ValueError) as e:
                _log.warning("the book of %s cannot be loaded: %s", symbol, e)
            else:
                self._heard_s[symbol] = time.monotonic()
                self._look()
                return
            await asyncio.sleep(delay_s)

    # --- sight ---

    def _lose(self, reason: str) -> None:
        """Without a connection nothing can be seen."""
        self._socket = None
        for task in self._syncs.values():
            task.cancel()
        for market in self._markets.values():
            market.lose()
        self._look(reason)

    def _look(self, reason: str = "") -> None:
        if not self.is_blind:
            self.sight.regain()
        elif reason:
            self.sight.lose(reason)
        else:
            self.sight.cloud()


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a part of the mirror has ended", exc_info=error)
