"""What crossed the wire, and faults of single frames, connections and names."""

import json
import socket
from collections import Counter
from contextlib import contextmanager

import aiohttp

from hummingbot.connector.exchange.backpack.simulator.faults import ConnectionCut

from ..conftest import PLACE, PLACE_BATCH, Calls

_BAD_REQUEST, _SERVER_ERROR, _TOO_MANY = 400, 500, 429


class Requests(Calls):
    """The requests that have arrived at the exchange, with what was answered."""

    def __init__(self):
        super().__init__()
        self._accepted = Counter()

    def note(self, call, status):
        """Keep a request; `status` is ``None`` if it got no answer."""
        is_refusal = (
            status is not None and _BAD_REQUEST <= status < _SERVER_ERROR and status != _TOO_MANY
        )
        if call.operation in {PLACE, PLACE_BATCH} and not is_refusal:
            orders = json.loads(call.body)
            for order in orders if isinstance(orders, list) else [orders]:
                self._accepted[order.get("clientId")] += 1

    def sent_twice(self):
        """Orders that were sent again although the exchange had not refused them."""
        return [
            f"an order was sent {times} times" for times in self._accepted.values() if times > 1
        ]


def recorded(exchange, monkeypatch):
    """Record all requests from now on, whatever faults do to them then."""
    seen = Requests()
    around = exchange.faults.around

    async def noted(call, proceed):
        seen.all.append(call)
        try:
            reply = await around(call, proceed)
        except ConnectionCut:
            seen.note(call, None)
            raise
        seen.note(call, reply.status)
        return reply

    async def nothing(call, proceed):
        return await proceed()

    monkeypatch.setattr(exchange.faults, "around", noted)
    exchange.faults.rest.append(nothing)  # the server asks for faults only if there are any
    return seen


@contextmanager
def held_frames(exchange, topic):
    """Keep a stream's events back; they leave at the block's end, as it has ordered them."""
    held = []

    def hold(name, account_id, data):
        if name != topic:
            return [data]
        held.append((name, account_id, data))
        return []

    exchange.faults.frames.append(hold)
    try:
        yield held
    finally:
        exchange.faults.frames.remove(hold)
    for frame in held:
        exchange._server.send_frame(*frame)


def cut_account_stream(exchange):
    """Cut the connections that private events go through; those of market data stay."""
    for connection in exchange._server.open_connections():
        if any(account_id for account_id, _ in connection.topics):
            connection.cut()


@contextmanager
def no_names(monkeypatch):
    """No name can be looked up, whatever was looked up before."""

    async def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with monkeypatch.context() as patch:
        patch.setattr(aiohttp.TCPConnector, "_resolve_host", unknown)
        yield


def by_name(url):
    """The same address with a host that must be looked up."""
    return url.replace("127.0.0.1", "localhost")
