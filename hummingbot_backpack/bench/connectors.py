"""The contenders that are connectors, as Hummingbot runs them.

They are started, ticked and asked through the members that Hummingbot itself uses. Which of the two
a process imports was decided by the environment variable of `overlay` before it started.
"""

import asyncio
import base64
import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, override

from nacl.bindings import crypto_sign_seed_keypair

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.connector.exchange.backpack import backpack_constants, backpack_web_utils
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest
from hummingbot_backpack import overlay

from .bare import Requests
from .contender import AMOUNT, PAIR, PRICE, SYMBOL

_SEED_BYTES = 32
_LOOK_S = 0.001
_LONGEST_START_S = 90.0
_FIRST_TICKS_S = 0.05
_TICK_S = 1.0  # of Hummingbot's clock
_ORDER_PATH = "/api/v1/order"


def is_ours() -> bool:
    """Whether the connector imported here is this plugin's."""
    place = Path(str(sys.modules[BackpackExchange.__module__].__file__)).resolve()
    return place.is_relative_to(overlay.tree().resolve() / "hummingbot")


class HummingbotConnector:
    """What both connectors have in common, which is almost everything.

    Args:
        port: of the server.
        symbols: markets to follow.
    """

    def __init__(self, port: int, symbols: list[str]) -> None:
        self.books: dict[str, OrderBook] = {}
        self.book_type: type[OrderBook] = OrderBook
        self.skips_pauses = True
        public_key, _ = crypto_sign_seed_keypair(seed := os.urandom(_SEED_BYTES))
        self._point_at(port)
        self.connector: Any = self._connector_type(
            base64.b64encode(public_key).decode(),
            base64.b64encode(seed).decode(),
            trading_pairs=[symbol.replace("_", "-") for symbol in symbols],
        )
        self._missing = 0
        self._created: asyncio.Future[None] | None = None
        self._listeners = [EventForwarder(self._on_created), EventForwarder(self._on_failed)]
        self.connector.add_listener(MarketEvent.BuyOrderCreated, self._listeners[0])
        self.connector.add_listener(MarketEvent.OrderFailure, self._listeners[1])

    def _point_at(self, port: int) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Start the connector and its clock.

        The clock ticks fast until it is ready, so that a whole second of Hummingbot's does not hide
        what the connector takes.
        """
        tracker = self.connector.order_book_tracker
        if self.skips_pauses:
            tracker._sleep = _no_sleep  # noqa: SLF001 (Hummingbot's own tests replace it)
        source = tracker.data_source
        source.order_book_create_function = lambda: self.book_type()  # noqa: PLW0108 (set later)
        self.connector._set_current_timestamp(time.time())  # noqa: SLF001 (as Hummingbot's clock)
        await self.connector.start_network()
        self._clock = asyncio.ensure_future(self._tick())
        deadline_s = time.monotonic() + _LONGEST_START_S
        while not self.connector.ready:
            if time.monotonic() > deadline_s:
                msg = f"not ready after {_LONGEST_START_S:.0f} s: {self.connector.status_dict}"
                raise RuntimeError(msg)
            await asyncio.sleep(_LOOK_S)
        self.books = {
            pair.replace("-", "_"): book for pair, book in self.connector.order_books.items()
        }

    async def _tick(self) -> None:
        while True:
            now_s = time.time()
            self.connector._set_current_timestamp(now_s)  # noqa: SLF001 (as Hummingbot's clock)
            self.connector.tick(now_s)
            await asyncio.sleep(_TICK_S if self.books else _FIRST_TICKS_S)

    async def place(self) -> float:
        """One order."""
        return await self.place_at_once(1)

    async def place_at_once(self, count: int) -> float:
        """Several orders, in one go as a strategy's tick does."""
        self._missing = count
        self._created = asyncio.get_running_loop().create_future()
        amount, price = Decimal(AMOUNT), Decimal(PRICE)
        asked_s = time.perf_counter()
        for _ in range(count):
            self.connector.buy(PAIR, amount, OrderType.LIMIT, price)
        await self._created
        return asked_s

    def _on_created(self, _: object) -> None:
        self._missing -= 1
        if not self._missing and self._created is not None:
            self._created.set_result(None)

    def _on_failed(self, event: object) -> None:
        if self._created is not None and not self._created.done():
            self._created.set_exception(RuntimeError(f"an order failed: {event}"))

    async def make_requests(self, count: int) -> None:
        """The exchange's time, again and again, within the request limits."""
        for _ in range(count):
            await self._ask_time()

    async def _ask_time(self) -> None:
        raise NotImplementedError

    async def sign(self, count: int) -> None:
        """Hummingbot's hook."""
        authenticate = self.connector.authenticator.rest_authenticate
        url = self.connector.web_utils.private_rest_url(self._order_path)
        for i in range(count):
            data = self._signed_body % i
            await authenticate(RESTRequest(method=RESTMethod.POST, url=url, data=data))

    _connector_type: type[BackpackExchange] = BackpackExchange
    _order_path = _ORDER_PATH
    _signed_body = json.dumps(
        {
            "clientId": 0,
            "orderType": "Limit",
            "price": PRICE,
            "quantity": AMOUNT,
            "side": "Bid",
            "symbol": SYMBOL,
            "timeInForce": "GTC",
        }
    ).replace('"clientId": 0', '"clientId": %d')

    async def sign_as_sent(self, count: int) -> None:
        """The same, unless the connector has a way of its own."""
        await self.sign(count)

    async def reconcile(self) -> None:
        """What Hummingbot's polling loop does for orders."""
        await self.connector._update_order_status()  # noqa: SLF001 (no public name)


async def _no_sleep(delay: float) -> None:
    """Take the place of the second that Hummingbot's tracker sleeps after each book."""


class Ours(HummingbotConnector):
    """This plugin's connector."""

    @override
    def _point_at(self, port: int) -> None:
        os.environ["BACKPACK_REST_URL"] = f"http://127.0.0.1:{port}"
        os.environ["BACKPACK_WS_URL"] = f"ws://127.0.0.1:{port}"

    @override
    async def _ask_time(self) -> None:
        await self.connector._server_time_ms()  # noqa: SLF001 (no public name)

    @override
    async def sign_as_sent(self, count: int) -> None:
        """The headers of a typed request."""
        from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
        from hummingbot.connector.exchange.backpack.api.models import (
            OrderType as WireOrderType,
        )
        from hummingbot.connector.exchange.backpack.api.models import Side, Symbol, TimeInForce

        for i in range(count):
            self.connector.auth.headers(
                ExecuteOrder(
                    symbol=Symbol(SYMBOL),
                    side=Side.BID,
                    order_type=WireOrderType.LIMIT,
                    client_id=i,
                    price=Decimal(PRICE),
                    quantity=Decimal(AMOUNT),
                    time_in_force=TimeInForce.GTC,
                )
            )


class _OnlyHummingbots(BackpackExchange):
    """Hummingbot's own way of an order, with the bare request where a connector has its own."""

    requests: Requests

    _create_order = ExchangePyBase._create_order  # noqa: SLF001 (in place of ours)
    _place_order_and_process_update = ExchangePyBase._place_order_and_process_update  # noqa: SLF001

    @override
    def _create_order_tracker(self) -> Any:
        return ClientOrderTracker(self)

    @override
    async def _place_order(self, *_: Any, **__: Any) -> tuple[str, float]:
        order = await self.requests.post()
        return order.id, time.time()


class Framework(Ours):
    """What Hummingbot and the bare request cost together: no connector can be below it."""

    _connector_type = _OnlyHummingbots

    @override
    async def start(self) -> None:
        """As ours; its account stream tells of orders that nobody here knows."""
        self.connector.requests.open()
        await super().start()

    @override
    def _point_at(self, port: int) -> None:
        super()._point_at(port)
        _OnlyHummingbots.requests = Requests(port)


class BuiltIn(HummingbotConnector):
    """The connector that Hummingbot ships."""

    _order_path = _ORDER_PATH.removeprefix("/")
    _signed_body = HummingbotConnector._signed_body.replace(  # noqa: SLF001 (of this module)
        "{", '{"instruction": "orderExecute", ', 1
    )

    @override
    def _point_at(self, port: int) -> None:
        # Ours has constants of other names under the same module name.
        constants: Any = backpack_constants
        constants.REST_URL = f"http://127.0.0.1:{port}/"
        constants.WSS_URL = f"ws://127.0.0.1:{port}/"

    @override
    async def _ask_time(self) -> None:
        throttler = self.connector._throttler  # noqa: SLF001 (no public name)
        await backpack_web_utils.get_current_server_time(throttler=throttler)
