"""Two accounts of one run, Hummingbot's and the exchange's, set side by side. Pure.

How each figure is computed, so that both can be compared to the last digit:

* Hummingbot: its database holds price and quantity of each fill with six decimals (the demo's
  market has fewer) and fees as text, so they are exact. ``history`` computes in Decimal: PnL before
  fees is what is owned now less what was owned at first, both valued at one price, which comes to
  net base times price plus net quote; fees are those in quote plus those in base times price. Only
  the results are turned into floats.
* Exchange: volume, fees and PnL before fees are sums over its history of fills; PnL after fees does
  not use fills at all but is the change of the account's balances. All in Decimal, with the same
  price. An equal value gives the same float, so a figure agrees when the exchange's, made a float,
  is exactly Hummingbot's.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from hummingbot.connector.exchange.backpack.api.models import (
    Fill,
    HistoricOrder,
    OrderStatus,
    Side,
)

_ZERO = Decimal(0)


class End(StrEnum):
    """What became of an order."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    FAILED = "failed"


# Hummingbot's last event of an order; a partly filled one is open.
_ENDS_OF_EVENTS = {
    "BuyOrderCompleted": End.FILLED,
    "SellOrderCompleted": End.FILLED,
    "OrderCancelled": End.CANCELLED,
    "OrderExpired": End.CANCELLED,
    "OrderFailure": End.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BotRecords:
    """Hummingbot's records of a bot.

    Attributes:
        price: quote units for one base unit, at which all is valued.
        figures: the row of ``history``, by column; empty without a fill.
        volume: sum of price times quantity of all fills, in the quote asset.
        orders: what became of each order, by the exchange's id.
    """

    price: Decimal
    figures: Mapping[str, Any]
    volume: Decimal
    orders: Mapping[str, End]


def parse_records(text: str) -> BotRecords:
    """Read what ``demo_history`` prints.

    Raises:
        ValueError: Hummingbot could not compute its history, or the text is something else.
    """
    try:
        content = json.loads(text)
        figures, *others = content["markets"] or [{}]
        problem = figures.get("error") or (others and "it is of several markets")
        if problem:
            raise ValueError(problem)  # noqa: TRY301 (told like every other reason)
        return BotRecords(
            price=Decimal(content["price"]),
            figures=figures,
            volume=Decimal(content["volume"]),
            orders={
                order_id: _ENDS_OF_EVENTS.get(event, End.OPEN)
                for order_id, event in content["orders"].items()
            },
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as e:
        raise ValueError(f"Hummingbot's history cannot be read: {e}") from e


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeBooks:
    """The exchange's books of one account.

    Attributes:
        before: balances by asset when the bot was started.
        after: the same when it had stopped.
        orders: all orders.
        fills: all fills.
    """

    before: Mapping[str, Decimal]
    after: Mapping[str, Decimal]
    orders: Sequence[HistoricOrder]
    fills: Sequence[Fill]

    def ends(self) -> dict[str, End]:
        """What became of each order, by id."""
        return {order.id: _end_of(order) for order in self.orders}

    def volume(self) -> Decimal:
        """Sum of price times quantity of all fills, in the quote asset."""
        return sum((fill.price * fill.quantity for fill in self.fills), _ZERO)

    def net(self) -> tuple[Decimal, Decimal]:
        """What the fills brought before fees, base and quote: positive is more of it."""
        base = quote = _ZERO
        for fill in self.fills:
            sign = 1 if fill.side is Side.BID else -1
            base += sign * fill.quantity
            quote -= sign * fill.quantity * fill.price
        return base, quote

    def fees(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Fees of all fills, in the asset that `prices` are in."""
        return sum((fill.fee * prices[fill.fee_symbol] for fill in self.fills), _ZERO)

    def gain(self, prices: Mapping[str, Decimal]) -> Decimal:
        """How much more the account is worth than before, at the same prices for both."""
        assets = sorted(self.before.keys() | self.after.keys())
        changes = {a: self.after.get(a, _ZERO) - self.before.get(a, _ZERO) for a in assets}
        return sum((prices[a] * change for a, change in changes.items() if change), _ZERO)


def _end_of(order: HistoricOrder) -> End:
    match order.status:
        case OrderStatus.FILLED:
            return End.FILLED
        case OrderStatus.CANCELLED:
            return End.CANCELLED
        case OrderStatus.EXPIRED:
            # As the connector tells Hummingbot, which has no "expired".
            return End.CANCELLED if order.executed_quantity else End.FAILED
        case OrderStatus.TRIGGER_FAILED:
            return End.FAILED
        case _:
            return End.OPEN


@dataclass(frozen=True, slots=True)
class Row:
    """One figure as either side has it."""

    name: str
    bot: Decimal | float
    exchange: Decimal | int

    @property
    def agrees(self) -> bool:
        """Whether the two are the same value, exactly."""
        if isinstance(self.bot, float):
            return self.bot == float(self.exchange)
        return self.bot == self.exchange

    @property
    def texts(self) -> tuple[str, str]:
        """Both figures in plain digits, all of them."""
        return number(self.bot), number(self.exchange)

    @property
    def difference(self) -> str:
        """A sentence with both figures."""
        ours, theirs = self.texts
        return f"{self.name.strip()}: {ours} for Hummingbot, {theirs} on the exchange."


def compare(bot: BotRecords, exchange: ExchangeBooks, pair: str) -> list[Row]:
    """Every figure that both sides know.

    Args:
        bot: one side.
        exchange: the other.
        pair: the only pair that was traded, such as ``SOL-USDC``.
    """
    base, quote = pair.split("-")
    prices = {base: bot.price, quote: Decimal(1)}
    net_base, net_quote = exchange.net()
    ours, theirs = Counter(bot.orders.values()), Counter(exchange.ends().values())
    bids = sum(fill.side is Side.BID for fill in exchange.fills)

    def figure(name: str) -> float:
        return float(bot.figures.get(name, 0.0))

    return [
        Row("orders placed", len(bot.orders), len(exchange.orders)),
        Row("  filled", ours[End.FILLED], theirs[End.FILLED]),
        Row("  cancelled", ours[End.CANCELLED], theirs[End.CANCELLED]),
        Row("fills", int(figure("trades")), len(exchange.fills)),
        Row("  of them buying", int(figure("buys")), bids),
        Row(f"volume, {quote}", bot.volume, exchange.volume()),
        Row(f"{base} bought less sold", figure("base_vol"), net_base),
        Row(f"{quote} received less paid", figure("quote_vol"), net_quote),
        Row(f"PnL before fees, {quote}", figure("trade_pnl"), net_base * bot.price + net_quote),
        Row(f"fees, {quote}", figure("fees"), exchange.fees(prices)),
        Row(f"PnL after fees, {quote}", figure("total_pnl"), exchange.gain(prices)),
    ]


def lost_orders(bot: Mapping[str, End], exchange: Mapping[str, End]) -> list[str]:
    """A sentence for each order on which the two sides do not agree.

    Args:
        bot: what became of each order by its id on the exchange, as Hummingbot recorded it.
        exchange: the same as the exchange says.
    """
    sentences = []
    for order_id in sorted(bot.keys() | exchange.keys()):
        ours, theirs = bot.get(order_id), exchange.get(order_id)
        if ours is None:
            sentences.append(f"Order {order_id} ({theirs}) is not in Hummingbot's records.")
        elif theirs is None:
            sentences.append(f"Order {order_id} of Hummingbot's records never was on the exchange.")
        elif ours is not theirs:
            sentences.append(
                f"Order {order_id} is {ours} for Hummingbot and {theirs} on the exchange."
            )
    return sentences


def number(value: Decimal | float) -> str:
    """Plain digits, no exponent, no trailing zeros; of a float all digits that it has."""
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return f"{exact.normalize() + _ZERO:f}" if exact.is_finite() else str(value)


def table(rows: Sequence[Row], alone: Mapping[str, int]) -> str:
    """The figures of both sides, below one another.

    Args:
        rows: of `compare`.
        alone: further counts that have no two sides.
    """
    names = [*(row.name for row in rows), *alone]
    left = max(map(len, names)) + 2
    middle = max(len("Hummingbot"), *(len(row.texts[0]) for row in rows))
    right = max(len("exchange"), *(len(row.texts[1]) for row in rows))
    lines = [f"  {'':<{left}}{'Hummingbot':>{middle}}  {'exchange':>{right}}"]
    for row in rows:
        ours, theirs = row.texts
        mark = "" if row.agrees else "   <- differ"
        lines.append(f"  {row.name:<{left}}{ours:>{middle}}  {theirs:>{right}}{mark}")
    lines += [f"  {name:<{left}}{count:>{middle}}" for name, count in alone.items()]
    return "\n".join(lines)
