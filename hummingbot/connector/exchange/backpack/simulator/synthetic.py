"""A market that is alive: a moving fair price, makers that follow it, takers that trade.

All of it goes through the engine as ordinary orders of liquidity accounts, so our users' orders
are matched against it by the same rules. Random numbers come from the seed and from nothing else.
Prices are computed as floats and put on the market's grid before they become orders; money itself
stays Decimal in the engine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final

from ..api.endpoints import ExecuteOrder
from ..api.models import Market, OrderBookState, OrderType, Side, Symbol, TimeInForce
from .engine import Engine
from .events import ZERO, Refusal
from .markets import reference_price

# A requote cancels one order and places another: two frames.
_FRAMES_PER_ACTION: Final = 2
# Shorter waits cost more than what happens after them; several actions share one instead.
_SHORTEST_WAIT_S: Final = 0.005

_TAKER: Final = "liquidity: takers"
_SECONDS_BETWEEN_TRADES: Final = 1.5
_SECONDS_BETWEEN_SWEEPS: Final = 20.0
_TRADE_NOTIONAL: Final = 200.0
# How far a sweep reaches from the fair price, and which part of that it moves the fair price.
_SWEEP_REACH: Final = (0.0012, 0.003)
_SWEEP_IMPACT: Final = 0.25
# Others' quotes beyond the fair price by more than this are taken.
_ARBITRAGE_EDGE: Final = 0.0002
_DEPTH_SEEN: Final = 200
_MISSING_FIRST: Final = 0.9

# Fair price: 2.5 basis points in a second, pulled back so that it stays within about 1 % of where
# it began; markets with a narrow price band (stable coins) move less.
_VOLATILITY: Final = 0.00025
_SPREAD_OF_FAIR: Final = 0.006
_LARGEST_DEVIATION: Final = 0.02
_WIDE_BAND: Final = 0.03


@dataclass(frozen=True, slots=True)
class MakerStyle:
    """How one maker quotes: distances are fractions of the fair price, sizes in quote units."""

    account_id: str
    nearest: float
    gap: float
    levels: int
    notional: float


STYLES: Final = (
    MakerStyle("liquidity: tight maker", nearest=0.0001, gap=0.0001, levels=5, notional=800),
    MakerStyle("liquidity: steady maker", nearest=0.00025, gap=0.00025, levels=6, notional=2_500),
    MakerStyle("liquidity: wide maker", nearest=0.0006, gap=0.0008, levels=6, notional=8_000),
    MakerStyle("liquidity: deep maker", nearest=0.004, gap=0.0025, levels=5, notional=25_000),
)


@dataclass(slots=True)
class Slot:
    """One quote of one maker: where it belongs, and the order that stands for it now."""

    account_id: str
    side: Side
    distance: float
    notional: float
    order_id: int | None = None
    price: float = 0.0


class FairPrice:
    """A random walk around a reference, pulled back to it.

    Args:
        reference: quote units per base unit.
        scale: 1 for an ordinary market, less for one that moves less.
    """

    def __init__(self, reference: Decimal, scale: float, random: Random) -> None:
        self._reference = float(reference)
        self._scale = scale
        self._random = random
        self._deviation = 0.0

    @property
    def price(self) -> float:
        """Fair price now, quote units per base unit."""
        return self._reference * (1 + self._deviation)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        volatility = _VOLATILITY * self._scale
        pull = (_VOLATILITY / _SPREAD_OF_FAIR) ** 2 / 2
        noise = self._random.gauss(0.0, volatility * seconds**0.5)
        self.push(noise - pull * self._deviation * seconds)

    def push(self, change: float) -> None:
        """Move by `change`, a fraction of the reference."""
        bound = _LARGEST_DEVIATION * self._scale
        self._deviation = max(-bound, min(bound, self._deviation + change))


class SyntheticMarket:
    """The makers and takers of one market."""

    def __init__(self, engine: Engine, symbol: Symbol, *, seed: int, action_s: float) -> None:
        # Its own random numbers: what happens here does not depend on which other markets run.
        self._random = Random(f"{seed} {symbol}")  # noqa: S311 (repeatable, nothing secret)
        self._engine = engine
        self._symbol = symbol
        self._action_s = action_s
        market = engine.markets[symbol]
        self._tick = market.filters.price.tick_size
        self._step = market.filters.quantity.step_size
        self._fewest_steps = int(-(-market.filters.quantity.min_quantity // self._step))
        self._scale = _scale(market)
        self.fair = FairPrice(reference_price(symbol), self._scale, self._random)
        self._slots = [slot for style in STYLES for slot in self._slots_of(style)]

    def start(self) -> None:
        """Place all quotes."""
        for slot in self._slots:
            self._quote(slot)

    def act(self) -> None:
        """Let one thing happen: a requote most of the time, a trade now and then."""
        self.fair.advance(self._action_s)
        state = self._engine.markets[self._symbol].order_book_state
        if not state.accepts_orders:
            return
        takers_may_come = state is not OrderBookState.POST_ONLY
        chance = self._random.random() / self._action_s
        passed = self._passed_slot()
        if takers_may_come and chance < 1 / _SECONDS_BETWEEN_SWEEPS:
            self._sweep()
        elif takers_may_come and chance < 1 / _SECONDS_BETWEEN_SWEEPS + 1 / _SECONDS_BETWEEN_TRADES:
            self._trade()
        elif passed is not None:
            self._requote(passed)
        elif not (takers_may_come and self._take_mispriced()):
            self._requote(self._next_slot())

    def _slots_of(self, style: MakerStyle) -> list[Slot]:
        return [
            Slot(
                account_id=style.account_id,
                side=side,
                distance=(style.nearest + level * style.gap) * self._scale,
                notional=style.notional,
            )
            for level in range(style.levels)
            for side in (Side.BID, Side.ASK)
        ]

    def _passed_slot(self) -> Slot | None:
        """A quote that the fair price has passed: its maker moves it before others take it."""
        fair = self.fair.price
        for slot in self._slots:
            is_passed = slot.price > fair if slot.side is Side.BID else slot.price < fair
            if is_passed and self._is_open(slot):
                return slot
        return None

    def _next_slot(self) -> Slot:
        """The quote whose turn it is: one that is gone, otherwise any."""
        # Now and then any, so that one that cannot be placed blocks no other.
        if self._random.random() < _MISSING_FIRST:
            for slot in self._slots:
                if not self._is_open(slot):
                    return slot
        # Quotes near the touch, which stand first, are renewed more often.
        return self._slots[int(self._random.random() ** 2 * len(self._slots))]

    def _is_open(self, slot: Slot) -> bool:
        order_id = slot.order_id
        return order_id is not None and self._engine.is_open(slot.account_id, order_id)

    def _requote(self, slot: Slot) -> None:
        if slot.order_id is not None and self._is_open(slot):
            self._engine.cancel(slot.account_id, self._symbol, order_id=slot.order_id)
        self._quote(slot)

    def _quote(self, slot: Slot) -> None:
        """Place the order of a slot around the fair price, never crossing anybody."""
        slot.order_id = None
        fair, tick = self.fair.price, float(self._tick)
        distance = slot.distance * self._random.uniform(0.85, 1.15)
        bid, ask = self._engine.best(self._symbol)
        if slot.side is Side.BID:
            price = self._price(int(fair * (1 - distance) / tick))
            price = price if ask is None else min(price, ask - self._tick)
        else:
            price = self._price(-int(-fair * (1 + distance) // tick))
            price = price if bid is None else max(price, bid + self._tick)
        notional = slot.notional * self._random.lognormvariate(0.0, 0.5)
        order = ExecuteOrder(
            symbol=self._symbol,
            side=slot.side,
            order_type=OrderType.LIMIT,
            price=price,
            quantity=self._quantity(notional / fair),
            post_only=True,
        )
        slot.price = float(price)
        slot.order_id = self._place(slot.account_id, order)

    def _take_mispriced(self) -> bool:
        """Trade with a quote that the fair price has passed; whether there was one.

        Makers have moved their own quotes by then: it is a user's, or held off by a user's.
        """
        fair = self.fair.price
        bid, ask = self._engine.best(self._symbol)
        if bid is not None and float(bid) > fair * (1 + _ARBITRAGE_EDGE):
            return self._take(Side.ASK, bid, self._random_notional(_TRADE_NOTIONAL * 10))
        if ask is not None and float(ask) < fair * (1 - _ARBITRAGE_EDGE):
            return self._take(Side.BID, ask, self._random_notional(_TRADE_NOTIONAL * 10))
        return False

    def _trade(self) -> None:
        """An ordinary market order."""
        side = self._random.choice((Side.BID, Side.ASK))
        bid, ask = self._engine.best(self._symbol)
        price = ask if side is Side.BID else bid
        if price is not None:
            self._take(side, price, self._random_notional(_TRADE_NOTIONAL))

    def _sweep(self) -> None:
        """Clear a stretch of one side: what fills orders that wait further out."""
        side = self._random.choice((Side.BID, Side.ASK))
        reach = self._random.uniform(*_SWEEP_REACH) * self._scale
        sign = 1 if side is Side.BID else -1
        limit = self._price(round(self.fair.price * (1 + sign * reach) / float(self._tick)))
        bids, asks, _ = self._engine.depth(self._symbol, _DEPTH_SEEN)
        within = [
            quantity
            for price, quantity in (asks if side is Side.BID else bids)
            if (price <= limit if side is Side.BID else price >= limit)
        ]
        wanted = float(sum(within, ZERO)) * self._random.uniform(0.6, 1.2)
        self._take_quantity(side, limit, self._quantity(wanted))
        self.fair.push(sign * reach * _SWEEP_IMPACT)

    def _take(self, side: Side, price: Decimal, notional: float) -> bool:
        return self._take_quantity(side, price, self._quantity(notional / float(price)))

    def _take_quantity(self, side: Side, price: Decimal, quantity: Decimal) -> bool:
        order = ExecuteOrder(
            symbol=self._symbol,
            side=side,
            order_type=OrderType.LIMIT,
            price=price,
            quantity=quantity,
            time_in_force=TimeInForce.IOC,
        )
        return self._place(_TAKER, order) is not None

    def _place(self, account_id: str, order: ExecuteOrder) -> int | None:
        try:
            return self._engine.place(account_id, order).order_id
        except Refusal:
            # The state of the book, or a user's order at the edge of the prices: it has to wait.
            return None

    def _random_notional(self, median: float) -> float:
        return median * self._random.lognormvariate(0.0, 1.0)

    def _price(self, ticks: int) -> Decimal:
        return max(1, ticks) * self._tick

    def _quantity(self, base: float) -> Decimal:
        return max(self._fewest_steps, round(base / float(self._step))) * self._step


class SyntheticLiquidity:
    """Synthetic markets side by side, each getting its turn.

    Args:
        engine: where they trade; its accounts for makers and takers are opened here.
        symbols: spot markets out of `markets.known_markets`.
        seed: the same seed gives the same orders.
        frames_per_second: depth frames of each market, about.
    """

    def __init__(
        self,
        engine: Engine,
        symbols: Iterable[Symbol],
        *,
        seed: int,
        frames_per_second: float = 30.0,
    ) -> None:
        if not frames_per_second > 0:
            msg = f"frames_per_second is {frames_per_second}, it must be above 0"
            raise ValueError(msg)
        self._random = Random(seed)  # noqa: S311 (repeatable, nothing secret)
        for account_id in (*(style.account_id for style in STYLES), _TAKER):
            engine.open_account(
                account_id, {}, maker_fee_bps=ZERO, taker_fee_bps=ZERO, unlimited=True
            )
        self._engine = engine
        self._seed = seed
        self._action_s = _FRAMES_PER_ACTION / frames_per_second
        self._has_started = False
        self.markets: list[SyntheticMarket] = []
        self._waiting: list[SyntheticMarket] = []
        for symbol in dict.fromkeys(symbols):
            self.add(symbol)
        self._set_pace()
        self._delay_s = self._mean_delay_s

    def start(self) -> None:
        """Fill the books."""
        self._has_started = True
        for market in self.markets:
            market.start()

    def add(self, symbol: Symbol) -> None:
        """Let one more market live."""
        market = SyntheticMarket(self._engine, symbol, seed=self._seed, action_s=self._action_s)
        self.markets.append(market)
        self._set_pace()
        if self._has_started:
            market.start()

    def _set_pace(self) -> None:
        mean_s = self._action_s / max(1, len(self.markets))
        self._actions_per_step = max(1, round(_SHORTEST_WAIT_S / mean_s))
        self._mean_delay_s = mean_s * self._actions_per_step

    def next_delay_s(self) -> float:
        """Seconds to wait before the next `step`; the same until that is called."""
        return self._delay_s

    def step(self) -> None:
        """Let one action happen, or several where they would be too close to wait between."""
        for _ in range(self._actions_per_step if self.markets else 0):
            if not self._waiting:
                self._waiting = self._random.sample(self.markets, len(self.markets))
            self._waiting.pop().act()
        self._delay_s = self._mean_delay_s * self._random.uniform(0.5, 1.5)


def _scale(market: Market) -> float:
    """How much a market moves and how wide it is quoted: less where its price band is narrow."""
    band = market.filters.price.mean_mark_price_band
    if band is None:
        return 1.0
    width = min(1 - float(band.min_multiplier), float(band.max_multiplier) - 1)
    return min(1.0, width / _WIDE_BAND)
