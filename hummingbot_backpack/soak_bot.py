"""The bot of a soak run: a real connector under Hummingbot's own clock, trading by a dice."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from hummingbot_backpack.demo_processes import Ready
from hummingbot_backpack.soak_check import Funds

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

_TICK_S = 1.0
_NOTIONAL = (15.0, 150.0)
# Distance of a limit price from the middle, as a fraction; a negative one crosses the book.
_DISTANCE = (-0.0006, 0.003)
_MOST_OPEN = 40
_BATCH = (2, 5)
_REMEMBERED = 50
# A strategy waits until its connector is ready; some of the orders do not.
_IMPATIENCE = 0.25


def make_connector(ready: Ready, pairs: list[str]) -> "BackpackExchange":
    """The connector as Hummingbot makes it; the environment says where the exchange is."""
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

    return BackpackExchange(
        backpack_api_key=ready.api_key, backpack_api_secret=ready.api_secret, trading_pairs=pairs
    )


class SoakBot:
    """Trades on a connector at random.

    Args:
        connector: not started yet.
        random: decides what is done.
        actions_per_second: on average.

    Attributes:
        actions: how often something was done.
    """

    def __init__(
        self, connector: "BackpackExchange", random: Random, actions_per_second: float
    ) -> None:
        self.connector = connector
        self.actions = 0
        self._random = random
        self._mean_pause_s = 1.0 / actions_per_second
        self._clock: Any = None
        self._clock_task: asyncio.Task[None] | None = None
        self._trading: asyncio.Task[None] | None = None
        self._recent: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)

    # --- life ---

    async def start(self) -> None:
        """Let Hummingbot's clock run the connector."""
        from hummingbot.core.clock import Clock, ClockMode

        self._clock = Clock(ClockMode.REALTIME, _TICK_S)
        self._clock.__enter__()
        self._clock.add_iterator(self.connector)
        self._clock_task = asyncio.ensure_future(self._clock.run())

    def begin_trading(self) -> None:
        """Do something at random moments from now on."""
        self._trading = asyncio.create_task(self._trade())

    async def end_trading(self) -> None:
        """Place and cancel nothing any more; what was begun goes on."""
        trading, self._trading = self._trading, None
        if trading is None:
            return
        trading.cancel()
        await asyncio.wait([trading])
        if not trading.cancelled():
            trading.result()  # it ends by an error only

    async def stop(self) -> None:
        """End the connector as Hummingbot does."""
        await self.end_trading()
        if self._clock_task is not None:
            self._clock_task.cancel()
            await asyncio.wait([self._clock_task])
            self._clock.__exit__(None, None, None)
            await self.connector.stop_network()

    # --- what it knows ---

    @property
    def is_settled(self) -> bool:
        """Whether no request that places an order is under way."""
        return not self.connector._placing  # noqa: SLF001 (no public way to see it)

    @property
    def open_ids(self) -> set[str]:
        """The exchange's ids of the orders that it takes for open."""
        return {str(order.exchange_order_id) for order in self.connector.in_flight_orders.values()}

    @property
    def balances(self) -> dict[str, Funds]:
        """What it says that there is of each asset."""
        connector = self.connector
        return {
            asset: Funds(connector.available_balances.get(asset, Decimal(0)), total)
            for asset, total in connector.get_all_balances().items()
            if total
        }

    # --- trading ---

    async def _trade(self) -> None:
        deeds = self._deeds()
        while True:
            await asyncio.sleep(self._random.expovariate(1.0 / self._mean_pause_s))
            if not self.connector.ready and self._random.random() > _IMPATIENCE:
                continue
            self._random.choice(deeds)()
            self.actions += 1

    def _deeds(self) -> list[Callable[[], None]]:
        return (
            [self._place_limit] * 5
            + [self._place_post_only] * 3
            + [self._place_market] * 2
            + [self._place_batch]
            + [self._cancel] * 7
            + [self._cancel_old]
        )

    def _place_limit(self) -> None:
        from hummingbot.core.data_type.common import OrderType

        self._place(OrderType.LIMIT)

    def _place_post_only(self) -> None:
        from hummingbot.core.data_type.common import OrderType

        self._place(OrderType.LIMIT_MAKER)

    def _place_market(self) -> None:
        from hummingbot.core.data_type.common import OrderType

        self._place(OrderType.MARKET)

    def _place(self, order_type: Any) -> None:  # noqa: ANN401 (Hummingbot's OrderType)
        if len(self.connector.in_flight_orders) >= _MOST_OPEN:
            self._cancel()
            return
        pair = self._pair()
        is_buy = self._random.random() < 0.5  # noqa: PLR2004 (a coin)
        wanted = self._price_and_amount(pair, is_buy=is_buy)
        if wanted is not None:
            price, amount = wanted
            place = self.connector.buy if is_buy else self.connector.sell
            self._recent.append((pair, place(pair, amount, order_type, price)))

    def _place_batch(self) -> None:
        from hummingbot.core.data_type.limit_order import LimitOrder

        if len(self.connector.in_flight_orders) >= _MOST_OPEN:
            return
        orders = []
        for _ in range(self._random.randint(*_BATCH)):
            pair = self._pair()
            is_buy = self._random.random() < 0.5  # noqa: PLR2004 (a coin)
            wanted = self._price_and_amount(pair, is_buy=is_buy)
            if wanted is not None:
                base, quote = pair.split("-")
                orders.append(LimitOrder("", pair, is_buy, base, quote, *wanted))
        for order in self.connector.batch_order_create(orders) if orders else []:
            self._recent.append((order.trading_pair, order.client_order_id))

    def _cancel(self) -> None:
        orders = list(self.connector.in_flight_orders.values())
        if orders:
            order = self._random.choice(orders)
            self.connector.cancel(order.trading_pair, order.client_order_id)

    def _cancel_old(self) -> None:
        """An order of late, open or not."""
        if self._recent:
            self.connector.cancel(*self._random.choice(self._recent))

    def _pair(self) -> str:
        return self._random.choice(self.connector.trading_pairs)

    def _price_and_amount(self, pair: str, *, is_buy: bool) -> tuple[Decimal, Decimal] | None:
        """Near the market; ``None`` while there is no price."""
        connector = self.connector
        rule, book = connector.trading_rules.get(pair), connector.order_books.get(pair)
        if rule is None or book is None:
            return None
        try:
            middle = (book.get_price(is_buy=True) + book.get_price(is_buy=False)) / 2
        except OSError:  # how Hummingbot's book says that a side is empty
            return None
        if math.isnan(middle):
            return None
        sign = -1 if is_buy else 1
        price = Decimal(middle * (1 + sign * self._random.uniform(*_DISTANCE)))
        amount = Decimal(self._random.uniform(*_NOTIONAL) / middle)
        return (
            connector.quantize_order_price(pair, price),
            max(connector.quantize_order_amount(pair, amount), rule.min_order_size),
        )
