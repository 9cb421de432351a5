"""Bad input gets one clear message that says what to do, and nothing is lost by it."""

import base64
import logging
import random
import time
from contextlib import ExitStack
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import CancelOrder, ExecuteOrder, GetDepth
from hummingbot.connector.exchange.backpack.api.errors import (
    AuthenticationError,
    ClockSkewError,
    InvalidRequest,
    OrderNotFound,
    Outcome,
    ResourceNotFound,
)
from hummingbot.connector.exchange.backpack.api.models import (
    OrderBookState,
    Side,
)
from hummingbot.connector.exchange.backpack.api.models import OrderType as WireOrderType
from hummingbot.connector.exchange.backpack.api.signing import CredentialsError, generate_key_pair
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.core.data_type.common import OrderType

PAIR = "SOL-USDC"
PLACE = "POST /api/v1/order"
TIME = "GET /api/v1/time"
LIMIT, MARKET, LIMIT_MAKER = OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER

# === keys

KEY, SECRET = generate_key_pair(bytes(range(32)))
OTHER_KEY, OTHER_SECRET = generate_key_pair(bytes(range(1, 33)))
HEX_KEY, HEX_SECRET = (base64.b64decode(text).hex() for text in (KEY, SECRET))


@pytest.mark.parametrize(
    ("key", "secret", "told"),
    [
        (KEY, "", "API secret is empty"),
        ("", SECRET, "API key is empty"),
        ("   ", SECRET, "API key is empty"),
        (SECRET, KEY, "are swapped"),
        (KEY[:-5], SECRET, "API key is not complete"),
        (KEY, SECRET[:20], "API secret is not complete"),
        (KEY, f'"{SECRET}"', "API secret is not complete"),
        (KEY, SECRET + SECRET, "API secret is not complete"),
        (HEX_KEY, SECRET, "API key looks like hexadecimal"),
        (KEY, HEX_SECRET, "API secret looks like hexadecimal"),
        (KEY, "0x" + HEX_SECRET, "API secret looks like hexadecimal"),
        (KEY, OTHER_SECRET, "does not belong to the API key"),
        (OTHER_KEY, SECRET, "does not belong to the API key"),
        (KEY, "correct horse battery staple", "API secret is not complete or not base64"),
        (KEY, "ключ", "API secret is not complete or not base64"),
    ],
)
def test_keys_that_cannot_work_are_refused_at_once(key, secret, told):
    """The message says which of both is wrong and how, and contains neither."""
    with pytest.raises(CredentialsError) as refused:
        BackpackExchange(key, secret, trading_pairs=[PAIR])
    text = str(refused.value)
    assert told in text
    assert text.count(".") >= 1
    for given in (key.strip(), secret.strip(), SECRET, HEX_SECRET):
        assert not given or given not in text


@pytest.mark.parametrize("wrap", [" {} ", "{}\n", "\t{}"])
async def test_keys_with_white_space_around_them_work(exchange, start_trader, wrap):
    """What copying from a web page adds is taken away."""
    await start_trader(
        exchange,
        backpack_api_key=wrap.format(exchange.api_key),
        backpack_api_secret=wrap.format(exchange.api_secret),
    )


async def test_keys_of_nobody_are_told_at_the_connection_check(exchange, start_trader):
    """A pair that fits but that the exchange does not know: `connect` shows this error."""
    trader = await start_trader(
        exchange, ready=False, backpack_api_key=KEY, backpack_api_secret=SECRET
    )
    with pytest.raises(AuthenticationError, match="Check that the API key is active") as refused:
        await trader.connector._update_balances()
    assert SECRET not in str(refused.value)
    assert not trader.connector.ready


async def test_keys_of_nobody_leave_a_short_log(
    quick_reconnects, exchange, start_trader, calls, caplog, eventually
):
    """What is asked again and again is refused each time with one line, never a traceback."""
    caplog.set_level(logging.DEBUG)
    trader = await start_trader(
        exchange, ready=False, backpack_api_key=KEY, backpack_api_secret=SECRET
    )
    stream = trader.connector._user_stream_tracker.data_source.stream
    await eventually(lambda: stream.connects >= 4)
    await eventually(lambda: calls.count("GET /api/v1/account") >= 2)
    assert not trader.connector.ready
    assert [record.message for record in caplog.records if record.exc_info] == []


# === orders


class Ordering:
    """Places an order and checks how its failure is told."""

    def __init__(self, trader, caplog, calls):
        self._trader = trader
        self._caplog = caplog
        self._calls = calls

    async def fails(self, amount, price, order_type=LIMIT, *, pair=PAIR, buys=True, sent=0):
        """The reason of a failure that is told once to the strategy and once, alike, in the log."""
        trader = self._trader
        order = trader.connector.buy if buys else trader.connector.sell
        before = self._calls.count(PLACE)
        order_id = order(pair, Decimal(amount), order_type, Decimal(price))
        await trader.done(order_id)
        assert trader.events.names(order_id) == ["Failure"]
        reason = trader.events.why_failed(order_id)
        told = [r for r in self._caplog.records if r.levelno >= logging.WARNING]
        assert sum(reason in record.getMessage() for record in told) == 1
        assert [record.getMessage() for record in told if record.exc_info] == []
        assert self._calls.count(PLACE) == before + sent
        return reason


@pytest.fixture
def ordering(trader, caplog, calls):
    """``await ordering.fails(amount, price)`` gives the reason."""
    return Ordering(trader, caplog, calls)


@pytest.mark.parametrize("order_type", [LIMIT, LIMIT_MAKER, MARKET])
@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "-Infinity", "sNaN", "1E+30"])
async def test_amount_that_is_no_amount_fails_with_a_reason(
    ordering, agree, trader, amount, order_type
):
    """Nothing is sent, whatever the kind of order."""
    reason = await ordering.fails(amount, "99.50", order_type)
    assert reason == f"The amount {Decimal(amount)} is not a positive number of a possible size."
    await agree(trader)


@pytest.mark.parametrize("order_type", [LIMIT, LIMIT_MAKER])
@pytest.mark.parametrize("price", ["0", "-99.5", "NaN", "Infinity", "sNaN", "1E+30"])
async def test_price_that_is_no_price_fails_with_a_reason(
    ordering, agree, trader, price, order_type
):
    """A limit order needs a price; nothing is sent."""
    reason = await ordering.fails(1, price, order_type)
    assert reason == f"The price {Decimal(price)} is not a positive number of a possible size."
    await agree(trader)


async def test_price_below_the_smallest_step_fails_with_a_reason(ordering):
    """It would be rounded to zero."""
    reason = await ordering.fails(1, "0.004")
    assert reason == "The price 0.004 is below the smallest price step of SOL-USDC, 0.01."


@pytest.mark.parametrize("amount", ["0.001", "0.0099999", "1E-12"])
@pytest.mark.parametrize("order_type", [LIMIT, MARKET])
async def test_amount_below_the_minimum_fails_with_a_reason(ordering, amount, order_type):
    """It names the least amount."""
    reason = await ordering.fails(amount, "99.50", order_type)
    assert f"Order amount {Decimal(amount)} is lower than minimum order size 0.01" in reason


@pytest.mark.parametrize(
    ("amount", "price", "order_type", "buys"),
    [
        (5000, "100.05", LIMIT, False),
        (1100, "99.50", LIMIT, True),
        (5000, "100.05", LIMIT_MAKER, False),
    ],
)
async def test_insufficient_balance_fails_with_a_reason(
    ordering, agree, trader, amount, price, order_type, buys
):
    """The exchange's refusal, and what to do about it."""
    reason = await ordering.fails(amount, price, order_type, buys=buys, sent=1)
    assert reason == (
        "POST /api/v1/order: INSUFFICIENT_FUNDS: Insufficient funds (HTTP 400). "
        "Lower the amount, free funds by cancelling orders, or deposit."
    )
    await agree(trader)


async def test_insufficient_balance_for_a_market_order_fails_with_a_reason(
    ordering, exchange, agree, trader, eventually
):
    """As above, for what a market order would pay."""
    exchange.engine.deposit("main", "USDC", Decimal(-99_950))
    await eventually(lambda: trader.connector.get_balance("USDC") == 50)
    assert "Insufficient funds" in await ordering.fails(1, "NaN", MARKET, sent=1)
    await agree(trader)


async def test_price_outside_the_band_fails_with_the_exchanges_reason(ordering, agree, trader):
    """A price far from the market, refused by the exchange."""
    reason = await ordering.fails(1, "50", sent=1)
    assert "Price is outside of the allowed price band" in reason
    assert "Check the trading pair, and price and amount against its trading rules." in reason
    await agree(trader)


async def test_order_type_that_is_not_supported_fails_with_a_reason(ordering):
    """Hummingbot knows more kinds of order than the exchange."""
    assert "not in the list of supported order types" in await ordering.fails(
        1, "99.50", OrderType.AMM_SWAP
    )


async def test_amount_above_the_largest_fails_with_a_reason(ordering, trader):
    """Few markets have such a limit."""
    trader.connector.trading_rules[PAIR].max_order_size = Decimal(5)
    reason = await ordering.fails(6, "99.50")
    assert reason == "The amount 6 is above the largest order of SOL-USDC, 5."


async def test_order_before_the_rules_are_loaded_fails_with_a_reason(exchange, start_trader):
    """Whoever does not wait for `ready` is told to."""
    with exchange.faults.server_error("GET /api/v1/markets", times=None):
        trader = await start_trader(exchange, ready=False)
        order_id = trader.connector.buy(PAIR, Decimal(1), LIMIT, Decimal("99.50"))
        await trader.done(order_id)
    assert trader.events.names(order_id) == ["Failure"]
    assert "trading rules are not loaded yet" in trader.events.why_failed(order_id)


async def test_market_order_before_the_book_is_loaded_fails_with_a_reason(
    exchange, start_trader, eventually
):
    """There is no price to reckon with."""
    with exchange.faults.server_error("GET /api/v1/depth", times=None):
        trader = await start_trader(exchange, ready=False)
        await eventually(lambda: trader.connector.trading_rules)
        order_id = trader.connector.buy(PAIR, Decimal(1), MARKET)
        await trader.done(order_id)
    assert "There is no price for SOL-USDC" in trader.events.why_failed(order_id)


async def test_off_grid_numbers_are_rounded_down_to_the_grid(trader, exchange, agree):
    """Price to the tick, amount to the step, never above what was asked for."""
    order_id = trader.connector.buy(PAIR, Decimal("1.23987"), LIMIT, Decimal("99.1278"))
    order = await trader.open(order_id)
    assert (order.amount, order.price) == (Decimal("1.23"), Decimal("99.12"))
    (true,) = exchange.engine.open_orders("main")
    assert (true.quantity, true.price) == (Decimal("1.23"), Decimal("99.12"))
    await agree(trader)


async def test_quantised_numbers_are_on_the_grid_of_every_market_and_never_too_large(trader):
    """As Hummingbot quantises with our rules: numbers of all magnitudes, in all open markets."""
    connector, dice = trader.connector, random.Random(7)
    assert len(connector.trading_rules) >= 50
    for pair, rule in connector.trading_rules.items():
        for exponent in range(-9, 7):
            number = Decimal(dice.randrange(1, 10**12)).scaleb(exponent - 12)
            amount = connector.quantize_order_amount(pair, number)
            price = connector.quantize_order_price(pair, number)
            assert 0 <= amount <= number
            assert 0 <= price <= number
            assert amount % rule.min_base_amount_increment == 0
            assert price % rule.min_price_increment == 0


async def test_tiny_ticks_are_sent_without_an_exponent(exchange, start_trader, agree, calls):
    """A price of 0.000000001 is those eleven characters on the wire, and a valid order."""
    trader = await start_trader(exchange, trading_pairs=["BONK-USDC"])
    order_id = trader.connector.buy("BONK-USDC", Decimal(1_000_000), LIMIT, Decimal("0.0000000019"))
    await trader.open(order_id)
    (call,) = calls.of(PLACE)
    assert b'"price":"0.000000001"' in call.body
    assert b'"quantity":"1000000"' in call.body
    await agree(trader)


# === sent as they are: the exchange's own refusals


def raw_order(**changes):
    return ExecuteOrder(
        **{
            "symbol": "SOL_USDC",
            "side": Side.BID,
            "order_type": WireOrderType.LIMIT,
            "price": Decimal("99.50"),
            "quantity": Decimal(1),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price": Decimal("99.501")}, "Price decimal too long"),
        ({"quantity": Decimal("1.001")}, "Quantity decimal too long"),
        ({"quantity": Decimal(0)}, "Quantity is below the minimum allowed value"),
        ({"symbol": "NOPE_USDC"}, "Invalid market symbol"),
    ],
)
async def test_raw_order_off_the_rules_is_a_typed_refusal(trader, agree, changes, said):
    """The error is definite, keeps the exchange's words and says what to check."""
    with pytest.raises(InvalidRequest) as refused:
        await trader.connector.rest.send(raw_order(**changes))
    assert refused.value.outcome is Outcome.REJECTED
    assert said in str(refused.value)
    assert "Check the trading pair, and price and amount" in str(refused.value)
    await agree(trader)


async def test_raw_cancel_of_nothing_says_where_to_look(trader):
    """An order that is not open is no reason to send anything again."""
    with pytest.raises(OrderNotFound, match="its end is in the order history"):
        await trader.connector.rest.send(CancelOrder(symbol="SOL_USDC", order_id="1"))


async def test_raw_book_of_a_closed_market_is_not_found(trader):
    """As recorded: 404, with a JSON body."""
    with pytest.raises(ResourceNotFound, match="Not Found"):
        await trader.connector.rest.send(GetDepth(symbol="HNT_USDC", limit=5))


# === markets


@pytest.mark.parametrize("pair", ["SOLL-USDC", "sol-usdc"])
async def test_misspelt_pair_fails_with_a_reason_and_a_hint(ordering, agree, trader, pair):
    """The message says that there is no such market, and offers what may have been meant."""
    reason = await ordering.fails(1, "99.50", pair=pair)
    assert f"{pair} is not a market of Backpack that is open for orders" in reason
    assert "Did you mean SOL-USDC" in reason
    await agree(trader)


async def test_closed_market_fails_with_a_reason(ordering):
    """HNT_USDC is listed, visible, and closed."""
    assert "or is closed or cancel-only" in await ordering.fails(1, "2.5", pair="HNT-USDC")


@pytest.mark.parametrize("bad", ["NOPE-USDC", "SOL_USDC"])
async def test_pair_that_cannot_be_followed_is_told_once_and_never_ready(
    quick_reconnects, exchange, start_trader, caplog, eventually, bad
):
    """The connector says which pair it is and goes on with the others, without tracebacks."""
    caplog.set_level(logging.DEBUG)
    trader = await start_trader(exchange, ready=False, trading_pairs=[PAIR, bad])
    connector = trader.connector
    await eventually(lambda: connector.order_books.get(PAIR))
    for connects in (2, 3, 4):
        exchange.faults.drop_websockets()
        await eventually(lambda wanted=connects: connector._orderbook_ds.stream.connects >= wanted)
    await eventually(lambda: connector.trading_rules and connector.get_balance("USDC"))

    assert not connector.ready
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert sum(f"{bad} is not a market of Backpack" in r.getMessage() for r in told) == 1
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    exchange.engine.set_level("SOL_USDC", Side.BID, Decimal(99), Decimal(5))
    book = connector.order_books[PAIR]
    await eventually(lambda: next(book.bid_entries(), None))


async def test_closed_pair_is_told_once_and_the_others_are_traded(
    quick_reconnects, exchange, start_trader, caplog, eventually
):
    """HNT_USDC is listed and closed: it has no book, and no other pair needs it."""
    caplog.set_level(logging.DEBUG)
    trader = await start_trader(exchange, trading_pairs=[PAIR, "HNT-USDC"])
    stream = trader.connector._orderbook_ds.stream
    for connects in (2, 3, 4):
        exchange.faults.drop_websockets()
        await eventually(lambda wanted=connects: stream.connects >= wanted)
        await trader.ready()

    told = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(told) == 1
    assert "HNT-USDC does not trade at the moment" in told[0]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    ("state", "order_type", "said"),
    [
        (OrderBookState.CLOSED, LIMIT, "Wait until the market is open again"),
        (OrderBookState.CANCEL_ONLY, LIMIT, "Wait until the market is open again"),
        (OrderBookState.LIMIT_ONLY, MARKET, "Only limit orders are accepted now"),
        (OrderBookState.POST_ONLY, LIMIT, "Only post only orders are accepted now"),
    ],
)
async def test_market_that_closes_while_trading_fails_with_the_exchanges_reason(
    ordering, exchange, agree, trader, state, order_type, said
):
    """The connector's rules are of half an hour ago; the refusal is told as it is."""
    resting_id = trader.connector.sell(PAIR, Decimal(1), LIMIT, Decimal("100.50"))
    await trader.open(resting_id)
    exchange.engine.set_order_book_state("SOL_USDC", state)

    assert said in await ordering.fails(1, "99.50", order_type, sent=1)

    trader.connector.cancel(PAIR, resting_id)  # what rests can always be cancelled
    await trader.done(resting_id)
    await agree(trader)


async def test_market_that_takes_limit_orders_only_refuses_market_orders_unsent(
    ordering, exchange, trader
):
    """Once the rules are loaded anew, nothing is sent."""
    exchange.engine.set_order_book_state("SOL_USDC", OrderBookState.LIMIT_ONLY)
    await trader.connector._update_trading_rules()
    reason = await ordering.fails(1, "NaN", MARKET)
    assert reason == "SOL-USDC accepts no market orders at the moment; use a limit order."


@pytest.mark.parametrize("state", [OrderBookState.CLOSED, OrderBookState.CANCEL_ONLY])
async def test_market_that_closed_is_no_longer_offered_and_its_orders_can_be_cancelled(
    ordering, exchange, trader, agree, state
):
    """Its rules are gone with the next look at the markets; what rests stays ours."""
    resting_id = trader.connector.sell(PAIR, Decimal(1), LIMIT, Decimal("100.50"))
    await trader.open(resting_id)
    exchange.engine.set_order_book_state("SOL_USDC", state)
    await trader.connector._update_trading_rules()
    assert PAIR not in trader.connector.trading_rules
    assert "or is closed or cancel-only" in await ordering.fails(1, "99.50")
    trader.connector.request_reconciliation()

    trader.connector.cancel(PAIR, resting_id)
    await trader.done(resting_id)
    assert trader.events.names(resting_id) == ["Created", "Cancelled"]
    await agree(trader)


# === clock


@pytest.mark.parametrize("seconds", [10, -10, 3600, -3600])
async def test_clock_that_is_off_is_corrected_from_the_start(
    exchange, start_trader, agree, seconds
):
    """The exchange's time is asked before the first signature."""
    with exchange.faults.clock_skew(seconds * 1000):
        trader = await start_trader(exchange)
        order_id = trader.connector.buy(PAIR, Decimal(1), LIMIT, Decimal("99.50"))
        await trader.open(order_id)
        assert trader.events.names(order_id) == ["Created"]
        await agree(trader)


@pytest.mark.parametrize(("seconds", "sent"), [(10, 2), (-10, 1)])
async def test_clock_that_jumps_while_trading_is_corrected_unseen(
    trader, exchange, agree, calls, seconds, sent
):
    """An order refused for its time is sent once more with the right one; one order comes of it.

    A time in the future is no reason for a refusal.
    """
    with exchange.faults.clock_skew(seconds * 1000):
        order_id = trader.connector.buy(PAIR, Decimal(1), LIMIT, Decimal("99.50"))
        await trader.open(order_id)
        assert trader.events.names(order_id) == ["Created"]
        assert calls.count(PLACE) == sent
        await agree(trader)


async def test_clock_that_jumps_during_an_outage_does_not_keep_the_stream_away(
    quick_reconnects, trader, exchange, agree
):
    """A subscription signed with the old time is refused; the time is asked anew."""
    with exchange.faults.clock_skew(60_000):
        exchange.faults.drop_websockets()
        order_id = trader.connector.buy(PAIR, Decimal(1), LIMIT, Decimal("99.50"))
        await trader.open(order_id)
        await trader.ready()
        await agree(trader)


async def test_clock_that_cannot_be_corrected_is_named_in_the_error(trader, exchange, ordering):
    """The exchange itself tells a wrong time: the order fails, and the message names the clock."""
    wrong = str(time.time_ns() // 1_000_000 + 3_600_000)
    with ExitStack() as faults:
        faults.enter_context(exchange.faults.answer(200, wrong, TIME, times=None))
        faults.enter_context(exchange.faults.clock_skew(60_000))
        reason = await ordering.fails(1, "99.50", sent=2)
        assert "The clock of this computer differs from the exchange's" in reason
        with pytest.raises(ClockSkewError, match="turn on automatic time"):
            await trader.connector._update_balances()
