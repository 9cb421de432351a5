"""A whole exchange in one value: engine, server, accounts and liquidity, made from settings.

    async with LocalExchange(Settings(markets=("SOL_USDC",))) as exchange:
        print(exchange.rest_url, exchange.ws_url, exchange.api_key)

Used by the command line, by tests and by the connector's demo mode. Knows nothing of the connector.
"""

import asyncio
import os
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ..api.models import Symbol
from ..api.signing import KEY_BYTES, Signer, generate_key_pair
from .engine import Engine
from .fault_runner import FaultRunner
from .fault_script import parse_fault
from .faults import Faults
from .market_life import MarketLife
from .markets import known_markets
from .memory import Memory
from .mirror_source import MirrorSource
from .server import Credentials, ExchangeServer, ServerOptions
from .settings import (
    DEFAULT_BALANCES,
    AccountSettings,
    LiquidityKind,
    Settings,
    check_settings,
)
from .state_file import StateFileError

__all__ = [
    "DEFAULT_BALANCES",
    "AccountSettings",
    "LiquidityKind",
    "LocalAccount",
    "LocalExchange",
    "Settings",
    "StateFileError",
]


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """An account that exists, with the keys that sign for it."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)


class LocalExchange:
    """An exchange on this machine, open while its ``async with`` block lasts.

    Attributes:
        settings: what it was made from.
        accounts: its accounts with their keys, in the order of the settings.
        engine: the exchange proper, to look at and to command directly.

    Raises:
        ValueError: settings that make no sense; the text says which.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings = settings or Settings()
        check_settings(settings)
        for text in settings.faults:
            parse_fault(text)
        self.accounts = tuple(_with_keys(account) for account in settings.accounts)
        self.engine = Engine(known_markets(), clock_us=settings.clock_us)
        for account in settings.accounts:
            self.engine.open_account(
                account.name,
                account.balances,
                maker_fee_bps=settings.maker_fee_bps,
                taker_fee_bps=settings.taker_fee_bps,
            )
        self._life = MarketLife(self.engine, settings)
        self._memory = None
        if settings.state_file is not None:
            names = [account.name for account in self.accounts]
            self._memory = Memory(self.engine, names, settings.state_file, self._life.tell)
        self._server = ExchangeServer(
            self.engine,
            accounts=[Credentials(account.name, account.api_key) for account in self.accounts],
            liquidity=self._life.liquidity,
            statistics=self._life.statistics,
            clock_us=settings.clock_us,
            options=_server_options(settings),
        )

    @property
    def rest_url(self) -> str:
        """Base of all REST addresses, such as ``http://127.0.0.1:40001``."""
        return self._server.rest_url

    @property
    def ws_url(self) -> str:
        """Address of all streams, such as ``ws://127.0.0.1:40001``."""
        return self._server.ws_url

    @property
    def api_key(self) -> str:
        """API key of the first account."""
        return self.accounts[0].api_key

    @property
    def api_secret(self) -> str:
        """API secret of the first account."""
        return self.accounts[0].api_secret

    @property
    def account_id(self) -> str:
        """Id of the first account, as the engine's methods take it."""
        return self.accounts[0].name

    @property
    def faults(self) -> Faults:
        """Faults to switch on."""
        return self._server.faults

    @property
    def scripts(self) -> FaultRunner:
        """Faults by text, such as ``drop-ws:every=20s``, while it is open."""
        return self._server.scripts

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return self._server.connections

    @property
    def market_source(self) -> LiquidityKind:
        """Where other people's orders come from; `AUTO` only until the start has decided."""
        return self._life.kind

    @property
    def is_blind(self) -> bool:
        """Whether a mirrored market cannot be seen now: then nothing of it is filled."""
        return self.source is not None and self.source.is_blind

    @property
    def blind_markets(self) -> tuple[Symbol, ...]:
        """The mirrored markets that cannot be seen now."""
        return () if self.source is None else tuple(self.source.blind_symbols)

    @property
    def source(self) -> MirrorSource | None:
        """What is mirrored; ``None`` if nothing is."""
        return self._life.source

    async def start(self) -> None:
        """Open for business. A mirror waits for its source as long as the settings say.

        Raises:
            OSError: the address is taken or not ours.
            ValueError: markets that the source does not have, or a state file in use.
        """
        deadline_s = asyncio.get_running_loop().time() + self.settings.source_patience_s
        try:
            await self._life.look()
            if self._memory is not None:
                # With the source's rules, and before its orders: they will go before ours.
                self._memory.open()
            await self._life.open(deadline_s - asyncio.get_running_loop().time())
            self._server.use(self._life.liquidity)
            await self._server.start(self.settings.host, self.settings.port)
        except BaseException:
            await self._close()
            raise
        if self._memory is not None:
            self._memory.start()

    async def add_market(self, symbol: str) -> None:
        """Bring one more market to life; one that lives already is left alone.

        Of a mirror it waits a moment for sight; `blind_markets` says whether that was enough.

        Raises:
            ValueError: unknown, closed, or not a spot market.
        """
        await self._life.add(symbol)

    async def stop(self) -> None:
        """Close all connections and stop. Does nothing if not started."""
        await self._close()

    def save(self) -> None:
        """Write the state file now, for a process that ends without `stop`."""
        if self._memory is not None:
            self._memory.save()

    async def _close(self) -> None:
        await self._server.stop()
        await self._life.close()
        if self._memory is not None:
            await self._memory.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def _server_options(settings: Settings) -> ServerOptions:
    return ServerOptions(
        requests_per_minute=settings.requests_per_minute if settings.rate_limits else None,
        history_per_minute=settings.history_per_minute if settings.rate_limits else None,
        ping_interval_s=settings.ping_interval_s,
        pong_patience_s=settings.pong_patience_s,
        max_buffered_bytes=settings.max_buffered_bytes,
        faults=settings.faults,
        seed=settings.seed,
        admin=settings.admin,
    )


def _with_keys(account: AccountSettings) -> LocalAccount:
    api_key, api_secret = account.api_key, account.api_secret
    if not api_key and not api_secret:
        api_key, api_secret = generate_key_pair(os.urandom(KEY_BYTES))
    # The same check as in the connector: a pair that cannot work is named here and not in the first
    # request.
    signer = Signer(api_key, api_secret)
    return LocalAccount(account.name, signer.api_key, api_secret)
