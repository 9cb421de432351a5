"""The wire's vocabulary and Hummingbot's: pure functions, both ways."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import models, streams
from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.backpack_translation import (
    OrderReport,
    build_order,
    is_order_of,
    is_placed_by,
    report_of_event,
    report_of_history,
    report_of_order,
    to_trade_event,
    to_trading_rule,
    trade_update_of_event,
    trade_update_of_fill,
    wire_client_id,
)
from hummingbot.connector.exchange.backpack.backpack_utils import DEFAULT_FEES
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount

PAYLOADS = Path(__file__).parent / "api"
REST = json.loads((PAYLOADS / "rest_payloads.json").read_text())
STREAMS = json.loads((PAYLOADS / "stream_payloads.json").read_text())
LIMIT_ROW, MARKET_ROW = REST["ExecuteOrder"][:2]
PRIVATE = streams.frame_decoder(streams.PRIVATE_EVENTS)
PUBLIC = streams.frame_decoder(streams.PUBLIC_EVENTS)


def order_of(row, **changes):
    return msgspec.convert({**row, **changes}, models.Order, strict=False)


def historic(**changes):
    row = {**REST["GetOrderHistory"][0][0], **changes}
    return msgspec.json.decode(json.dumps(row), type=models.HistoricOrder, strict=False)


def event_of(name, decoder=PRIVATE, **changes):
    frame = STREAMS[name]
    return streams.parse_frame(json.dumps({**frame, "data": {**frame["data"], **changes}}), decoder)


def tracked(order_type=OrderType.LIMIT, trade_type=TradeType.BUY, amount="40", price="2.5001"):
    return InFlightOrder(
        client_order_id="HBOT-1",
        trading_pair="ABC-USDC",
        order_type=order_type,
        trade_type=trade_type,
        amount=Decimal(amount),
        price=Decimal(price),
        creation_timestamp=1_795_000_000,
    )


# === client ids


@given(st.text(), st.integers(0, 10))
def test_client_id_fits_the_wire_and_is_the_same_after_a_restart(client_order_id, attempt):
    """Between 1 and 2**32-1, computed from the order's id and the attempt alone."""
    client_id = wire_client_id(client_order_id, attempt)
    assert 1 <= client_id <= 2**32 - 1
    assert client_id == wire_client_id(client_order_id, attempt)


def test_client_ids_of_a_thousand_orders_differ():
    """Of orders numbered one by one, as of attempts of one order."""
    assert len({wire_client_id(f"HBOT-{n}") for n in range(1000)}) == 1000
    assert len({wire_client_id("HBOT-1", attempt) for attempt in range(100)}) == 100


def test_client_id_is_what_it_was_in_the_first_release():
    """A changed formula would lose the orders of a bot that is updated while they rest."""
    assert wire_client_id("HBOT-1") == 2_868_321_218
    assert wire_client_id("HBOT-1", 1) == 3_863_902_762


# === requests


@pytest.mark.parametrize(
    ("order_type", "wire_type", "price", "time_in_force", "post_only"),
    [
        (OrderType.LIMIT, "Limit", "2.5001", "GTC", None),
        (OrderType.LIMIT_MAKER, "Limit", "2.5001", "GTC", True),
        (OrderType.MARKET, "Market", None, None, None),
    ],
)
@pytest.mark.parametrize(("trade_type", "side"), [(TradeType.BUY, "Bid"), (TradeType.SELL, "Ask")])
def test_order_is_built_as_its_type_and_side_say(
    order_type, wire_type, price, time_in_force, post_only, trade_type, side
):
    """A market order has neither price nor time in force, only a maker order is post-only."""
    request = build_order(
        symbol="ABC_USDC",
        client_id=7,
        trade_type=trade_type,
        order_type=order_type,
        amount=Decimal("40.0"),
        price=Decimal("2.50010") if price else Decimal("NaN"),
    )
    assert request == ExecuteOrder(
        symbol="ABC_USDC",
        side=models.Side(side),
        order_type=models.OrderType(wire_type),
        client_id=7,
        quantity=Decimal(40),
        price=None if price is None else Decimal(price),
        time_in_force=None if time_in_force is None else models.TimeInForce(time_in_force),
        post_only=post_only,
    )


def test_order_may_take_back_lent_funds():
    """Only then is the field sent."""
    arguments = {
        "symbol": "ABC_USDC",
        "client_id": 7,
        "trade_type": TradeType.BUY,
        "order_type": OrderType.LIMIT,
        "amount": Decimal(1),
        "price": Decimal(2),
    }
    assert build_order(**arguments).auto_lend_redeem is None
    assert build_order(**arguments, redeem_lent=True).auto_lend_redeem is True


# === recognising orders


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"status": "PartiallyFilled", "executedQuantity": "3"}, True),
        ({"clientId": 8}, False),
        ({"clientId": None}, False),
        ({"symbol": "ABD_USDC"}, False),
        ({"side": "Ask"}, False),
        ({"quantity": "41"}, False),
        ({"price": "2.5002"}, False),
        ({"orderType": "Market"}, False),
    ],
)
def test_order_of_a_request_is_told_from_another_bots(changes, same):
    """Our client id alone proves nothing."""
    request = ExecuteOrder(
        symbol="ABC_USDC",
        side=models.Side.BID,
        order_type=models.OrderType.LIMIT,
        client_id=7,
        quantity=Decimal(40),
        price=Decimal("2.5001"),
    )
    assert is_placed_by(order_of({**LIMIT_ROW, "clientId": 7}, **changes), request) is same


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"orderType": "Market"}, False),
        ({"side": "Ask"}, False),
        ({"quantity": "40.1"}, False),
        ({"price": "2.51"}, False),
    ],
)
def test_order_of_a_tracked_order_has_its_side_amount_and_price(changes, same):
    """Anything else is somebody else's."""
    assert is_order_of(order_of(LIMIT_ROW, **changes), tracked()) is same


def test_market_order_is_recognised_without_a_price():
    """Hummingbot tracks it with no price or an estimated one; the exchange gives none."""
    row = order_of(MARKET_ROW)
    ours = tracked(OrderType.MARKET, TradeType.SELL, amount="0.5", price="NaN")
    assert row.side is models.Side.ASK
    assert is_order_of(row, ours)
    assert not is_order_of(row, tracked(OrderType.MARKET, TradeType.SELL, amount="0.6"))


# === trading rules


@pytest.mark.parametrize("market", known_markets(), ids=lambda market: market.symbol)
def test_trading_rule_holds_the_markets_filters(market):
    """Least amount, tick and step as they are; market orders only while the book is open."""
    rule = to_trading_rule(market)
    assert rule.min_order_size == market.filters.quantity.min_quantity
    assert rule.min_base_amount_increment == market.filters.quantity.step_size
    assert rule.min_price_increment == market.filters.price.tick_size
    assert rule.min_notional_size == 0
    assert rule.supports_market_orders is (market.order_book_state == "Open")
    assert rule.trading_pair.startswith(f"{market.base_symbol}-")


def test_trading_rule_has_the_largest_amount_where_there_is_one():
    """Most markets have none."""
    row = REST["GetMarket"][0]
    filters = {**row["filters"], "quantity": {**row["filters"]["quantity"], "maxQuantity": "500"}}
    limited = msgspec.convert({**row, "filters": filters}, models.Market, strict=False)
    unlimited = msgspec.convert(row, models.Market, strict=False)
    assert to_trading_rule(limited).max_order_size == 500
    assert to_trading_rule(unlimited).max_order_size > Decimal(10) ** 15


# === reports


@pytest.mark.parametrize(
    ("status", "executed", "reason", "state"),
    [
        ("New", "0", None, OrderState.OPEN),
        ("TriggerPending", "0", None, OrderState.OPEN),
        ("Triggered", "0", None, OrderState.OPEN),
        ("PartiallyFilled", "1", None, OrderState.PARTIALLY_FILLED),
        ("Filled", "40", None, OrderState.FILLED),
        ("Cancelled", "0", None, OrderState.CANCELED),
        ("Cancelled", "1", None, OrderState.CANCELED),
        ("TriggerFailed", "0", None, OrderState.FAILED),
        ("Expired", "0", "PriceImpact", OrderState.FAILED),
        ("Expired", "0", None, OrderState.FAILED),
        ("Expired", "1", "PriceImpact", OrderState.CANCELED),
        ("Expired", "0", "ImmediateOrCancel", OrderState.CANCELED),
    ],
)
def test_every_status_has_its_state(status, executed, reason, state):
    """What expired without a fill has failed; with one it ended like a cancelled order."""
    report = OrderReport(
        exchange_order_id="1",
        client_id=7,
        status=models.OrderStatus(status),
        executed_amount=Decimal(executed),
        timestamp_s=1.0,
        reason=reason,
    )
    assert report.state is state


def test_every_status_of_the_wire_is_mapped():
    """A status that is added to the wire must be given a meaning here."""
    for status in models.OrderStatus:
        report = OrderReport("1", 7, status, Decimal(0), 1.0)
        assert isinstance(report.state, OrderState)


def test_report_of_an_order_reply():
    """Creation time in seconds; cumulative amount in base units."""
    report = report_of_order(order_of(MARKET_ROW))
    assert report == OrderReport(
        exchange_order_id="70000000002",
        client_id=4_000_000_000,
        status=models.OrderStatus.FILLED,
        executed_amount=Decimal("0.5"),
        timestamp_s=1_795_000_000.123,
    )


def test_report_of_a_history_row():
    """Its naive date is UTC, and it says why an order expired."""
    report = report_of_history(historic())
    assert report == OrderReport(
        exchange_order_id="70000000009",
        client_id=7,
        status=models.OrderStatus.EXPIRED,
        executed_amount=Decimal(1),
        timestamp_s=1_794_995_998.25,
        reason="ImmediateOrCancel",
        is_immediate=True,
    )
    assert report_of_history(historic(executedQuantity=None)).executed_amount == 0


@pytest.mark.parametrize(
    ("name", "status", "executed", "reason"),
    [
        ("orderAccepted", "New", "0", None),
        ("orderFill", "PartiallyFilled", "10", None),
        ("orderCancelled", "Cancelled", "10", None),
        ("orderExpired", "Expired", "0", "ImmediateOrCancel"),
        ("orderExpired_other_spelling", "Expired", "0", "PRICE_BAND"),
        ("orderModified", "New", "0", None),
        ("triggerFailed", "TriggerFailed", "0", None),
    ],
)
def test_report_of_a_stream_event(name, status, executed, reason):
    """Engine time, from microseconds to seconds."""
    report = report_of_event(event_of(name))
    assert report.status == status
    assert report.executed_amount == Decimal(executed)
    assert report.reason == reason
    assert report.timestamp_s == 1_795_000_000.1234
    assert report.exchange_order_id == "70000000001"


def test_order_update_carries_why_an_order_expired():
    """Hummingbot's failure event shows this text."""
    update = report_of_history(historic(executedQuantity="0")).to_order_update(tracked())
    assert update.client_order_id == "HBOT-1"
    assert update.exchange_order_id == "70000000009"
    assert update.trading_pair == "ABC-USDC"
    assert update.update_timestamp == 1_794_995_998.25
    assert update.misc_updates == {
        "error_type": "OrderExpired",
        "error_message": "Backpack ended the order: ImmediateOrCancel",
    }
    assert report_of_order(order_of(LIMIT_ROW)).to_order_update(tracked()).misc_updates is None


# === fills


def test_fill_of_a_stream_event():
    """Fee from the received asset, seconds, and the quote amount as price times quantity."""
    update = trade_update_of_event(event_of("orderFill"), tracked(), DEFAULT_FEES)
    assert update.trade_id == "600000001"
    assert update.exchange_order_id == "70000000001"
    assert update.fill_timestamp == 1_795_000_000.1234
    assert (update.fill_price, update.fill_base_amount) == (Decimal("2.5001"), 10)
    assert update.fill_quote_amount == Decimal("25.001")
    assert not update.is_taker
    assert isinstance(update.fee, DeductedFromReturnsTradeFee)
    assert update.fee.flat_fees == [TokenAmount("ABC", Decimal("0.01"))]
    assert update.fee.percent == 0


def test_fill_of_a_history_row_is_the_same_fill():
    """Its trade id is the stream's, so that it counts once, whatever comes first."""
    row = msgspec.convert(
        {**REST["GetFills"][0][1], "tradeId": 600000001}, models.Fill, strict=False
    )
    from_history = trade_update_of_fill(row, tracked(), DEFAULT_FEES)
    from_stream = trade_update_of_event(event_of("orderFill"), tracked(), DEFAULT_FEES)
    assert from_history.trade_id == from_stream.trade_id
    assert from_history.fill_timestamp == 1_794_996_000.0
    assert from_history.fee.flat_fees == [TokenAmount("ABC", Decimal("0.0001"))]
    assert not from_history.is_taker


def test_fill_without_a_trade_id_is_known_by_its_content():
    """The same row twice has one id, another row another one."""
    rows = [
        msgspec.convert({**REST["GetFills"][0][1], **changes}, models.Fill, strict=False)
        for changes in ({}, {}, {"quantity": "0.2"})
    ]
    first, same, other = (
        trade_update_of_fill(row, tracked(), DEFAULT_FEES).trade_id for row in rows
    )
    assert first == same != other


@pytest.mark.parametrize(("is_buyer_maker", "kind"), [(True, "SELL"), (False, "BUY")])
def test_public_trade_has_the_takers_side_and_seconds(is_buyer_maker, kind):
    """Where the buyer rested, a seller took."""
    event = to_trade_event(event_of("trade", PUBLIC, m=is_buyer_maker), "ABC-USDC")
    assert event.type is TradeType[kind]
    assert event.timestamp == 1_795_000_000.1234
    assert (event.price, event.amount, event.trade_id) == (2.5001, 3.0, "500000002")
    assert event.trading_pair == "ABC-USDC"
    assert event.is_taker


def test_public_trade_without_engine_time_has_the_time_of_its_event():
    """The engine's time is documented as optional."""
    event = to_trade_event(event_of("trade", PUBLIC, T=None), "ABC-USDC")
    assert event.timestamp == 1_795_000_000.1235
