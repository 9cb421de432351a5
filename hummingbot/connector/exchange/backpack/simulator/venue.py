"""One market as it is now: its rules, its book, its last trades.

Says whether an order may come at this moment (state of the book, price bands, whether a mirrored
market can be seen); it must not know accounts.
"""

from collections import deque
from decimal import Decimal
from typing import Final

import msgspec

from ..api.models import Market, OrderBookState, OrderType, PriceBand, TimeInForce
from .book import Book
from .events import Refusal, TradeEvent
from .rules import Intent, MarketRules, invalid_order

_TRADES_KEPT: Final = 2_000


class Venue:
    """A market with its book, its last trades and its counters.

    `is_blind` while it mirrors a market that cannot be seen: then nothing may trade.
    """

    __slots__ = ("book", "is_blind", "last_price", "market", "next_trade_id", "rules", "trades")

    def __init__(self, market: Market, *, first_trade_id: int, first_update_id: int) -> None:
        self.market = market
        self.rules = MarketRules(market)
        self.book = Book(last_update_id=first_update_id - 1)
        self.next_trade_id = first_trade_id
        self.trades: deque[TradeEvent] = deque(maxlen=_TRADES_KEPT)
        self.last_price: Decimal | None = None
        self.is_blind = False

    def relist(self, market: Market) -> None:
        """Change the rules and the state of the market; resting orders stay."""
        self.market = market
        self.rules = MarketRules(market)

    def set_state(self, state: OrderBookState) -> None:
        """Change what the market accepts; resting orders stay."""
        self.market = msgspec.structs.replace(self.market, order_book_state=state)

    def admit(self, intent: Intent, *, within_bands: bool) -> None:
        """Check `intent` against the state of the book and, if `within_bands`, the price bands.

        Raises:
            Refusal: the texts for states and bands are not recorded and are our own; a refusal was
                chosen over an expired order, as recorded for post-only orders that would match.
        """
        self._check_state(intent)
        if self.is_blind:
            self._check_blind(intent)
        if intent.price is None:
            return
        if intent.post_only and self.book.against(intent.side).crosses(intent.price):
            raise invalid_order("Order would immediately match and take")
        if within_bands:
            self._check_bands(intent.price)

    def _check_state(self, intent: Intent) -> None:
        match self.market.order_book_state:
            case OrderBookState.OPEN:
                return
            case OrderBookState.LIMIT_ONLY:
                if intent.order_type is OrderType.MARKET:
                    raise invalid_order("Only limit orders are accepted now")
            case OrderBookState.POST_ONLY:
                if not intent.post_only:
                    raise invalid_order("Only post only orders are accepted now")
            case state:
                raise Refusal(400, "TRADING_PAUSED", f"Order book is {state.value}")

    def _check_blind(self, intent: Intent) -> None:
        """Let only orders in that rest: what they might trade with is not there any more."""
        if (
            intent.price is None
            or intent.time_in_force is not TimeInForce.GTC
            or None in {self.book.bids.best(), self.book.asks.best()}
            or self.book.against(intent.side).crosses(intent.price)
        ):
            raise Refusal(400, "TRADING_PAUSED", "The mirrored market cannot be seen")

    def _check_bands(self, price: Decimal) -> None:
        """Refuse a price far from the market, in both directions as recorded on USDT_USDC.

        A market in which nothing traded and nobody quotes has no bands yet.
        """
        filters = self.market.filters.price
        last, low, high = self.last_price, filters.min_multiplier, filters.max_multiplier
        if last is not None and (
            (low is not None and price < last * low) or (high is not None and price > last * high)
        ):
            raise out_of_bounds()
        band = filters.mean_mark_price_band
        mark = None if band is None else self._mark_price(band)
        if (
            band is not None
            and mark is not None
            and not mark * band.min_multiplier <= price <= mark * band.max_multiplier
        ):
            raise out_of_bounds()

    def _mark_price(self, band: PriceBand) -> Decimal | None:
        """What stands for the mark price of a spot market, which is not published.

        The mid price; but where the touch is wider than the band itself, as in a market with a few
        far orders, its middle says nothing, and the last trade is taken.
        """
        bid, ask = self.book.bids.best(), self.book.asks.best()
        if bid is None or ask is None:
            return self.last_price
        mid = (bid[0] + ask[0]) / 2
        width = mid * (band.max_multiplier - band.min_multiplier)
        return mid if ask[0] - bid[0] <= width else self.last_price


def out_of_bounds() -> Refusal:
    """The answer to a price outside the market's bands."""
    return Refusal(400, "INVALID_PRICE", "Price is outside of the allowed price band")
