"""A simple market maker: one bid and one ask around the price, renewed every few seconds.

A Hummingbot V2 script with the settings of Hummingbot's own simple PMM. It differs in how it deals
with orders: quotes are post-only where the exchange offers that, and new ones are placed only when
the exchange has confirmed that the old ones are gone, so there is never more in the market than
one ``order_amount`` on each side.

Run it with ``hbot create simple_pmm``, then ``hbot start``; in the client, ``create simple_pmm``.
"""

import logging
import os
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, override

from pydantic import Field, field_validator

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import MarketDict, PriceType, TradeType
from hummingbot.core.data_type.order_candidate import OrderCandidate
from hummingbot.core.event.events import OrderFilledEvent
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


def _asked(prompt: str) -> dict[str, object]:
    return {"prompt": prompt, "prompt_on_new": True}


class SimplePMMConfig(StrategyV2ConfigBase):
    """Settings of the market maker; the names are those of Hummingbot's simple PMM."""

    script_file_name: str = os.path.basename(__file__)  # noqa: PTH119 - Hummingbot's convention
    controllers_config: list[str] = Field(default=[])  # no prompt: there are none
    exchange: str = Field(
        default="backpack",
        json_schema_extra=_asked("Spot exchange where the bot will trade: "),
    )
    trading_pair: str = Field(
        default="SOL-USDC",
        json_schema_extra=_asked("Trading pair in which the bot will place orders: "),
    )
    order_amount: Decimal = Field(
        default=Decimal("0.1"),
        gt=0,
        json_schema_extra=_asked("Order amount (in the base asset): "),
    )
    bid_spread: Decimal = Field(
        default=Decimal("0.001"),
        ge=0,
        lt=1,
        json_schema_extra=_asked("Bid spread (a fraction: 0.001 is 0.1 % below the price): "),
    )
    ask_spread: Decimal = Field(
        default=Decimal("0.001"),
        ge=0,
        lt=1,
        json_schema_extra=_asked("Ask spread (a fraction: 0.001 is 0.1 % above the price): "),
    )
    order_refresh_time: int = Field(
        default=15,
        gt=0,
        json_schema_extra=_asked("Order refresh time (in seconds): "),
    )
    price_type: Literal["mid", "last"] = Field(
        default="mid",
        json_schema_extra=_asked("Price to quote around (mid or last): "),
    )

    @field_validator("exchange")
    @classmethod
    def _spot_only(cls, value: str) -> str:
        if "_perpetual" in value:
            raise ValueError(f"{value} trades perpetuals; this strategy quotes spot markets only")
        return value

    @override
    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Tell Hummingbot which market to open."""
        markets[self.exchange] = markets.get(self.exchange, set()) | {self.trading_pair}
        return markets


class SimplePMM(StrategyV2Base):
    """Quotes both sides; on each refresh it cancels, waits for the cancels, and quotes anew.

    Hummingbot cancels what is open when the strategy is stopped.
    """

    def __init__(self, connectors: dict[str, ConnectorBase], config: SimplePMMConfig) -> None:
        super().__init__(connectors, config)
        self.config: SimplePMMConfig = config
        self._connector = connectors[config.exchange]
        self._refresh_at_s = 0.0
        self._told: str | None = None
        self._fills = 0
        self._bought = self._sold = self._volume = Decimal(0)
        self._proceeds = Decimal(0)  # of sales less the cost of purchases, in the quote asset
        self._fees: dict[str, Decimal] = {}  # by asset

    @override
    def on_tick(self) -> None:
        """Renew the quotes when it is time. Called every second, when all markets are ready."""
        if self._is_stop_triggered or self.current_timestamp < self._refresh_at_s:
            return
        # Not get_active_orders(): that one forgets an order as soon as its cancel is sent.
        orders = [order for _, order in self.order_tracker.tracked_limit_orders]
        if orders:
            for order in orders:  # again on each tick: Hummingbot sends a cancel once a minute
                self.cancel(self.config.exchange, order.trading_pair, order.client_order_id)
            return
        quotes = self._quotes()
        if not quotes:
            return
        self._place(self._affordable(quotes))
        self._refresh_at_s = self.current_timestamp + self.config.order_refresh_time

    @override
    def did_fill_order(self, event: OrderFilledEvent) -> None:
        """Log a fill and add it to the totals of the status."""
        quote_amount = event.amount * event.price
        self._fills += 1
        self._volume += quote_amount
        if event.trade_type is TradeType.BUY:
            self._bought += event.amount
            self._proceeds -= quote_amount
        else:
            self._sold += event.amount
            self._proceeds += quote_amount
        for asset, fee in _fees_of(event):
            self._fees[asset] = self._fees.get(asset, Decimal(0)) + fee
        self.log_with_clock(
            logging.INFO,
            f"{event.trade_type.name} {event.amount.normalize():f} {event.trading_pair} at "
            f"{event.price.normalize():f} on {self.config.exchange}",
        )

    @override
    def format_status(self) -> str:
        """Return balances and orders as Hummingbot prints them, and what this strategy does."""
        if not self.ready_to_trade:
            return f"  Waiting for {self.config.exchange} to be ready."
        price = self._reference_price()
        wait_s = max(0, round(self._refresh_at_s - self.current_timestamp))
        base, quote = self.config.trading_pair.split("-")
        lines = [
            super().format_status(),
            "",
            # A connector that says so (ours does) trades on a simulated exchange.
            *(["  Demo money: no order is real."] * getattr(self._connector, "is_demo", False)),
            f"  {self.config.price_type.capitalize()} price: {_number(price)} {quote}",
            f"  Quotes: {self._quotes_in_words()}",
            f"  Spreads: {self.config.bid_spread:.4%} below, {self.config.ask_spread:.4%} above",
            f"  Next refresh in: {wait_s} s",
            f"  Fills: {self._fills}, volume {_number(self._volume)} {quote}",
            f"  Bought and sold: {_number(self._bought)} {base}, {_number(self._sold)} {base}",
            f"  Profit and loss: {self._profit_in_words(price)}",
        ]
        if self._told:
            lines.append(f"  Not quoting fully: {self._told}")
        # What a connector says of its connection, where it says something (ours does).
        health = getattr(self._connector, "health", None)
        if health is not None:
            lines.append(f"  Connection: {health}")
        return "\n".join(lines)

    def _quotes_in_words(self) -> str:
        orders = [order for _, order in self.order_tracker.tracked_limit_orders]
        return (
            ", ".join(
                f"{'bid' if order.is_buy else 'ask'} {_number(order.quantity)} at "
                f"{_number(order.price)}"
                for order in sorted(orders, key=lambda order: not order.is_buy)
            )
            or "none at this moment"
        )

    def _profit_in_words(self, price: Decimal) -> str:
        """What trading has brought, what was bought or sold being valued at the price of now."""
        base, quote = self.config.trading_pair.split("-")
        fees = self._fees.get(quote, Decimal(0))
        if base_fees := self._fees.get(base):
            fees += base_fees * price
        inventory = (self._bought - self._sold) * price if self._fills else Decimal(0)
        profit = _number(round(self._proceeds + inventory - fees, 6))
        others = "".join(
            f" and {_number(fee)} {asset}"
            for asset, fee in self._fees.items()
            if asset not in {base, quote}
        )
        return f"{profit} {quote} after fees of {_number(round(fees, 6))} {quote}{others}"

    def _reference_price(self) -> Decimal:
        kind = PriceType.MidPrice if self.config.price_type == "mid" else PriceType.LastTrade
        return self._connector.get_price_by_type(self.config.trading_pair, kind)

    def _quotes(self) -> list[OrderCandidate]:
        pair = self.config.trading_pair
        price = self._reference_price()
        best_bid = self._connector.get_price(pair, is_buy=False)
        best_ask = self._connector.get_price(pair, is_buy=True)
        if not all(p.is_finite() and p > 0 for p in (price, best_bid, best_ask)):
            self._tell(f"no {self.config.price_type} price for {pair} yet")
            return []
        tick = self._connector.get_order_price_quantum(pair, price)
        post_only_if_possible = self._connector.get_maker_order_type()
        # A post-only order that would trade is refused, so a quote stays on its side of the book.
        # Rounded here: away from the price, and so that the status shows what is in the market.
        bid = min(_round(price * (1 - self.config.bid_spread), tick, ROUND_FLOOR), best_ask - tick)
        ask = max(
            _round(price * (1 + self.config.ask_spread), tick, ROUND_CEILING), best_bid + tick
        )
        ask = max(ask, bid + tick)  # nor may it trade with the other quote
        return [
            OrderCandidate(
                trading_pair=pair,
                is_maker=True,
                order_type=post_only_if_possible,
                order_side=side,
                amount=self.config.order_amount,
                price=quote,
            )
            for side, quote in ((TradeType.BUY, bid), (TradeType.SELL, ask))
        ]

    def _affordable(self, quotes: list[OrderCandidate]) -> list[OrderCandidate]:
        adjusted = self._connector.budget_checker.adjust_candidates(quotes, all_or_none=True)
        base, quote_asset = self.config.trading_pair.split("-")
        short = [
            quote_asset if order.order_side is TradeType.BUY else base
            for order in adjusted
            if order.amount == 0
        ]
        self._tell(
            f"not enough {' and '.join(short)} for {self.config.order_amount}" if short else None
        )
        return [order for order in adjusted if order.amount > 0]

    def _place(self, orders: list[OrderCandidate]) -> None:
        for order in orders:
            send = self.buy if order.order_side is TradeType.BUY else self.sell
            send(
                connector_name=self.config.exchange,
                trading_pair=order.trading_pair,
                amount=order.amount,
                order_type=order.order_type,
                price=order.price,
            )

    def _tell(self, reason: str | None) -> None:
        """Say once why there are fewer quotes than asked for, and not on every refresh."""
        if reason and reason != self._told:
            self.log_with_clock(logging.WARNING, f"Not quoting fully: {reason}")
        self._told = reason


def _fees_of(event: OrderFilledEvent) -> Iterator[tuple[str, Decimal]]:
    """Asset and amount of each part of a fill's fee."""
    fee = event.trade_fee
    for part in fee.flat_fees:
        yield part.token, part.amount
    if fee.percent:
        quote = event.trading_pair.split("-")[1]
        yield quote, fee.percent * event.amount * event.price


def _round(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}" if value.is_finite() else "none yet"
