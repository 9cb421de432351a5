"""Topics, subscription frames and events."""

import copy
import datetime
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import models, streams
from hummingbot.connector.exchange.backpack.api.errors import (
    DecodeError,
    Outcome,
    Retry,
    SubscriptionRejected,
)

naive = datetime.datetime.fromisoformat  # the exchange sends no zone

PUBLIC = streams.frame_decoder(streams.PUBLIC_EVENTS)
PRIVATE = streams.frame_decoder(streams.PRIVATE_EVENTS)


@pytest.fixture
def event(frames, as_sent):
    """Decode one of our own frames by name."""

    def decode(name):
        private = frames[name]["stream"].startswith("account.")
        return streams.parse_frame(as_sent(frames[name]), PRIVATE if private else PUBLIC)

    return decode


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        (streams.depth_topic("ABC_USDC"), "depth.ABC_USDC"),
        (streams.depth_topic("ABC_USDC", "200ms"), "depth.200ms.ABC_USDC"),
        (streams.trade_topic("ABC_USDC"), "trade.ABC_USDC"),
        (streams.book_ticker_topic("ABC_USDC"), "bookTicker.ABC_USDC"),
        (streams.ticker_topic("ABC_USDC"), "ticker.ABC_USDC"),
        (streams.kline_topic("ABC_USDC", "1m"), "kline.1m.ABC_USDC"),
        (streams.ORDER_UPDATES, "account.orderUpdate"),
        (streams.BALANCE_UPDATES, "account.balanceUpdate"),
    ],
)
def test_topic_is_named_as_the_exchange_names_it(topic, name):
    """An unknown topic would be ignored in silence."""
    assert topic == name


def test_depth_windows_are_those_of_the_exchange():
    """Any other window is refused with code 4008."""
    assert streams.DEPTH_WINDOWS == ("200ms", "600ms", "1000ms")


def test_private_topics_are_those_of_the_account():
    """Only they need a signature."""
    topics = ["depth.ABC_USDC", "account.orderUpdate", "account.balanceUpdate", "trade.account."]
    assert streams.private_topics(topics) == ["account.orderUpdate", "account.balanceUpdate"]


def test_subscribe_frame_without_signature_has_method_and_topics_only(sample):
    """As the sample of a public subscription."""
    frame = streams.subscribe_frame(["depth.SOL_USDC", "trade.SOL_USDC"])
    assert json.loads(frame) == sample("ws_request_subscribe_public")


def test_subscribe_frame_with_signature_has_four_strings(sample):
    """As the sample of a private subscription."""
    expected = sample("ws_request_subscribe_private")
    frame = streams.subscribe_frame(expected["params"], expected["signature"])
    assert json.loads(frame) == expected


def test_unsubscribe_frame_differs_from_subscribe_in_its_method_only():
    """It is accepted with and without a signature."""
    for signature in (None, ["k", "s", "1", "5000"]):
        subscribe = json.loads(streams.subscribe_frame(["a", "b"], signature))
        unsubscribe = json.loads(streams.unsubscribe_frame(("a", "b"), signature))
        assert subscribe.pop("method") == "SUBSCRIBE"
        assert unsubscribe.pop("method") == "UNSUBSCRIBE"
        assert subscribe == unsubscribe
        assert ("signature" in subscribe) is (signature is not None)


def test_depth_diff_has_absolute_levels_and_its_span_of_updates(event):
    """Padded zero is zero."""
    diff = event("depth")
    assert (diff.first_update_id, diff.last_update_id) == (9_000_000_101, 9_000_000_101)
    assert diff.asks == [models.DepthLevel(Decimal("2.5003"), Decimal(0))]
    assert diff.bids == [models.DepthLevel(Decimal("2.5002"), Decimal("7.5"))]
    assert (diff.event_time_us, diff.engine_time_us) == (1795000000123500, 1795000000123400)
    assert event("depth_200ms").last_update_id == 9_000_000_140
    assert event("depth_empty").asks == event("depth_empty").bids == []


def test_depth_diff_with_a_row_type_of_the_caller_decodes_straight_to_it(frames, as_sent):
    """An order book gets its own rows without a second pass."""
    decoder = streams.frame_decoder(streams.DepthDiff[tuple[float, float]])
    diff = streams.parse_frame(as_sent(frames["depth_200ms"]), decoder)
    assert diff.asks == [(2.5003, 1.0), (2.5004, 2.0)]


def test_frame_decoder_of_the_same_events_is_made_once():
    """Making one is slow, and it happens once for each connection."""
    assert streams.frame_decoder(streams.PUBLIC_EVENTS) is PUBLIC


def test_public_trade_taker_side_follows_from_the_maker(event):
    """The buyer was the maker, so the taker sold."""
    trade = event("trade")
    assert (trade.price, trade.quantity) == (Decimal("2.5001"), 3)
    assert trade.taker_side is models.Side.ASK
    assert msgspec.structs.replace(trade, is_buyer_maker=False).taker_side is models.Side.BID


def test_book_ticker_is_read_as_recorded_and_as_documented(event):
    """The update id is a number or text; a side of an empty book is absent."""
    recorded, documented = event("bookTicker"), event("bookTicker_documented")
    assert recorded.last_update_id == documented.last_update_id == 9_000_000_101
    assert (recorded.ask_price, recorded.ask_quantity) == (Decimal("2.5003"), 12)
    assert (recorded.bid_price, recorded.bid_quantity) == (Decimal("2.5001"), 40)
    assert (documented.bid_price, documented.bid_quantity) == (None, None)


def test_ticker_has_base_and_quote_volume(event):
    """Small letter base, capital letter quote."""
    ticker = event("ticker")
    assert (ticker.volume, ticker.quote_volume) == (Decimal("10000.1"), Decimal("25002.5"))
    assert (ticker.first_price, ticker.last_price) == (Decimal("2.4"), Decimal("2.5002"))
    assert (ticker.high, ticker.low, ticker.trades) == (Decimal("2.6"), Decimal("2.39"), 321)


def test_kline_times_are_naive_utc(event):
    """Start and end, not the engine's time, under t and T."""
    kline = event("kline")
    assert kline.start_utc == naive("2026-11-18 10:00")
    assert kline.end_utc == naive("2026-11-18 10:01")
    assert (kline.open, kline.close) == (Decimal("2.5"), Decimal("2.5002"))
    assert (kline.high, kline.low) == (Decimal("2.51"), Decimal("2.49"))
    assert kline.is_closed


def test_kline_without_trades_has_neither_prices_nor_volume(event):
    """As recorded at the end of a minute in which nothing traded."""
    kline = event("kline_without_trades")
    assert (kline.open, kline.close, kline.volume, kline.trades) == (None, None, None, 0)


def test_mark_price_has_the_next_funding_in_milliseconds(event):
    """Everything else is in microseconds."""
    mark = event("markPrice")
    assert mark.next_funding_ms == 1_795_003_200_000
    assert mark.event_time_us // 1000 < mark.next_funding_ms
    assert mark.funding_rate == Decimal("-0.0000125")


def test_order_accepted_has_its_numbers_unpadded_and_no_client_id(event):
    """Padding is not part of a number; the key of the client id is absent."""
    accepted = event("orderAccepted")
    assert isinstance(accepted, streams.OrderAccepted)
    assert (accepted.price, accepted.quantity) == (Decimal("2.5001"), 40)
    assert accepted.quote_quantity == Decimal("100.004")
    assert accepted.client_id is None
    assert (accepted.post_only, accepted.reduce_only) == (True, False)
    assert accepted.order_type is models.OrderType.LIMIT
    assert accepted.origin == "USER"
    assert accepted.engine_time_us == 1_795_000_000_123_400


def test_order_of_a_strategy_has_the_strategy_id_as_a_number(event):
    """Documented as a bare number; an update of such an order must not be lost over it."""
    accepted = event("orderAccepted_strategy")
    assert accepted.strategy_id == 6_000_000_001
    assert accepted.related_order_id == "69999999999"
    assert accepted.client_id == 7


def test_order_filled_has_this_fill_and_the_sum_of_all(event):
    """Lower case this fill, z and Z cumulative, the fee with its asset."""
    fill = event("orderFill")
    assert isinstance(fill, streams.OrderFilled)
    assert (fill.trade_id, fill.client_id) == (600_000_001, 4_000_000_000)
    assert (fill.fill_quantity, fill.fill_price) == (10, Decimal("2.5001"))
    assert (fill.executed_quantity, fill.executed_quote_quantity) == (10, Decimal("25.001"))
    assert (fill.fee, fill.fee_symbol, fill.is_maker) == (Decimal("0.01"), "ABC", True)
    assert fill.status is models.OrderStatus.PARTIALLY_FILLED


def test_order_cancelled_still_tells_what_was_filled(event):
    """The executed part must not be lost with the cancel."""
    cancelled = event("orderCancelled")
    assert isinstance(cancelled, streams.OrderCancelled)
    assert (cancelled.status, cancelled.executed_quantity) == (models.OrderStatus.CANCELLED, 10)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("orderExpired", "ImmediateOrCancel"), ("orderExpired_other_spelling", "PRICE_BAND")],
)
def test_order_expired_tells_its_reason_under_either_key(event, name, reason):
    """Sources disagree on the key."""
    assert event(name).reason == reason
    assert event(name).status is models.OrderStatus.EXPIRED


def test_order_modified_and_triggers_are_told_apart(event):
    """Each event is a type of its own."""
    modified = event("orderModified")
    assert isinstance(modified, streams.OrderModified)
    assert modified.reduce_only
    placed = event("triggerPlaced")
    assert isinstance(placed, streams.TriggerPlaced)
    assert (placed.trigger_quantity, placed.trigger_price) == ("80%", 3)
    assert (placed.quantity, placed.trigger_by, placed.post_only) == (0, "LastPrice", None)
    failed = event("triggerFailed")
    assert isinstance(failed, streams.TriggerFailed)
    assert failed.status is models.OrderStatus.TRIGGER_FAILED
    assert (failed.order_type, failed.price) == (models.OrderType.MARKET, None)


def test_balance_update_is_absolute(event):
    """Available, locked and staked in units of the asset."""
    balance = event("balanceUpdate")
    assert (balance.asset, balance.available) == ("ABC", Decimal("12.5"))
    assert (balance.locked, balance.staked) == (40, Decimal("1.5"))


def test_balance_update_without_a_staked_part_has_none_staked(frames, as_sent):
    """The stream is undocumented, so what is not needed may be missing."""
    frame = copy.deepcopy(frames["balanceUpdate"])
    del frame["data"]["S"], frame["data"]["T"]
    balance = streams.parse_frame(as_sent(frame), PRIVATE)
    assert (balance.available, balance.staked) == (Decimal("12.5"), 0)


def test_events_cannot_be_changed(event):
    """An event is what the exchange said, for everyone who gets to see it."""
    for name in ("depth", "orderFill", "balanceUpdate"):
        with pytest.raises(AttributeError, match="immutable"):
            event(name).event_time_us = 0
    kinds = (*streams.PRIVATE_EVENTS.__args__, *streams.PUBLIC_EVENTS.__args__)
    assert all(
        getattr(kind, "__origin__", kind).__struct_config__.frozen
        for kind in (streams.Frame, streams.StreamFault, *kinds)
    )


@pytest.mark.parametrize("status", ["Rejected", "Canceled", "", None, 7])
def test_order_update_with_an_unknown_status_does_not_decode(frames, as_sent, status):
    """An order state is never guessed."""
    frame = copy.deepcopy(frames["orderAccepted"])
    frame["data"]["X"] = status
    with pytest.raises(DecodeError):
        streams.parse_frame(as_sent(frame), PRIVATE)


def test_order_update_keys_are_all_of_the_vendors_order_update(vendor, frames, as_sent):
    """Every key of the documented example is read, under its full name, in the documented type."""
    (page,) = (tag["description"] for tag in vendor["tags"] if tag["name"] == "Streams")
    example = page.split("## Order update")[1].split("```")[1]
    lines = [line.split("//")[0].strip().rstrip(",") for line in example.strip().splitlines()]
    documented = json.loads("{" + ",".join(lines[1:-1]) + "}")
    known = {
        field.encode_name
        for kind in (streams.OrderFilled, streams.OrderExpired)
        for field in msgspec.structs.fields(kind)
    }
    assert set(documented) <= known | {"e"}
    for kind in ("orderFill", "orderExpired", "orderAccepted"):
        streams.parse_frame(as_sent({"data": documented | {"e": kind}, "stream": "x"}), PRIVATE)


def test_frame_with_unknown_keys_is_read(frames, as_sent):
    """The exchange may add fields at any time, in the event and around it."""
    for frame in frames.values():
        if "data" not in frame:
            continue
        decoder = PRIVATE if frame["stream"].startswith("account.") else PUBLIC
        wider = {"data": frame["data"] | {"_": [{}]}, "stream": "x", "sequence": 5}
        assert streams.parse_frame(as_sent(wider), decoder) == streams.parse_frame(
            as_sent(frame), decoder
        )


@pytest.mark.parametrize("as_text", [False, True])
def test_frame_with_an_error_is_a_rejected_subscription(frames, as_sent, as_text):
    """With the code and the text of the exchange."""
    payload = as_sent(frames["error"])
    with pytest.raises(SubscriptionRejected, match=r"Invalid stream \(code 4006\)") as caught:
        streams.parse_frame(payload.decode() if as_text else payload, PUBLIC)
    assert (caught.value.code, caught.value.message) == (4006, "Invalid stream")
    assert (caught.value.outcome, caught.value.retry) == (Outcome.UNKNOWN, Retry.BACKOFF)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        "",
        b"pong",
        b"[]",
        b"{}",
        '{"id":1,"result":null}',
        b'{"data":null,"stream":"depth.ABC_USDC"}',
        b'{"data":{"e":"depth"},"stream":"depth.ABC_USDC"}',
        b'{"data":{"e":"somethingNew","E":1},"stream":"x"}',
        b'{"data":{"E":1},"stream":"x"}',
        b'{"error":{"code":"bad"}}',
        b"\xff",
        '"\ud800"',
        '{"data":null,"stream":"\ud800"}',
        b'{"later":' + b"[" * 200_000,
        '{"data":' * 100_000,
    ],
    ids=lambda payload: ascii(payload[:20]),
)
def test_frame_that_is_no_event_is_a_decode_error(payload):
    """Text or bytes, none of them gets past the types."""
    with pytest.raises(DecodeError) as caught:
        streams.parse_frame(payload, PUBLIC)
    assert isinstance(caught.value.payload, bytes)
    assert caught.value.what == "stream frame"


def test_frame_with_neither_event_nor_error_says_so():
    """Such as an acknowledgement, which the exchange does not send."""
    with pytest.raises(DecodeError, match=r"\(neither data nor error\)"):
        streams.parse_frame(b'{"id":1,"result":null}', PUBLIC)


def test_frame_of_the_other_connection_is_a_decode_error(frames, as_sent):
    """A private event does not decode as a public one, nor the other way round."""
    with pytest.raises(DecodeError):
        streams.parse_frame(as_sent(frames["orderFill"]), PUBLIC)
    with pytest.raises(DecodeError):
        streams.parse_frame(as_sent(frames["depth"]), PRIVATE)


@settings(max_examples=600, deadline=None)
@given(st.data(), st.booleans(), st.booleans())
def test_frame_mutated_in_any_way_gives_an_event_or_a_typed_error(
    draw_frame, mutate, data, as_text, private
):
    """Nothing else is raised; an event that is returned is one of the decoder's."""
    payload = mutate(data.draw, draw_frame(data.draw))
    if as_text:
        payload = payload.decode(errors="surrogateescape")
    try:
        event = streams.parse_frame(payload, PRIVATE if private else PUBLIC)
    except (DecodeError, SubscriptionRejected):
        return
    assert isinstance(event, streams.PRIVATE_EVENTS if private else streams.Event)


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text())
def test_frame_of_any_bytes_or_text_is_a_typed_error_at_worst(payload):
    """Even text that no encoder accepts."""
    with pytest.raises((DecodeError, SubscriptionRejected)):
        streams.parse_frame(payload, PUBLIC)
