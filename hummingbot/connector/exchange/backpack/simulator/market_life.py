"""Brings markets to life: other people's orders from the source that was chosen, and candles.

`AUTO` becomes `MIRROR` or `SYNTHETIC` when it is opened. A market may be asked for at any time.
"""

import asyncio
import logging
import random
import time
from decimal import Decimal

from ..api.backoff import Backoff
from ..api.errors import BackpackError
from ..api.models import Symbol
from .candle_history import build_history
from .engine import Engine
from .liquidity import Liquidity, ReplayLiquidity, SyntheticLiquidity
from .markets import known_markets, reference_price
from .mirror_source import MirrorSource
from .settings import LiquidityKind, Settings, check_market
from .source_candles import fetch_history
from .source_client import SourceClient
from .statistics import Candle, Statistics

_log = logging.getLogger(__name__)

_US_PER_S = 1_000_000


class MarketLife:
    """Other people's orders of one exchange.

    Args:
        engine: where they come to.
        settings: where they come from.

    Attributes:
        kind: where they come from now; `AUTO` until it is decided.
        statistics: tickers and candles, with a past where the settings ask for one.
        source: what is mirrored; ``None`` if nothing is.
        tell: hears what a user should know.

    Raises:
        ValueError: unknown or closed markets, or a recording that is none.
        OSError: the recording cannot be read.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.kind = settings.liquidity
        self.statistics = Statistics(self._history if settings.candle_history else None)
        self.tell = settings.tell or _log.log
        self.source: MirrorSource | None = None
        self._engine = engine
        self._settings = settings
        self._start_s = settings.clock_us() // _US_PER_S
        self._alive: dict[Symbol, None] = {}
        self._synthetic: SyntheticLiquidity | None = None
        self._replay: ReplayLiquidity | None = None
        self._histories: set[asyncio.Task[None]] = set()
        self._client = SourceClient(settings.source_rest_url, settings.source_ws_url)
        if self._may_mirror:
            self.source = MirrorSource(engine, self._client, tell=self.tell)
            return
        symbols = [check_market(name, engine.markets) for name in settings.markets]
        self._alive.update(dict.fromkeys(symbols))
        if self.kind is LiquidityKind.SYNTHETIC:
            self._synthetic = self._make_synthetic()
        elif settings.replay_file is not None and self.kind is LiquidityKind.REPLAY:
            self._replay = ReplayLiquidity(
                engine, settings.replay_file, speed=settings.replay_speed
            )

    @property
    def liquidity(self) -> Liquidity | None:
        """What has to be stepped; a mirror moves by itself."""
        return self._synthetic or self._replay

    async def look(self) -> None:
        """Learn the source's markets; `AUTO` becomes synthetic if they cannot be had."""
        source = self.source
        if source is None:
            return
        try:
            async with asyncio.timeout(self._settings.source_patience_s):
                await source.list_markets()
        except TimeoutError:
            source.sight.reason = "no answer in time"
        except BackpackError as e:
            source.sight.reason = str(e)
        else:
            return
        if self.kind is LiquidityKind.AUTO:
            await self._give_up(source)

    async def open(self, patience_s: float) -> None:
        """Begin; with a mirror, wait until its markets can be seen.

        Args:
            patience_s: how long to wait for that. Then `AUTO` becomes synthetic, and a mirror goes
                on blind.

        Raises:
            ValueError: unknown or closed markets.
        """
        if self.source is not None:
            await self._open_mirror(self.source, patience_s)
        if self._settings.candle_history:
            self.statistics.prepare(self._alive)

    async def add(self, name: str) -> None:
        """Bring one more market to life; of a mirror, wait a moment until it can be seen.

        Raises:
            ValueError: unknown, closed, or not a spot market.
        """
        if self.source is not None and not self.source.has_listed:
            symbol = Symbol(name)  # whether the source has it will show
        else:
            symbol = check_market(name, self._engine.markets)
        is_new = symbol not in self._alive
        self._alive[symbol] = None
        if self.source is not None:
            if is_new:
                self.source.add([symbol])
                self._begin_history(symbol)
            # Without a connection there is nothing to wait for.
            patience_s = self._settings.source_patience_s if self.source.is_connected else 0.0
            if await self.source.sight.wait(patience_s):
                await self._wait_for_histories(patience_s)
        elif not is_new:
            return
        elif self._synthetic is not None:
            self._synthetic.add(symbol)
            if self._settings.candle_history:
                self.statistics.add_history(symbol, self._history(symbol, None))

    async def close(self) -> None:
        """Stop what moves by itself."""
        for task in self._histories:
            task.cancel()
        await asyncio.gather(*self._histories, return_exceptions=True)
        if self.source is not None:
            await self.source.stop()

    @property
    def _may_mirror(self) -> bool:
        return self.kind in {LiquidityKind.MIRROR, LiquidityKind.AUTO}

    async def _open_mirror(self, source: MirrorSource, patience_s: float) -> None:
        names = self._settings.markets
        if source.has_listed:
            symbols = [check_market(name, self._engine.markets) for name in names]
        else:
            symbols = [Symbol(name) for name in names]
        self._alive.update(dict.fromkeys(symbols))
        source.add(symbols)
        source.start()
        began_s = time.monotonic()
        is_in_sight = await source.sight.wait(patience_s)
        if not is_in_sight and self.kind is LiquidityKind.AUTO:
            await self._give_up(source)
            return
        self.kind = LiquidityKind.MIRROR
        for symbol in symbols:
            self._begin_history(symbol)
        if is_in_sight:
            await self._wait_for_histories(patience_s - (time.monotonic() - began_s))
        else:
            self.tell(
                logging.WARNING,
                f"The live market at {self._settings.source_rest_url} is not in sight "
                f"({_reason(source)}): nothing is filled until it is.",
            )

    async def _give_up(self, source: MirrorSource) -> None:
        """Do without the source: a synthetic market stands in for it."""
        self.source, self.kind = None, LiquidityKind.SYNTHETIC
        await source.stop()
        source.abandon()
        self._engine.list_markets(known_markets())
        self.tell(
            logging.WARNING,
            f"The live market at {self._settings.source_rest_url} cannot be reached "
            f"({_reason(source)}): a synthetic one is used.",
        )
        self._alive = dict.fromkeys(
            check_market(name, self._engine.markets) for name in self._settings.markets
        )
        self._synthetic = self._make_synthetic()

    def _make_synthetic(self) -> SyntheticLiquidity:
        return SyntheticLiquidity(
            self._engine,
            self._alive,
            seed=self._settings.seed,
            frames_per_second=self._settings.frames_per_second,
        )

    # --- the past ---

    def _history(self, symbol: Symbol, first_price: Decimal | None) -> list[Candle]:
        if symbol not in self._alive or self.source is not None:
            return []  # nobody trades there and nobody ever did, or the source will tell
        price = first_price or self._engine.last_price(symbol) or reference_price(symbol)
        market = self._engine.markets[symbol]
        return build_history(market, price, self._start_s, self._settings.seed)

    def _begin_history(self, symbol: Symbol) -> None:
        if self._settings.candle_history:
            task = asyncio.create_task(self._fetch_history(symbol))
            self._histories.add(task)
            task.add_done_callback(self._histories.discard)

    async def _wait_for_histories(self, patience_s: float) -> None:
        """Wait for what a client may ask for at once, but not for long."""
        if self._histories:
            await asyncio.wait(self._histories, timeout=max(0.0, patience_s))

    async def _fetch_history(self, symbol: Symbol) -> None:
        backoff = Backoff(clock_s=time.monotonic, uniform=random.uniform)
        while True:
            try:
                bars = await fetch_history(
                    self._client, symbol, self._settings.clock_us() // _US_PER_S
                )
            except BackpackError as e:
                _log.info("the candles of %s cannot be had yet: %s", symbol, e)
                await asyncio.sleep(backoff.next_delay_s())
            else:
                self.statistics.add_history(symbol, bars)
                return


def _reason(source: MirrorSource) -> str:
    return source.sight.reason or "no market data in time"
