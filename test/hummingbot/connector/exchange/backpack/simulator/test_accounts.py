"""Funds and histories of one account, without an engine around it."""

from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.models import OrderType, Side, Symbol
from hummingbot.connector.exchange.backpack.simulator.accounts import Account, page
from hummingbot.connector.exchange.backpack.simulator.events import (
    FillRecord,
    OrderRecord,
    Refusal,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets

SOL = next(market for market in known_markets() if market.symbol == "SOL_USDC")


def account(*, maker="8", taker="10", unlimited=False):
    return Account(
        "someone",
        maker_fee_bps=Decimal(maker),
        taker_fee_bps=Decimal(taker),
        unlimited=unlimited,
    )


def order(side, price, quantity, order_type=OrderType.LIMIT, client_id=None):
    return OrderRecord(
        order_id=1,
        account_id="someone",
        symbol=Symbol("SOL_USDC"),
        side=side,
        order_type=order_type,
        created_at_us=0,
        updated_at_us=0,
        price=Decimal(price) if price else None,
        quantity=Decimal(quantity),
        client_id=client_id,
    )


def fill(side, price, quantity, fee):
    return FillRecord(
        trade_id=1,
        order_id=1,
        account_id="someone",
        symbol=Symbol("SOL_USDC"),
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        fee=Decimal(fee),
        fee_symbol="SOL" if side is Side.BID else "USDC",
        is_maker=True,
        time_us=0,
    )


def test_bid_locks_its_value_in_quote_and_ask_its_quantity_in_base():
    owner = account()
    owner.deposit("USDC", Decimal(1000))
    owner.deposit("SOL", Decimal(5))

    owner.accept(order(Side.BID, "100", "2"), SOL)
    owner.accept(order(Side.ASK, "110", "3"), SOL)

    assert owner.balances() == {"USDC": (800, 200), "SOL": (2, 3)}


def test_close_frees_what_is_still_locked():
    owner = account()
    owner.deposit("USDC", Decimal(1000))
    resting = order(Side.BID, "100", "2")
    owner.accept(resting, SOL)
    resting.executed_quantity = Decimal("0.5")
    owner.funds("USDC").locked -= 50

    owner.close(resting, SOL)

    assert owner.balances() == {"USDC": (950, 0)}


def test_fill_at_a_better_price_frees_the_difference():
    owner = account()
    owner.deposit("USDC", Decimal(1000))
    resting = order(Side.BID, "100", "2")
    owner.accept(resting, SOL)

    owner.settle(resting, fill(Side.BID, "90", "2", "0.002"), SOL)

    assert owner.balances() == {"USDC": (820, 0), "SOL": (Decimal("1.998"), 0)}


def test_fill_of_an_ask_pays_quote_less_the_fee():
    owner = account()
    owner.deposit("SOL", Decimal(5))
    resting = order(Side.ASK, "100", "2")
    owner.accept(resting, SOL)

    owner.settle(resting, fill(Side.ASK, "100", "1", "0.08"), SOL)

    assert owner.balances() == {"SOL": (3, 1), "USDC": (Decimal("99.92"), 0)}


def test_market_order_pays_from_what_is_free():
    owner = account()
    owner.deposit("USDC", Decimal(1000))
    taker = order(Side.BID, None, "2", OrderType.MARKET)
    owner.accept(taker, SOL)
    assert owner.balances() == {"USDC": (1000, 0)}

    owner.settle(taker, fill(Side.BID, "100", "2", "0"), SOL)

    assert owner.balances() == {"USDC": (800, 0), "SOL": (2, 0)}


@pytest.mark.parametrize(
    ("is_maker", "received", "fee"),
    [
        (False, "0.0010", "0.000001"),  # recorded: ETH 0.000001 on 0.001 at 10 bps
        (False, "4.7325", "0.0047325"),  # recorded: USDC 0.0047325 on 4732.5 * 0.001
        (True, "1000", "-0.2"),
        (True, "0.0000001", "-0.00000000002"),
        (True, "0.00000000003", "0"),
    ],
)
def test_fee_is_basis_points_of_what_is_received_to_twelve_decimals(is_maker, received, fee):
    owner = account(maker="-2", taker="10")

    assert owner.fee(Decimal(received), is_maker=is_maker) == Decimal(fee)


@pytest.mark.parametrize("fee", ["NaN", "Infinity", "10000", "-10000"])
def test_senseless_fee_is_an_error(fee):
    with pytest.raises(ValueError, match="basis points"):
        account(maker=fee)
    with pytest.raises(ValueError, match="basis points"):
        account(taker=fee)


def test_withdrawal_takes_free_funds_only():
    owner = account()
    owner.deposit("USDC", Decimal(300))
    owner.accept(order(Side.BID, "100", "2"), SOL)

    with pytest.raises(Refusal) as refused:
        owner.deposit("USDC", Decimal(-101))
    assert refused.value.code == "INSUFFICIENT_FUNDS"

    owner.deposit("USDC", Decimal(-100))
    assert owner.balances() == {"USDC": (0, 200)}


@pytest.mark.parametrize("quantity", ["NaN", "Infinity", "1E+15", "1E-13", "1" * 300])
def test_deposit_that_cannot_be_kept_exactly_is_an_error(quantity):
    owner = account()

    with pytest.raises(ValueError, match="USDC"):
        owner.deposit("USDC", Decimal(quantity))
    assert owner.balances() == {}


def test_unlimited_account_is_never_short_locks_nothing_and_keeps_no_history():
    house = account(unlimited=True)
    resting = order(Side.BID, "100", "2")

    house.check_funds(SOL, Side.BID, Decimal(10**12))
    house.accept(resting, SOL)
    house.settle(resting, fill(Side.BID, "100", "1", "0"), SOL)
    house.record(fill(Side.BID, "100", "1", "0"))

    assert house.balances() == {"USDC": (-100, 0), "SOL": (1, 0)}
    assert house.orders == house.fills == []


def test_client_id_is_known_while_the_order_is_open():
    owner = account()
    owner.deposit("USDC", Decimal(1000))
    resting = order(Side.BID, "100", "2", client_id=77)

    owner.accept(resting, SOL)
    assert owner.by_client_id(77) is resting

    owner.close(resting, SOL)
    assert owner.by_client_id(77) is None


@pytest.mark.parametrize(
    ("ascending", "offset", "limit", "rows"),
    [
        (False, 0, 3, [8, 6, 4]),
        (False, 3, 3, [2, 0]),
        (True, 0, 3, [0, 2, 4]),
        (True, 1, 100, [2, 4, 6, 8]),
        (False, 99, 3, []),
    ],
)
def test_page_filters_sorts_and_counts(ascending, offset, limit, rows):
    found = page(
        range(10), lambda row: row % 2 == 0, limit=limit, offset=offset, ascending=ascending
    )

    assert found == (rows, 5)
