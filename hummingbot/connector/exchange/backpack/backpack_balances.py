"""Balances: from events as they come, and asked for where no event tells.

Lent funds leave the balances, and no event tells of them: of an asset that may be lent only the two
questions together, asked after every event, give what the account has.
"""

import asyncio
import math
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, override

from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from .api.endpoints import GetBorrowLendPositions, GetCapital
from .api.errors import BackpackError
from .api.streams import BalanceUpdate
from .api.streams import OrderUpdate as OrderEvent
from .backpack_constants import PSEUDO_ASSETS
from .backpack_reconciliation import Reconciliation

if TYPE_CHECKING:
    from .api.models import Account

# The events of an order and of its funds come on two topics, in any order.
_EVENT_GRACE_S = 1.0


class AccountBalances(Reconciliation):
    """The part of the connector that keeps the funds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (of Hummingbot's base)
        self._account: Account | None = None
        self._lent: dict[str, Decimal] = {}
        self._told_s: dict[str, float] = {}
        self._changed_us: dict[str, int] = {}
        self._is_doubtful = False
        self._asked_s = -math.inf
        self._check: asyncio.Task[None] | None = None
        super().__init__(*args, **kwargs)

    @override
    async def _update_all_balances(self) -> None:
        # One line, where the base logs a traceback for every time the network is down.
        try:
            await self._update_balances()
        except BackpackError as e:
            self._is_poll_unanswered = True
            self.logger().warning(f"Balances could not be asked; the last ones stay: {e}")

    @override
    async def _update_balances(self) -> None:
        asked_s = time.monotonic()
        capital, lent_now = await asyncio.gather(self.rest.send(GetCapital()), self._fetch_lent())
        if asked_s < self._asked_s:
            return  # a later question was answered first
        self._asked_s = asked_s
        self._lent = lent_now
        held = {asset: funds for asset, funds in capital.items() if asset not in PSEUDO_ASSETS}
        available = {asset: funds.available for asset, funds in held.items()}
        total = {asset: funds.available + funds.locked for asset, funds in held.items()}
        for asset, lent in self._lent.items():
            available[asset] = available.get(asset, Decimal(0)) + lent
            total[asset] = total.get(asset, Decimal(0)) + lent
        if not total:
            # Hummingbot never gets ready with an account that lists no asset at all.
            total = {pair.split("-")[1]: Decimal(0) for pair in self._trading_pairs}
            available = dict(total)
        for asset, told_s in self._told_s.items():
            if told_s > asked_s:
                # An event came meanwhile, and the reply may be older than that.
                available[asset] = self._account_available_balances[asset]
                total[asset] = self._account_balances[asset]
        _replace(self._account_available_balances, available)
        _replace(self._account_balances, total)

    async def _fetch_lent(self) -> dict[str, Decimal]:
        """Lent funds leave the balances but can be used; without an answer the last one stays."""
        try:
            positions = await self.rest.send(GetBorrowLendPositions())
        except BackpackError as e:
            self.logger().debug("Lent funds could not be asked: %s", e)
            return self._lent
        return {p.symbol: p.net_quantity for p in positions if p.net_quantity > 0}

    @override
    async def _on_event(self, event: object) -> None:
        match event:
            case BalanceUpdate():
                self._on_balance_event(event)
            case OrderEvent():
                self._check_balances_soon()
                await self._on_order_event(event)
            case _:
                msg = f"not an account event: {event!r}"
                raise TypeError(msg)

    def _on_balance_event(self, event: BalanceUpdate) -> None:
        asset = event.asset
        if asset in PSEUDO_ASSETS:
            return
        changed_us = event.engine_time_us or event.event_time_us
        before_us = self._changed_us.get(asset, changed_us)
        self._changed_us[asset] = changed_us
        if self._may_be_lent(asset) or changed_us < before_us:
            # It tells a part only, or is older than the one before, or the clock was set back.
            self._is_doubtful = True
            self._check_balances_soon()
            return
        self._told_s[asset] = time.monotonic()
        self._account_available_balances[asset] = event.available
        self._account_balances[asset] = event.available + event.locked

    def _may_be_lent(self, asset: str) -> bool:
        return asset in self._lent or (self._account is not None and self._account.auto_lend)

    def _check_balances_soon(self) -> None:
        """Every event of an order moves funds; the stream that tells which is undocumented."""
        if self._check is None or self._check.done():
            self._check = self._spawn(self._ask_unless_told())

    async def _ask_unless_told(self) -> None:
        since_s = time.monotonic() - _EVENT_GRACE_S
        await self._sleep(_EVENT_GRACE_S)
        # The reply may be older than an event that comes from now on.
        self._check = None
        is_doubtful, self._is_doubtful = self._is_doubtful, False
        if is_doubtful or not any(told_s > since_s for told_s in self._told_s.values()):
            await self._update_all_balances()

    @override
    def _has_lent(self, order: InFlightOrder) -> bool:
        spent = order.quote_asset if order.trade_type is TradeType.BUY else order.base_asset
        return self._may_be_lent(spent)


def _replace(balances: dict[str, Decimal], new: dict[str, Decimal]) -> None:
    balances.clear()
    balances.update(new)
