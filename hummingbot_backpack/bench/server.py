"""An exchange that costs almost nothing: it checks no signature and matches no order.

It speaks the wire protocol on one port and takes commands on another. All it sends is made before
it is asked for, or is a few bytes put together, so what is measured is the client.

Run as ``python -m hummingbot_backpack.bench.server MARKETS ROUND_TRIP_MS``; the first line of its
output names both ports.
"""

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from .connection import PING, Connection
from .market import ServedMarket, symbols
from .replies import Replies

if TYPE_CHECKING:
    from collections.abc import Callable

_HOST = "127.0.0.1"


class Exchange:
    """State of the server: markets, orders and who listens to what."""

    def __init__(self, markets: int, round_trip_s: float) -> None:
        self.round_trip_s = round_trip_s
        self.markets = {name: ServedMarket(name) for name in symbols(markets)}
        self.connections: set[Connection] = set()
        self.listeners: dict[str, Connection] = {}
        self.accepted = 0
        self.market_stream_s = 0.0
        self.arrivals_s: list[float] = []
        self.requests = 0
        self.sent: list[tuple[float, str, int]] = []
        self.replies = Replies(self.markets)

    def subscribe(self, connection: Connection, request: dict[str, Any]) -> None:
        """Take topics; a private subscription is answered with a ping, as a sign of life."""
        for topic in request["params"]:
            if topic.startswith("account."):
                connection.send(PING)
            elif topic.startswith("depth."):
                self.market_stream_s = connection.upgraded_s
            self.listeners[topic] = connection

    def unsubscribe(self, request: dict[str, Any]) -> None:
        """Send no more of topics."""
        for topic in request["params"]:
            self.listeners.pop(topic, None)

    # === what the measuring process asks for; see `_answer`

    def burst(self, messages: int) -> dict[str, int]:
        """Send diffs of all markets in turn, at once; returns the last update id of each."""
        chosen = list(self.markets.values())
        frames: dict[Connection, list[bytes]] = {}
        for i in range(messages):
            market = chosen[i % len(chosen)]
            listener = self.listeners[f"depth.{market.symbol}"]
            parts = frames.setdefault(listener, [])
            parts.append(market.next_diff())
            if market.has_new_touch and f"bookTicker.{market.symbol}" in self.listeners:
                parts.append(market.touch())
        for listener, parts in frames.items():
            listener.send(b"".join(parts))
        return {market.symbol: market.update_id for market in chosen}

    def trades(self) -> None:
        """Tell one trade of each market, so that no client asks for last prices."""
        for market in self.markets.values():
            self.listeners[f"trade.{market.symbol}"].send(market.trade())

    def pace(self, rate_hz: float, seconds: float, drop_every: int) -> None:
        """Send diffs evenly, in a thread of its own; one in `drop_every` is left out (0: none)."""
        self.sent.clear()
        threading.Thread(
            target=self._send_evenly, args=(rate_hz, seconds, drop_every), daemon=True
        ).start()

    def _send_evenly(self, rate_hz: float, seconds: float, drop_every: int) -> None:
        chosen = [
            (
                market,
                self.listeners[f"depth.{market.symbol}"].socket_number,
                f"bookTicker.{market.symbol}" in self.listeners,
            )
            for market in self.markets.values()
        ]
        start_s = time.perf_counter()
        for i in range(int(rate_hz * seconds)):
            due_s = start_s + i / rate_hz
            left_s = due_s - time.perf_counter()
            if left_s > 0:
                time.sleep(left_s)
            market, socket_number, wants_touch = chosen[i % len(chosen)]
            frame = market.next_diff()
            sent_s = time.perf_counter()
            if drop_every and i % drop_every == drop_every // 2:
                self.sent.append((-sent_s, market.symbol, market.update_id))
                continue
            self.sent.append((sent_s, market.symbol, market.update_id))
            os.write(socket_number, frame)
            if wants_touch and market.has_new_touch:
                os.write(socket_number, market.touch())

    def cut(self, missed: int) -> None:
        """Break all streams; so many diffs of each market happen while nobody listens."""
        for connection in list(self.connections):
            if connection.is_stream:
                connection.abort()
        for market in self.markets.values():
            for _ in range(missed):
                market.next_diff()

    def state(self) -> dict[str, Any]:
        """Counters."""
        return {
            "accepted": self.accepted,
            "requests": self.requests,
            "topics": len(self.listeners),
            "market_stream_s": self.market_stream_s,
            "orders": len(self.replies.orders),
            "cpu_s": time.process_time(),
        }

    def books(self) -> dict[str, Any]:
        """The true books."""
        return {
            market.symbol: {"update_id": market.update_id, **market.levels()}
            for market in self.markets.values()
        }

    def take_arrivals(self) -> list[float]:
        """When orders arrived since the last time this was asked, `time.perf_counter` seconds."""
        arrivals, self.arrivals_s = self.arrivals_s, []
        return arrivals

    def take_sent(self) -> list[tuple[float, str, int]]:
        """Diffs of `pace`: when (negative: left out), symbol and update id."""
        return self.sent


async def _answer(
    exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Commands, one a line: ``["burst", 1000]`` calls `Exchange.burst`."""
    commands: dict[str, Callable[..., Any]] = {
        command.__name__: command
        for command in (
            exchange.burst,
            exchange.trades,
            exchange.pace,
            exchange.cut,
            exchange.state,
            exchange.books,
            exchange.take_arrivals,
            exchange.take_sent,
        )
    }
    while line := await reader.readline():
        name, *arguments = msgspec.json.decode(line)
        writer.write(msgspec.json.encode(commands[name](*arguments)) + b"\n")


async def serve(markets: int, round_trip_s: float) -> None:
    """Serve until cancelled; print the ports when ready."""
    loop = asyncio.get_running_loop()
    exchange = Exchange(markets, round_trip_s)
    wire = await loop.create_server(lambda: Connection(exchange), _HOST, 0, backlog=1024)
    control = await asyncio.start_server(
        lambda reader, writer: _answer(exchange, reader, writer), _HOST, 0, limit=1 << 26
    )
    ports = [server.sockets[0].getsockname()[1] for server in (wire, control)]
    print(*ports, flush=True)
    await asyncio.gather(wire.serve_forever(), control.serve_forever(), _until_orphaned())


async def _until_orphaned() -> None:
    """End with the process that started this one."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(1.0)
    os._exit(0)


def main() -> None:
    """Command line: how many markets, and how long a round trip is in ms."""
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))


if __name__ == "__main__":
    main()
