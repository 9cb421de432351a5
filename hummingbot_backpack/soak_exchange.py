"""The exchange of a soak run: a process of its own, its faults and its truth by the back door."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import aiohttp

from hummingbot.connector.exchange.backpack.simulator.markets import reference_price
from hummingbot_backpack.demo_processes import DemoError, LocalExchange, Ready

ACCOUNT = "main"
# The markets in the order in which they are taken; 10 are enough for the fastest run.
SYMBOLS = (
    *("SOL_USDC", "BTC_USDC", "ETH_USDC", "JUP_USDC", "WIF_USDC"),
    *("PYTH_USDC", "JTO_USDC", "LINK_USDC", "AAVE_USDC", "BONK_USDC"),
)

_QUOTE_FUNDS = 5_000_000
_BASE_FUNDS_VALUE = 1_000_000
_REQUEST_TIMEOUT_S = 5.0
_RETRY_S = 0.1


class SoakExchange:
    """One exchange process.

    Args:
        symbols: markets with other people's orders.
        folder: working directory, and where its log goes.
        seed: of the market.
        messages_per_second: depth frames of all markets together.
    """

    def __init__(
        self, symbols: tuple[str, ...], folder: Path, *, seed: int, messages_per_second: float
    ) -> None:
        arguments = ["--liquidity", "synthetic", "--admin", "--no-candle-history"]
        arguments += ["--seed", str(seed), "--log-level", "info"]
        arguments += ["--frames-per-second", f"{messages_per_second / len(symbols):.3f}"]
        arguments += ["--balance", f"USDC={_QUOTE_FUNDS}"]
        for symbol in symbols:
            amount = int(_BASE_FUNDS_VALUE / float(reference_price(symbol)))  # type: ignore[arg-type] # a symbol by its text
            arguments += ["--market", symbol, "--balance", f"{symbol.partition('_')[0]}={amount}"]
        self._log = folder / "exchange.log"
        self._process = LocalExchange(arguments, folder, self._log)
        self._session: aiohttp.ClientSession | None = None
        self._url = ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_running

    async def start(self) -> Ready:
        """Start it.

        Raises:
            DemoError: it did not start.
        """
        ready = await self._process.start()
        self._url = ready.rest
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
        )
        return ready

    async def stop(self) -> None:
        """End it."""
        if self._session is not None:
            await self._session.close()
        await self._process.stop()

    # --- faults ---

    async def strike(self, fault: str) -> int:
        """Start a fault by its text; returns its number."""
        number: int = (await self._ask("POST", "faults", fault))["number"]
        return number

    async def lift(self, number: int) -> None:
        """End a fault; one that has ended by itself is all right."""
        await self._ask("DELETE", f"faults/{number}")

    async def lift_all(self) -> None:
        """End all faults, and wait out an outage."""
        await self._ask("DELETE", "faults")

    async def is_faulty(self) -> bool:
        """Whether any fault is under way. While it cannot be reached, one is."""
        return bool(await self._ask("GET", "faults"))

    # --- truth ---

    async def account(self) -> dict[str, Any]:
        """Everything about the bot's account."""
        account: dict[str, Any] = await self._ask("GET", f"accounts/{ACCOUNT}")
        return account

    async def book(self, symbol: str) -> dict[str, Any] | None:
        """A whole book; ``None`` while its market is closed or the exchange is away."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            book: dict[str, Any] | None = await self._ask_once("GET", f"books/{symbol}")
            return book
        return None

    async def _ask(self, method: str, path: str, body: str | None = None) -> Any:  # noqa: ANN401 (JSON)
        """As `_ask_once`, for as long as there is no connection: an outage cuts this one, too.

        Raises:
            DemoError: the process has ended.
        """
        while True:
            if not self.is_running:
                raise DemoError(f"The exchange has ended; its log is {self._log}.")
            try:
                return await self._ask_once(method, path, body)
            except aiohttp.ClientConnectorError:
                pass
            except aiohttp.ClientError:
                if method == "POST":  # it may have been carried out
                    raise
            await asyncio.sleep(_RETRY_S)

    async def _ask_once(self, method: str, path: str, body: str | None = None) -> Any:  # noqa: ANN401 (JSON)
        if self._session is None:
            raise RuntimeError("the exchange is not started")
        async with self._session.request(
            method, f"{self._url}/admin/{path}", data=None if body is None else body.encode()
        ) as reply:
            if reply.status == 404:  # noqa: PLR2004 (not there, or not any more)
                return None
            if reply.status >= 400:  # noqa: PLR2004 (a fault's text that is none)
                raise ValueError(await reply.text())
            return await reply.json()
