"""What an exchange has to remember over a restart: funds, orders, fills, and the ids given so far.

Pure: values in, values out; the file is `state_file`'s. Other people's orders are not kept, they
come back by themselves, and no key is: an account is known by its name.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from ..api.models import Market, OrderType, Symbol
from .accounts import Account, hold_of
from .book import price_of, remaining
from .events import ZERO, FillRecord, OrderRecord
from .execution import Execution
from .venue import Venue

VERSION: Final = 1
_FINISHED_ORDERS_KEPT: Final = 1_000
_FILLS_KEPT: Final = 1_000


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """One account: asset to ``(available, locked)`` in units of the asset, and its histories.

    Orders and fills oldest first.
    """

    name: str
    balances: dict[str, tuple[Decimal, Decimal]]
    orders: list[OrderRecord]
    fills: list[FillRecord]


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange without its books.

    Attributes:
        version: of this form.
        next_order_id: no order has had it yet.
        next_trade_ids: the same for the trades of each market.
        markets: those that the histories name: their orders must be shown even if they are listed
            no more.
        collected_fees: asset to fees taken, less rebates, in units of the asset.
        accounts: by name.
    """

    version: int
    next_order_id: int
    next_trade_ids: dict[Symbol, int]
    markets: list[Market]
    collected_fees: dict[str, Decimal]
    accounts: list[AccountState]


def remember(
    accounts: Iterable[Account], venues: Mapping[Symbol, Venue], execution: Execution
) -> EngineState:
    """What has to be kept of these accounts."""
    kept = [_state_of(account) for account in accounts]
    named = dict.fromkeys(
        row.symbol for account in kept for rows in (account.orders, account.fills) for row in rows
    )
    return EngineState(
        version=VERSION,
        next_order_id=execution.next_order_id,
        next_trade_ids={symbol: venue.next_trade_id for symbol, venue in venues.items()},
        markets=[venues[symbol].market for symbol in named],
        collected_fees=dict(execution.collected_fees),
        accounts=kept,
    )


def restore(state: EngineState, venues: Mapping[Symbol, Venue], execution: Execution) -> None:
    """Make accounts, books and ids what they were.

    Args:
        state: was checked; its markets are among the venues.
        venues: with books in which nothing rests.
        execution: of an exchange on which nobody traded; accounts it does not have are passed over.
    """
    execution.next_order_id = max(execution.next_order_id, state.next_order_id)
    execution.collected_fees = dict(state.collected_fees)
    for symbol, venue in venues.items():
        venue.next_trade_id = max(venue.next_trade_id, state.next_trade_ids.get(symbol, 0))
    for kept in state.accounts:
        account = execution.accounts.get(kept.name)
        if account is None:
            continue
        account.restore(kept.balances, kept.orders, kept.fills)
        for order in account.open.values():
            venue = venues[order.symbol]
            venue.book.side(order.side).add(order)
            execution.publish_level(venue, order.side, price_of(order))
    execution.flush()


def _state_of(account: Account) -> AccountState:
    """An account with all open orders and their fills, and the latest of the others."""
    finished = [order for order in account.orders if order.order_id not in account.open]
    kept = {order.order_id for order in finished[-_FINISHED_ORDERS_KEPT:]} | account.open.keys()
    latest = account.fills[-_FILLS_KEPT:]
    earlier = account.fills[:-_FILLS_KEPT]
    return AccountState(
        name=account.account_id,
        balances=account.balances(),
        orders=[order for order in account.orders if order.order_id in kept],
        fills=[fill for fill in earlier if fill.order_id in account.open] + latest,
    )


def check(state: EngineState) -> None:
    """Check that a state can have been: a damaged one must not become somebody's balance.

    Raises:
        ValueError: it cannot; the text says why.
    """
    if state.version != VERSION:
        raise ValueError(f"it has version {state.version}, this program reads {VERSION}")
    markets = {market.symbol: market for market in state.markets}
    names = [account.name for account in state.accounts]
    if len(set(names)) < len(names):
        raise ValueError("it names an account twice")
    for account in state.accounts:
        try:
            _check_orders(account, markets, state)
            _check_balances(account, markets)
        except (ArithmeticError, ValueError) as e:
            raise ValueError(f"account {account.name!r}: {e}") from e


def _check_orders(
    account: AccountState, markets: Mapping[Symbol, Market], state: EngineState
) -> None:
    ids = [order.order_id for order in account.orders]
    if len(set(ids)) < len(ids) or max(ids, default=0) >= state.next_order_id:
        raise ValueError("an order id is there twice, or is yet to be given")
    for order in account.orders:
        if order.account_id != account.name or order.symbol not in markets:
            raise ValueError(f"order {order.order_id} belongs elsewhere")
        if not order.status.is_terminal and not (
            order.order_type is OrderType.LIMIT
            and order.price is not None
            and order.price > 0
            and order.executed_quantity >= 0
            and remaining(order) > 0
        ):
            raise ValueError(f"order {order.order_id} cannot be open")
    client_ids = [order.client_id for order in open_orders(account) if order.client_id is not None]
    if len(set(client_ids)) < len(client_ids):
        raise ValueError("two open orders have the same client id")
    for fill in account.fills:
        if fill.trade_id >= state.next_trade_ids.get(fill.symbol, 0):
            raise ValueError(f"trade {fill.trade_id} is yet to be")


def _check_balances(account: AccountState, markets: Mapping[Symbol, Market]) -> None:
    held: dict[str, Decimal] = {}
    for order in open_orders(account):
        asset, quantity = hold_of(order, markets[order.symbol])
        held[asset] = held.get(asset, ZERO) + quantity
    for asset in held.keys() | account.balances.keys():
        available, locked = account.balances.get(asset, (ZERO, ZERO))
        if not available.is_finite() or available < 0:
            raise ValueError(f"{available} {asset} cannot be free")
        if locked != held.get(asset, ZERO):
            raise ValueError(f"{locked} {asset} are locked, but the open orders lock {held}")


def open_orders(account: AccountState) -> Iterable[OrderRecord]:
    """The orders of an account that are not finished, oldest first."""
    return (order for order in account.orders if not order.status.is_terminal)
