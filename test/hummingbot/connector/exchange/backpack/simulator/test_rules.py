"""What a market refuses in an order, before books and balances are looked at."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import (
    OrderType,
    SelfTradePrevention,
    Side,
    Symbol,
    TimeInForce,
)
from hummingbot.connector.exchange.backpack.simulator.events import Refusal
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.rules import MarketRules

MARKETS = {market.symbol: market for market in known_markets()}

PRICE_DECIMALS = ("INVALID_CLIENT_REQUEST", "Price decimal too long")
PRICE_LOW = ("INVALID_CLIENT_REQUEST", "Price is below the minimum allowed value")
PRICE_HIGH = ("INVALID_CLIENT_REQUEST", "Price is above the maximum allowed value")
QUANTITY_DECIMALS = ("INVALID_CLIENT_REQUEST", "Quantity decimal too long")
QUANTITY_LOW = ("INVALID_CLIENT_REQUEST", "Quantity is below the minimum allowed value")
QUANTITY_HIGH = ("INVALID_CLIENT_REQUEST", "Quantity is above the maximum allowed value")
MARKET_SIZE = (
    "INVALID_CLIENT_REQUEST",
    "Market orders must specify a `quantity` or `quoteQuantity`",
)
MARKET_POSITIVE = ("INVALID_CLIENT_REQUEST", "Market orders must specify a positive `quantity`")
HALF_TRIGGER = (
    "INVALID_CLIENT_REQUEST",
    "Must specify both `triggerPrice` and `triggerQuantity` or neither",
)


def limit(price="100", quantity="1", symbol="SOL_USDC", **more):
    return ExecuteOrder(
        symbol=Symbol(symbol),
        side=Side.BID,
        order_type=OrderType.LIMIT,
        price=None if price is None else Decimal(price),
        quantity=None if quantity is None else Decimal(quantity),
        **more,
    )


def market(quantity=None, quote_quantity=None, symbol="SOL_USDC", **more):
    return ExecuteOrder(
        symbol=Symbol(symbol),
        side=Side.BID,
        order_type=OrderType.MARKET,
        quantity=None if quantity is None else Decimal(quantity),
        quote_quantity=None if quote_quantity is None else Decimal(quote_quantity),
        **more,
    )


def read(order):
    return MarketRules(MARKETS[order.symbol]).read(order)


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (limit(price="100.001"), PRICE_DECIMALS),
        (limit(price="100." + "0" * 300 + "1"), PRICE_DECIMALS),
        (limit(price="0.00001", symbol="JTO_USDC"), PRICE_LOW),
        (limit(price="0"), PRICE_LOW),
        (limit(price="-100"), PRICE_LOW),
        (limit(price="1E+15"), PRICE_HIGH),
        (limit(price="1E+999999"), PRICE_HIGH),
        (limit(price="1000.1", symbol="HYPE_USDC"), PRICE_HIGH),
        (limit(price="NaN"), ("INVALID_PRICE", "Invalid price")),
        (limit(price="sNaN"), ("INVALID_PRICE", "Invalid price")),
        (limit(price="Infinity"), ("INVALID_PRICE", "Invalid price")),
        (limit(price=None), ("INVALID_CLIENT_REQUEST", "Limit orders must specify a `price`")),
        (limit(quantity="1.001"), QUANTITY_DECIMALS),
        (limit(quantity="0.005"), QUANTITY_DECIMALS),
        (limit(quantity="1." + "3" * 300), QUANTITY_DECIMALS),
        (limit(quantity="15000", price="0.000003", symbol="BONK_USDC"), QUANTITY_DECIMALS),
        (limit(quantity="0.5", price="0.35", symbol="SEND_USDC"), QUANTITY_LOW),
        (limit(quantity="0"), QUANTITY_LOW),
        (limit(quantity="-1"), QUANTITY_LOW),
        (limit(quantity="9" * 300), QUANTITY_HIGH),
        (limit(quantity="1E+14", price="100"), QUANTITY_HIGH),
        (limit(quantity="NaN"), ("INVALID_QUANTITY", "Invalid quantity")),
        (
            limit(quantity=None),
            ("INVALID_CLIENT_REQUEST", "Limit orders must specify a `quantity`"),
        ),
        (
            limit(quote_quantity=Decimal(1)),
            ("INVALID_ORDER", "Only market orders can specify a `quoteQuantity`"),
        ),
        (limit(client_id=-1), ("INVALID_CLIENT_REQUEST", "Invalid client id")),
        (limit(client_id=2**32), ("INVALID_CLIENT_REQUEST", "Invalid client id")),
        (limit(reduce_only=True), ("INVALID_ORDER", "Reduce only order not reduced")),
        (limit(trigger_price=Decimal(90)), HALF_TRIGGER),
        (limit(trigger_quantity="1"), HALF_TRIGGER),
        (
            limit(trigger_price=Decimal(90), trigger_quantity="1"),
            ("INVALID_ORDER", "Trigger orders are not supported by this local exchange"),
        ),
        (
            limit(post_only=True, time_in_force=TimeInForce.IOC),
            ("INVALID_ORDER", "Post only orders must be good till cancelled"),
        ),
        (market(), MARKET_SIZE),
        (market(quantity="1", quote_quantity="1"), MARKET_SIZE),
        (market(quantity="0"), MARKET_POSITIVE),
        (market(quote_quantity="-1"), MARKET_POSITIVE),
        (market(quantity="0.001"), QUANTITY_DECIMALS),
        (market(quantity="1E+15"), QUANTITY_HIGH),
        (market(quote_quantity="1E+15"), QUANTITY_HIGH),
        (market(quote_quantity="1." + "3" * 300), QUANTITY_DECIMALS),
        (market(quote_quantity="NaN"), ("INVALID_QUANTITY", "Invalid quantity")),
        (
            market(quantity="1", post_only=True),
            ("INVALID_ORDER", "Market orders cannot be post only"),
        ),
        (
            limit(symbol="SOL_USDC_PERP"),
            ("NOT_IMPLEMENTED", "Only spot markets trade on this local exchange"),
        ),
    ],
)
def test_wrong_order_is_refused_in_the_words_of_the_exchange(order, refusal):
    with pytest.raises(Refusal) as refused:
        read(order)

    assert (refused.value.code, refused.value.message) == refusal
    assert refused.value.status == 400


def test_most_of_a_market_that_has_a_most():
    """No recorded market has one, but the interface description does."""
    sol = MARKETS["SOL_USDC"]
    quantity = msgspec.structs.replace(sol.filters.quantity, max_quantity=Decimal(10))
    filters = msgspec.structs.replace(sol.filters, quantity=quantity)
    rules = MarketRules(msgspec.structs.replace(sol, filters=filters))

    assert rules.read(limit(quantity="10")).quantity == 10
    with pytest.raises(Refusal, match=QUANTITY_HIGH[1]):
        rules.read(limit(quantity="10.01"))


def test_numbers_get_the_padding_of_the_market():
    intent = read(limit(price="1E+2", quantity="1.5"))

    assert str(intent.price) == "100.00"
    assert str(intent.quantity) == "1.50"


def test_trailing_zeros_are_no_decimals():
    assert read(limit(price="100.000000")).price == 100


def test_step_above_one_needs_no_decimals():
    intent = read(limit(price="0.000003", quantity="2E+4", symbol="BONK_USDC"))

    assert str(intent.quantity) == "20000"
    assert str(intent.price) == "0.000003000"


def test_defaults_are_those_of_the_exchange():
    intent = read(limit())

    assert intent.time_in_force is TimeInForce.GTC
    assert intent.self_trade_prevention is SelfTradePrevention.REJECT_TAKER
    assert intent.post_only is False


def test_price_of_a_market_order_is_ignored():
    order = market(quantity="1", price=Decimal("0.123456789"))

    assert read(order).price is None


def test_quote_amount_may_have_any_decimals_an_asset_can_have():
    assert read(market(quote_quantity="12.3456789")).quote_quantity == Decimal("12.3456789")


@given(
    st.sampled_from([m for m in MARKETS.values() if not m.symbol.endswith("_PERP")]),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.decimals(allow_nan=True, allow_infinity=True),
)
def test_any_number_is_put_on_the_grid_unchanged_or_refused(market_of, price, quantity):
    """Nothing else can happen: no other exception, no rounding."""
    order = limit(symbol=market_of.symbol)
    try:
        intent = MarketRules(market_of).read(
            ExecuteOrder(
                symbol=order.symbol,
                side=Side.ASK,
                order_type=OrderType.LIMIT,
                price=price,
                quantity=quantity,
            )
        )
    except Refusal:
        return
    filters = market_of.filters
    assert (intent.price, intent.quantity) == (price, quantity)
    assert intent.price % filters.price.tick_size == 0
    assert intent.quantity % filters.quantity.step_size == 0
    assert intent.price >= filters.price.min_price
    assert intent.quantity >= filters.quantity.min_quantity


@given(
    st.sampled_from([m for m in MARKETS.values() if not m.symbol.endswith("_PERP")]),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
)
def test_order_on_the_grid_and_within_bounds_is_accepted(market_of, ticks, steps):
    filters = market_of.filters
    lowest = -(-filters.price.min_price // filters.price.tick_size) * filters.price.tick_size
    price = lowest + ticks * filters.price.tick_size
    quantity = filters.quantity.min_quantity + steps * filters.quantity.step_size
    order = limit(str(price), str(quantity), symbol=market_of.symbol)
    if filters.price.max_price is not None and price > filters.price.max_price:
        return

    assert MarketRules(market_of).read(order).price == price
