"""The exchange's side of a demo, asked directly: past Hummingbot and past the connector."""

import time
from decimal import Decimal
from typing import Any

import aiohttp
from yarl import URL

from hummingbot.connector.exchange.backpack.api.endpoints import (
    MAX_PAGE,
    Endpoint,
    GetCapital,
    GetFills,
    GetOpenOrders,
    GetOrderHistory,
)
from hummingbot.connector.exchange.backpack.api.models import (
    Fill,
    HistoricOrder,
    Order,
    SortDirection,
)
from hummingbot.connector.exchange.backpack.api.replies import parse_reply
from hummingbot.connector.exchange.backpack.api.signing import Signer


class ExchangeAccount:
    """What the exchange says of one account.

    Args:
        session: to send requests with.
        rest_url: of the exchange.
        signer: of the account's keys.
    """

    def __init__(self, session: aiohttp.ClientSession, rest_url: str, signer: Signer) -> None:
        self._session = session
        self._rest_url = rest_url
        self._signer = signer

    async def balances(self) -> dict[str, Decimal]:
        """Everything that is owned, locked or not, by asset."""
        funds = await self._ask(GetCapital())
        return {asset: f.available + f.locked + f.staked for asset, f in funds.items()}

    async def open_orders(self) -> list[Order]:
        """Orders that are still in the market."""
        return await self._ask(GetOpenOrders())

    async def fills(self) -> list[Fill]:
        """All fills, oldest first."""
        rows: list[Fill] = []
        while True:
            page = await self._ask(
                GetFills(limit=MAX_PAGE, offset=len(rows), sort_direction=SortDirection.ASC)
            )
            rows += page
            if len(page) < MAX_PAGE:
                return rows

    async def orders(self) -> list[HistoricOrder]:
        """All orders, open and ended, oldest first."""
        rows: list[HistoricOrder] = []
        while True:
            page = await self._ask(
                GetOrderHistory(limit=MAX_PAGE, offset=len(rows), sort_direction=SortDirection.ASC)
            )
            rows += page
            if len(page) < MAX_PAGE:
                return rows

    async def _ask[R](self, endpoint: Endpoint[R]) -> R:
        """Send one signed GET request.

        Raises:
            BackpackError: the exchange refused it, or the reply cannot be read.
            aiohttp.ClientError: there was no reply.
        """
        signed: Endpoint[Any] = endpoint
        headers = self._signer.headers(signed, timestamp_ms=int(time.time() * 1000))
        url = URL(self._rest_url + endpoint.path).with_query(endpoint.query())
        async with self._session.get(url, headers=headers) as reply:
            return parse_reply(endpoint, reply.status, await reply.read())
