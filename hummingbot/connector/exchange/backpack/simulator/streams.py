"""Who gets which frame: subscriptions, and the fan-out of engine events to them.

Each event is put into bytes once, however many read it, and only if somebody does. Frames leave in
the order of the engine's events. Nothing is acknowledged; unknown and closed markets are silently
without data, as on the exchange.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..api.models import Market, OrderBookState, Side, Symbol
from . import topics, wire_streams
from .connections import Connection
from .engine import Engine
from .events import (
    BalanceEvent,
    BookTickerEvent,
    DepthEvent,
    EngineEvent,
    OrderEvent,
    TradeEvent,
)
from .frames import Frame
from .statistics import Statistics
from .topics import StreamKind, Topic

if TYPE_CHECKING:
    from decimal import Decimal

type FrameFault = Callable[[str, str, bytes], list[bytes]]
"""Told stream, account (empty for public ones) and data, gives the data that leaves instead."""
type Admission = Callable[[list[Topic]], None]
"""Asked before streams are subscribed; raises `StreamFault` to refuse it."""

_PUBLIC = ""
_US_PER_S = 1_000_000


class Subscriptions:
    """Readers by stream; a private stream is one for each account."""

    def __init__(self) -> None:
        # Insertion order is kept, so frames reach readers in the order they came.
        self._readers: dict[tuple[str, str], dict[Connection, None]] = {}

    def add(self, connection: Connection, account_id: str, topic: str) -> None:
        """Let a connection read a stream; a second time changes nothing."""
        self._readers.setdefault((account_id, topic), {})[connection] = None
        connection.topics.add((account_id, topic))

    def remove(self, connection: Connection, account_id: str, topic: str) -> None:
        """Stop a connection reading a stream."""
        key = (account_id, topic)
        connection.topics.discard(key)
        readers = self._readers.get(key)
        if readers is not None:
            readers.pop(connection, None)
            if not readers:
                del self._readers[key]

    def forget(self, connection: Connection) -> None:
        """Drop everything a connection read."""
        for account_id, topic in list(connection.topics):
            self.remove(connection, account_id, topic)

    def has(self, topic: str, account_id: str = _PUBLIC) -> bool:
        """Whether anybody reads a stream."""
        return (account_id, topic) in self._readers

    def public_topics(self) -> list[str]:
        """The public streams that are read."""
        return [topic for account_id, topic in self._readers if not account_id]

    def send(self, payload: bytes, topic: str, account_id: str = _PUBLIC) -> None:
        """Send a message to all who read a stream."""
        readers = self._readers.get((account_id, topic))
        if readers:
            frame = Frame(payload)
            for connection in list(readers):
                connection.send(frame)


class _Aggregate:
    """Depth changes of one window, until it ends."""

    def __init__(self, first_update_id: int) -> None:
        self.first_update_id = first_update_id
        self.last_update_id = first_update_id
        self.time_us = 0
        self.levels: dict[Side, dict[Decimal, Decimal]] = {Side.BID: {}, Side.ASK: {}}

    def add(self, event: DepthEvent) -> None:
        self.last_update_id = event.last_update_id
        self.time_us = event.time_us
        self.levels[Side.BID].update(event.bids)
        self.levels[Side.ASK].update(event.asks)

    def event(self, symbol: Symbol) -> DepthEvent:
        return DepthEvent(
            symbol=symbol,
            first_update_id=self.first_update_id,
            last_update_id=self.last_update_id,
            bids=tuple(sorted(self.levels[Side.BID].items())),
            asks=tuple(sorted(self.levels[Side.ASK].items())),
            time_us=self.time_us,
        )


class Streams:
    """Turns engine events into frames for those who subscribed.

    Args:
        engine: its events are listened to from now on.
        statistics: what tickers and candles show.
        clock_us: the exchange's time, µs since the epoch.
    """

    def __init__(self, engine: Engine, statistics: Statistics, clock_us: Callable[[], int]) -> None:
        self.subscriptions = Subscriptions()
        self.frame_faults: list[FrameFault] = []
        self.admissions: list[Admission] = []
        self._engine = engine
        self._statistics = statistics
        self._clock_us = clock_us
        self._markets = engine.markets  # for ticks and steps
        self._paddings: dict[Symbol, tuple[Market, wire_streams.Padding]] = {}
        self._aggregates: dict[str, _Aggregate] = {}
        self._running_candles: dict[str, int] = {}
        engine.subscribe(self._on_event)

    # --- subscriptions ---

    def subscribe(self, connection: Connection, wanted: list[Topic], account_id: str) -> None:
        """Let a connection read streams, private ones as `account_id`.

        Unknown markets are ignored.

        Raises:
            StreamFault: a fault refuses it.
        """
        for admit in self.admissions:
            admit(wanted)
        for topic in wanted:
            if topic.symbol is not None and topic.symbol not in self._markets:
                continue
            owner = account_id if topic.kind.is_private else _PUBLIC
            self.subscriptions.add(connection, owner, topic.name)

    def unsubscribe(self, connection: Connection, unwanted: list[Topic]) -> None:
        """Stop a connection reading streams. What it did not read is ignored."""
        names = {topic.name for topic in unwanted}
        for owner, name in list(connection.topics):
            if name in names:
                self.subscriptions.remove(connection, owner, name)

    # --- engine events ---

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case DepthEvent():
                self._on_depth(event)
            case BookTickerEvent():
                self._on_book_ticker(event)
            case TradeEvent():
                self._statistics.record(event)
                self._on_trade(event)
            case OrderEvent():
                self._on_order(event)
            case BalanceEvent():
                self._on_balance(event)

    def _on_depth(self, event: DepthEvent) -> None:
        topic = f"depth.{event.symbol}"
        if self.subscriptions.has(topic):
            self._send_depth(event, topic)
        for window, length_s in _WINDOWS_S.items():
            topic = f"depth.{window}.{event.symbol}"
            if self.subscriptions.has(topic):
                self._collect(event, topic, length_s)

    def _collect(self, event: DepthEvent, topic: str, length_s: float) -> None:
        aggregate = self._aggregates.get(topic)
        if aggregate is None:
            aggregate = self._aggregates[topic] = _Aggregate(event.first_update_id)

            def release() -> None:
                self._send_depth(self._aggregates.pop(topic).event(event.symbol), topic)

            asyncio.get_running_loop().call_later(length_s, release)
        aggregate.add(event)

    def _send_depth(self, event: DepthEvent, topic: str) -> None:
        pad = self._padding(event.symbol)
        self._send(wire_streams.depth(event, pad, self._sent_us(event.time_us)), topic)

    def _on_book_ticker(self, event: BookTickerEvent) -> None:
        topic = f"bookTicker.{event.symbol}"
        if self.subscriptions.has(topic):
            pad = self._padding(event.symbol)
            self._send(wire_streams.book_ticker(event, pad, self._sent_us(event.time_us)), topic)

    def _on_trade(self, event: TradeEvent) -> None:
        topic = f"trade.{event.symbol}"
        if self.subscriptions.has(topic):
            pad = self._padding(event.symbol)
            self._send(wire_streams.trade(event, pad, self._sent_us(event.time_us)), topic)

    def _on_order(self, event: OrderEvent) -> None:
        order = event.order
        kind = StreamKind.ORDER_UPDATE.value
        wanted = [
            topic
            for topic in (kind, f"{kind}.{order.symbol}")
            if self.subscriptions.has(topic, order.account_id)
        ]
        if not wanted:
            return
        market, pad = self._markets[order.symbol], self._padding(order.symbol)
        data = wire_streams.order_update(event, market, pad, self._sent_us(event.time_us))
        for topic in wanted:
            self._send(data, topic, order.account_id)

    def _on_balance(self, event: BalanceEvent) -> None:
        topic = StreamKind.BALANCE_UPDATE.value
        if self.subscriptions.has(topic, event.account_id):
            data = wire_streams.balance_update(event, self._sent_us(event.time_us))
            self._send(data, topic, event.account_id)

    def _padding(self, symbol: Symbol) -> wire_streams.Padding:
        market = self._markets[symbol]
        known_market, padding = self._paddings.get(symbol, (None, None))
        if padding is None or known_market is not market:
            padding = wire_streams.Padding(market)
            self._paddings[symbol] = (market, padding)
        return padding

    def _sent_us(self, happened_us: int) -> int:
        return max(self._clock_us(), happened_us)

    def _send(self, data: bytes, topic: str, account_id: str = _PUBLIC) -> None:
        frames = [data]
        for fault in tuple(self.frame_faults):
            frames = [altered for frame in frames for altered in fault(topic, account_id, frame)]
        for frame in frames:
            self.send_frame(topic, account_id, frame)

    def send_frame(self, topic: str, account_id: str, data: bytes) -> None:
        """Let data leave on a stream (of an account, empty for public ones), past all faults."""
        self.subscriptions.send(wire_streams.envelope(data, topic), topic, account_id)

    # --- once a second ---

    def tick(self) -> None:
        """Send what goes out once a second: tickers, and candles in which something traded."""
        is_open = {
            symbol: market.order_book_state is not OrderBookState.CLOSED
            for symbol, market in self._engine.markets.items()
        }
        running: dict[str, int] = {}
        for name in self.subscriptions.public_topics():
            topic = topics.parse_topic(name)
            if topic.symbol is None or not is_open.get(topic.symbol):
                continue
            if topic.kind is StreamKind.TICKER:
                self._send_ticker(topic.symbol, name)
            elif topic.kind is StreamKind.KLINE:
                running[name] = self._send_candles(topic.symbol, topic.detail, name)
        self._running_candles = running

    def _send_ticker(self, symbol: Symbol, name: str) -> None:
        now_us = self._clock_us()
        figures = self._statistics.ticker(symbol, now_us // _US_PER_S)
        if figures is not None:
            self._send(wire_streams.ticker(figures, now_us), name)

    def _send_candles(self, symbol: Symbol, interval: str, name: str) -> int:
        now_us = self._clock_us()
        candle = self._statistics.candle(symbol, interval, now_us // _US_PER_S)
        # A candle's last frame leaves right after its end, empty or not, if its running was seen
        # here.
        seen = self._running_candles.get(name, candle.start_s)
        if seen < candle.start_s:
            ended = self._statistics.candle(symbol, interval, seen)
            self._send(wire_streams.kline(ended, symbol, now_us, is_closed=True), name)
        if candle.trades:
            self._send(wire_streams.kline(candle, symbol, now_us, is_closed=False), name)
        return candle.start_s


_WINDOWS_S = {"200ms": 0.2, "600ms": 0.6, "1000ms": 1.0}
