"""What differs between our connector and the one Hummingbot ships, so that scenarios need not.

Both get the same shortened times: polls while a stream is down, patience with a request, pauses
between attempts. The built-in one also polls every second while all is well, where ours has to do
without. What a connector has no name for stays as it is, and the scenarios wait longer than it.
"""

import asyncio
from decimal import Decimal

import aiohttp

from hummingbot_backpack.overlay import find

PACKAGE = "hummingbot.connector.exchange.backpack"
IS_BUILT_IN = find(PACKAGE) is None

REQUEST_TIMEOUT_S = 1.0
SHORT_POLL_S, LONG_POLL_S = 0.2, 1.0
RETRY_S = 1.0
HEARTBEAT_S = 1.0
_BOOK_PAUSE_S = 0.05


class OurStage:
    """The plugin's connector; its own tests shorten its times."""

    def __init__(self, request, monkeypatch):
        from hummingbot.connector.exchange.backpack import backpack_book_watch, backpack_web_utils
        from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

        self._monkeypatch = monkeypatch
        self._connector_class = BackpackExchange
        request.getfixturevalue("quick_polls")
        request.getfixturevalue("quick_reconnects")
        request.getfixturevalue("little_patience")
        monkeypatch.setattr(backpack_web_utils, "REQUEST_TIMEOUT_S", REQUEST_TIMEOUT_S)
        monkeypatch.setattr(backpack_book_watch, "TICK_S", SHORT_POLL_S)
        monkeypatch.setattr(backpack_book_watch, "HALTED_RETRY_S", RETRY_S)
        monkeypatch.setattr(backpack_book_watch, "MARKETS_RETRY_S", RETRY_S)
        monkeypatch.setattr(BackpackExchange, "SHORT_POLL_INTERVAL", SHORT_POLL_S)

    def connector(self, rest_url, ws_url, **settings):
        """A connector to this exchange, not started."""
        self._monkeypatch.setenv("BACKPACK_REST_URL", rest_url)
        self._monkeypatch.setenv("BACKPACK_WS_URL", ws_url)
        return self._connector_class(**settings)

    def quicken_heartbeat(self):
        """Ask a connection for a sign of life every second."""
        from hummingbot.connector.exchange.backpack import backpack_stream

        self._monkeypatch.setattr(backpack_stream, "STREAM_HEARTBEAT_S", HEARTBEAT_S)

    async def close(self):
        """Let go of the sockets."""
        from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections

        await Connections().close()


class BuiltInStage:
    """Hummingbot's own connector, with its addresses set to the local exchange."""

    def __init__(self, request, monkeypatch):
        from hummingbot.connector.exchange.backpack import backpack_constants
        from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
        from hummingbot.core.data_type.order_book_tracker import OrderBookTracker

        self._monkeypatch = monkeypatch
        self._constants = backpack_constants
        self._connector_class = BackpackExchange
        # It has no time-out of its own and relies on that of the HTTP library.
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        monkeypatch.setattr(aiohttp.client, "DEFAULT_TIMEOUT", timeout)
        monkeypatch.setattr(BackpackExchange, "SHORT_POLL_INTERVAL", SHORT_POLL_S)
        monkeypatch.setattr(BackpackExchange, "LONG_POLL_INTERVAL", LONG_POLL_S)
        # It pauses a second after each book that it loads.
        monkeypatch.setattr(OrderBookTracker, "_sleep", staticmethod(_pause))

    def connector(self, rest_url, ws_url, **settings):
        """A connector to this exchange, not started."""
        self._monkeypatch.setattr(self._constants, "REST_URL", f"{rest_url}/")
        self._monkeypatch.setattr(self._constants, "WSS_URL", f"{ws_url}/")
        return self._connector_class(**settings)

    def quicken_heartbeat(self):
        """Ask a connection for a sign of life every second."""
        self._monkeypatch.setattr(self._constants, "WS_HEARTBEAT_TIME_INTERVAL", HEARTBEAT_S)

    async def close(self):
        """Let go of the sockets."""
        from hummingbot.core.web_assistant.connections.connections_factory import (
            ConnectionsFactory,
        )

        await ConnectionsFactory().close()


Stage = BuiltInStage if IS_BUILT_IN else OurStage


async def _pause(delay):
    await asyncio.sleep(min(delay, _BOOK_PAUSE_S))


def available_of(connector, asset):
    """What can be spent: the built-in connector reckons it from its last poll."""
    return connector.get_available_balance(asset) or Decimal(0)
