"""Who owns what: funds, open orders and histories of the accounts.

Knows nothing of books or streams; the engine tells it what was accepted, filled and ended. A limit
order locks what it may have to pay: a bid its price times quantity in the quote asset, an ask its
quantity in the base asset. Fees are taken from the asset received.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ..api.models import Market, OrderType, Side
from .book import price_of, remaining
from .events import ZERO, FillRecord, OrderRecord, Refusal

_BASIS_POINTS: Final = Decimal(10_000)
_FINEST_EXPONENT: Final = -12
_FEE_UNIT: Final = Decimal(1).scaleb(_FINEST_EXPONENT)
_LARGEST_EXPONENT: Final = 15


@dataclass(slots=True)
class Funds:
    """One asset of an account, in units of the asset."""

    available: Decimal = ZERO
    locked: Decimal = ZERO


class Account:
    """One account of the exchange.

    An `unlimited` account stands for the rest of the world: it is never short of funds, so its
    balances are only a record of what it won and lost, nothing is locked, and no history is kept.
    """

    def __init__(
        self,
        account_id: str,
        *,
        maker_fee_bps: Decimal,
        taker_fee_bps: Decimal,
        unlimited: bool,
    ) -> None:
        for fee_bps in (maker_fee_bps, taker_fee_bps):
            if not fee_bps.is_finite() or abs(fee_bps) >= _BASIS_POINTS:
                msg = f"a fee of {fee_bps} basis points makes no sense"
                raise ValueError(msg)
        self.account_id = account_id
        self.maker_fee_bps = maker_fee_bps
        self.taker_fee_bps = taker_fee_bps
        self.unlimited = unlimited
        self.open: dict[int, OrderRecord] = {}
        self.orders: list[OrderRecord] = []
        self.fills: list[FillRecord] = []
        self._funds: dict[str, Funds] = {}
        self._by_client_id: dict[int, OrderRecord] = {}

    def funds(self, asset: str) -> Funds:
        """Funds of `asset`, created at zero when first asked for by a change."""
        found = self._funds.get(asset)
        if found is None:
            found = self._funds[asset] = Funds()
        return found

    def available(self, asset: str) -> Decimal:
        """Free quantity of `asset`."""
        found = self._funds.get(asset)
        return ZERO if found is None else found.available

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Asset to ``(available, locked)``, assets at zero left out."""
        return {
            asset: (funds.available, funds.locked)
            for asset, funds in self._funds.items()
            if funds.available or funds.locked
        }

    def restore(
        self,
        balances: Mapping[str, tuple[Decimal, Decimal]],
        orders: Sequence[OrderRecord],
        fills: Sequence[FillRecord],
    ) -> None:
        """Become what an account was: asset to ``(available, locked)``, histories oldest first.

        What the orders lock is contained in the balances.
        """
        self._funds = {asset: Funds(*quantities) for asset, quantities in balances.items()}
        self.orders, self.fills = list(orders), list(fills)
        self.open = {o.order_id: o for o in self.orders if not o.status.is_terminal}
        self._by_client_id = {o.client_id: o for o in self.open.values() if o.client_id is not None}

    def deposit(self, asset: str, quantity: Decimal) -> None:
        """Add `quantity` of `asset`; a negative one is withdrawn.

        Raises:
            ValueError: not a finite number, or too large to be kept exactly.
            Refusal: less than that is free.
        """
        if not quantity.is_finite() or _exponent(quantity) < _FINEST_EXPONENT:
            msg = f"{quantity} {asset} is not an amount that can be moved"
            raise ValueError(msg)
        total = self.available(asset) + quantity
        if total.adjusted() >= _LARGEST_EXPONENT:
            msg = f"{total} {asset} is more than an account can hold"
            raise ValueError(msg)
        if total < 0 and not self.unlimited:
            raise insufficient_funds()
        self.funds(asset).available = total

    def check_funds(self, market: Market, side: Side, needed: Decimal) -> None:
        """Check that `needed` is free: base units for an ask, quote units for a bid.

        Raises:
            Refusal: it is not.
        """
        asset = market.quote_symbol if side is Side.BID else market.base_symbol
        if not self.unlimited and self.available(asset) < needed:
            raise insufficient_funds()

    def accept(self, order: OrderRecord, market: Market) -> None:
        """Take `order` in and lock what it needs; its funds were checked before."""
        if not self.unlimited:
            self.orders.append(order)
        self.open[order.order_id] = order
        if order.client_id is not None:
            self._by_client_id[order.client_id] = order
        if self._locks(order):
            asset, quantity = hold_of(order, market)
            funds = self.funds(asset)
            funds.available -= quantity
            funds.locked += quantity

    def close(self, order: OrderRecord, market: Market) -> None:
        """Forget `order` as an open one and free what it still locks."""
        del self.open[order.order_id]
        if order.client_id is not None:
            del self._by_client_id[order.client_id]
        if self._locks(order):
            asset, quantity = hold_of(order, market)
            funds = self.funds(asset)
            funds.available += quantity
            funds.locked -= quantity

    def settle(self, order: OrderRecord, fill: FillRecord, market: Market) -> None:
        """Exchange the assets of `fill`, before it is counted in `order`.

        Args:
            order: executing order; of a limit order the locked funds pay, and what a better price
                saves is freed.
            fill: quantity in base units, price in quote units, fee in the asset received.
            market: names the two assets.
        """
        value = fill.price * fill.quantity
        if order.side is Side.BID:
            paid_asset, paid, received_asset, received = (
                market.quote_symbol,
                value,
                market.base_symbol,
                fill.quantity,
            )
        else:
            paid_asset, paid, received_asset, received = (
                market.base_symbol,
                fill.quantity,
                market.quote_symbol,
                value,
            )
        payer = self.funds(paid_asset)
        if self._locks(order):
            held = price_of(order) * fill.quantity if order.side is Side.BID else fill.quantity
            payer.locked -= held
            payer.available += held - paid
        else:
            payer.available -= paid
        self.funds(received_asset).available += received - fill.fee

    def fee(self, received: Decimal, *, is_maker: bool) -> Decimal:
        """Fee on `received`, in its asset; negative for a rebate.

        Exact up to 12 decimals, more are rounded: no asset has more.
        """
        fee = received * (self.maker_fee_bps if is_maker else self.taker_fee_bps) / _BASIS_POINTS
        return fee.quantize(_FEE_UNIT) if _exponent(fee) < _FINEST_EXPONENT else fee

    def record(self, fill: FillRecord) -> None:
        """Keep `fill` for the history."""
        if not self.unlimited:
            self.fills.append(fill)

    def by_client_id(self, client_id: int) -> OrderRecord | None:
        """The open order with this client id."""
        return self._by_client_id.get(client_id)

    def _locks(self, order: OrderRecord) -> bool:
        # A market order is over before anyone could see its hold: it pays from what is free.
        return not self.unlimited and order.order_type is OrderType.LIMIT


def hold_of(order: OrderRecord, market: Market) -> tuple[str, Decimal]:
    """Asset and quantity that what remains of a limit order locks."""
    if order.side is Side.BID:
        return market.quote_symbol, price_of(order) * remaining(order)
    return market.base_symbol, remaining(order)


def insufficient_funds() -> Refusal:
    """The answer to an order or withdrawal beyond the free funds."""
    return Refusal(400, "INSUFFICIENT_FUNDS", "Insufficient funds")


def page[Row](
    rows: Sequence[Row],
    matches: Callable[[Row], bool],
    *,
    limit: int,
    offset: int,
    ascending: bool,
) -> tuple[list[Row], int]:
    """One page of a history, and how many rows match in all.

    Args:
        rows: whole history, oldest first.
        matches: filter.
        limit: rows of a page.
        offset: matching rows to leave out before it.
        ascending: oldest first; otherwise newest first.
    """
    found = [row for row in rows if matches(row)]
    if not ascending:
        found.reverse()
    return found[offset : offset + limit], len(found)


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)
