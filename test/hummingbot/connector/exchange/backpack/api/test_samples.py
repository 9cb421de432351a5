"""Every sample of the exchange decodes, and every unit is what the recording shows.

A field name can say one unit and the wire another; only a recorded value tells.
"""

import datetime
from decimal import Decimal

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api import endpoints, models, streams
from hummingbot.connector.exchange.backpack.api.errors import SubscriptionRejected
from hummingbot.connector.exchange.backpack.api.replies import parse_reply

naive = datetime.datetime.fromisoformat  # the exchange sends no zone

MS, US = 1_000, 1_000_000

ORDER_UPDATES = {
    "ws_account_orderUpdate_accepted": streams.OrderAccepted,
    "ws_account_orderUpdate_cancelled": streams.OrderCancelled,
    "ws_account_orderUpdate_expired": streams.OrderExpired,
    "ws_account_orderUpdate_fill": streams.OrderFilled,
    "ws_account_orderUpdate_market_accepted": streams.OrderAccepted,
    "ws_account_orderUpdate_modified": streams.OrderModified,
    "ws_account_orderUpdate_triggerPlaced": streams.TriggerPlaced,
    "ws_account_orderUpdate_trigger_activated": streams.OrderAccepted,
    "ws_account_orderUpdate_trigger_cancelled": streams.OrderCancelled,
}
PRIVATE_EVENTS = ORDER_UPDATES | {
    "ws_account_balanceUpdate_lock": streams.BalanceUpdate,
    "ws_account_balanceUpdate_unlock": streams.BalanceUpdate,
}
PUBLIC_EVENTS = {
    "ws_bookTicker": streams.BookTicker,
    "ws_depth": streams.DepthDiff,
    "ws_depth_200ms": streams.DepthDiff,
    "ws_depth_200ms_older": streams.DepthDiff,
    "ws_depth_delete_level": streams.DepthDiff,
    "ws_depth_delete_level_perp": streams.DepthDiff,
    "ws_depth_empty": streams.DepthDiff,
    "ws_kline_1m_closed": streams.KlineUpdate,
    "ws_kline_2h_open": streams.KlineUpdate,
    "ws_markPrice": streams.MarkPriceUpdate,
    "ws_ticker": streams.TickerUpdate,
    "ws_trade": streams.PublicTrade,
    "ws_trade_buyer_maker": streams.PublicTrade,
}
STREAM_ERRORS = {"ws_error_4002": 4002, "ws_error_4003": 4003, "ws_error_4006": 4006}
STREAM_ERRORS |= {"ws_error_4008": 4008}
# Read by tests of their own: here, in test_signing, test_endpoints and test_streams.
READ_ELSEWHERE = {
    "requests_orders",
    "rest_DELETE_api_v1_order_accepted_202",
    "signing_strings",
    "ws_account_sequence_place_cancel",
    "ws_depth_sequence",
    "ws_request_subscribe_private",
    "ws_request_subscribe_public",
}
# Of operations and streams that the spot connector has no use for.
NOT_OURS = {
    "rest_GET_api_v1_assets",
    "rest_GET_api_v1_capital_collateral",
    "rest_GET_api_v1_fundingRates",
    "rest_GET_api_v1_fundingRates_unknown_symbol",
    "rest_GET_api_v1_markPrices",
    "rest_GET_api_v1_openInterest",
    "rest_GET_api_v1_position",
    "rest_GET_api_v1_position_empty",
    "rest_GET_wapi_v1_capital_deposit_address",
    "rest_GET_wapi_v1_capital_deposits",
    "rest_GET_wapi_v1_history_funding",
    "ws_account_positionUpdate",
    "ws_account_positionUpdate_initial",
}


@pytest.fixture
def reply(requests, sample, as_sent):
    """Decode a sample as the reply to a request."""

    def decode(name, endpoint):
        return parse_reply(requests[endpoint], 200, as_sent(sample(name)))

    return decode


@pytest.fixture
def event(sample, as_sent):
    """Decode a sample as a frame of the stream it comes from."""

    def decode(name):
        kinds = streams.PRIVATE_EVENTS if "_account_" in name else streams.PUBLIC_EVENTS
        return streams.parse_frame(as_sent(sample(name)), streams.frame_decoder(kinds))

    return decode


def test_samples_are_all_accounted_for(shared, sampled_replies):
    """A sample that is added later needs a test, or a reason to have none."""
    here = {file.stem for file in (shared / "samples").glob("*.json")}
    errors = {name for name in here if name.startswith("error_")}  # all read by test_errors
    events = {*PRIVATE_EVENTS, *PUBLIC_EVENTS, *STREAM_ERRORS}
    assert here == sampled_replies | events | errors | READ_ELSEWHERE | NOT_OURS


def test_sample_of_a_reply_decodes_to_the_declared_response(rest_sample, as_sent):
    """All of the reply is understood: encoding the result again gives the same values."""
    request, payload = rest_sample
    result = parse_reply(request, 200, as_sent(payload))
    if request.response is str:
        assert result == payload
        return
    assert (
        msgspec.json.decode(msgspec.json.encode(result), type=request.response, strict=False)
        == result
    )
    if isinstance(payload, list):
        assert len(result) == len(payload)


@pytest.mark.parametrize(
    ("name", "kind"), [*PRIVATE_EVENTS.items(), *PUBLIC_EVENTS.items()], ids=lambda value: value
)
def test_sample_of_a_frame_decodes_to_the_event_it_shows(event, sample, utc, name, kind):
    """The event has the right type, symbol and microseconds."""
    found = event(name)
    assert type(found) is kind
    data = sample(name)["data"]
    if kind is streams.BalanceUpdate:
        assert found.asset == data["a"]
    else:
        assert found.symbol == data["s"]
    assert found.event_time_us == data["E"]
    assert 2024 < utc(found.event_time_us, US).year < 2027
    if isinstance(data.get("T"), int):
        assert found.engine_time_us == data["T"]


@pytest.mark.parametrize(("name", "code"), STREAM_ERRORS.items())
@pytest.mark.parametrize("kinds", [streams.PRIVATE_EVENTS, streams.PUBLIC_EVENTS])
def test_sample_of_an_error_frame_is_a_rejected_subscription(sample, as_sent, name, code, kinds):
    """The socket stays open, so the frame itself has to be told apart."""
    with pytest.raises(SubscriptionRejected) as caught:
        streams.parse_frame(as_sent(sample(name)), streams.frame_decoder(kinds))
    assert caught.value.code == code
    assert caught.value.message == sample(name)["error"]["message"]


# --- units of the REST replies --------------------------------------------------------------


def test_time_sample_is_in_milliseconds(reply, utc):
    """The recording was made on 2026-09-01 at 17:52:31 UTC."""
    assert utc(reply("rest_GET_api_v1_time", "GetTime"), MS) == naive("2026-09-01 17:52:31.083")


def test_order_sample_creation_is_in_milliseconds(reply, utc):
    """The same order's history row gives the date in words."""
    order = reply("rest_POST_api_v1_order_limit_postonly_new", "ExecuteOrder")
    (row, _) = reply("rest_GET_wapi_v1_history_orders", "GetOrderHistory")
    assert order.id == row.id
    assert utc(order.created_at_ms, MS) == row.created_at_utc
    assert models.milliseconds(row.created_at_utc) == order.created_at_ms
    assert row.created_at_utc == naive("2026-09-01 17:54:04.094")


def test_order_sample_resting_has_the_numbers_of_the_recording(reply):
    """USDT_USDC, ask of 20 at 1.0077."""
    order = reply("rest_GET_api_v1_order_open", "GetOrder")
    assert (order.side, order.price, order.quantity) == (models.Side.ASK, Decimal("1.0077"), 20)
    assert order.post_only
    assert order == reply("rest_GET_api_v1_orders", "GetOpenOrders")[0]
    cancelled = reply("rest_DELETE_api_v1_order", "CancelOrder")
    assert msgspec.structs.replace(cancelled, status=order.status) == order


def test_order_sample_with_a_client_id_has_it_as_a_number(reply):
    """A JSON integer here."""
    order = reply("rest_GET_api_v1_order_open_with_client_id", "GetOrder")
    assert order.client_id == 123456789


@pytest.mark.parametrize(
    ("name", "executed", "spent", "nominal"),
    [
        ("market_spot_filled", "0.001", "4.42506", "4.43"),
        ("market_older", "0.001", "3.81428", "3.82"),
        ("market_perp_filled", "1", "0.8921", "0.8921"),
    ],
)
def test_order_sample_of_a_market_order_spent_the_executed_quote(
    reply, name, executed, spent, nominal
):
    """Base and quote are not mixed up: what was spent is the executed quote quantity."""
    order = reply(f"rest_POST_api_v1_order_{name}", "ExecuteOrder")
    assert order.status is models.OrderStatus.FILLED
    assert order.executed_quantity == Decimal(executed)
    assert order.executed_quote_quantity == Decimal(spent)
    assert order.quote_quantity == Decimal(nominal)
    assert order.price is None


def test_order_sample_waiting_for_a_trigger_has_its_size_apart(reply):
    """Quantity zero, the size in the trigger quantity."""
    order = reply("rest_POST_api_v1_order_trigger_limit", "ExecuteOrder")
    assert (order.quantity, order.trigger_quantity, order.trigger_price) == (0, "0.001", 4100)
    assert order.status is models.OrderStatus.TRIGGER_PENDING


def test_order_sample_self_trade_prevention_is_read(reply):
    """Another mode than the default."""
    order = reply("rest_POST_api_v1_order_limit_stp_rejectboth", "ExecuteOrder")
    assert order.self_trade_prevention is models.SelfTradePrevention.REJECT_BOTH


def test_cancel_sample_accepted_has_no_order_yet(requests, sample, as_sent):
    """202 and an empty body: keep polling."""
    content = sample("rest_DELETE_api_v1_order_accepted_202", whole=True)
    status, body = content["http_status"], as_sent(content["payload"])
    assert parse_reply(requests["CancelOrder"], status, body) is None


def test_history_sample_has_the_quote_value_of_a_limit_order(reply):
    """20 at 1.0077."""
    row = reply("rest_GET_wapi_v1_history_orders", "GetOrderHistory")[0]
    assert row.quote_quantity == Decimal("20.154") == row.price * row.quantity
    assert row.status is models.OrderStatus.CANCELLED


def test_fill_sample_fees_are_in_the_received_asset(reply, utc):
    """Base on a buy, quote on a sell, a tenth of a percent each; the date is UTC."""
    bought, sold, _ = reply("rest_GET_wapi_v1_history_fills", "GetFills")
    assert (bought.side, bought.fee_symbol) == (models.Side.BID, "ETH")
    assert bought.fee == bought.quantity * Decimal("0.001")
    assert (sold.side, sold.fee_symbol) == (models.Side.ASK, "USDC")
    assert sold.fee == sold.quantity * sold.price * Decimal("0.001")
    moment = naive("2025-08-13 17:26:01.197")
    assert bought.timestamp_utc == moment == utc(models.milliseconds(moment), MS)
    assert bought.trade_id == 2959284


def test_depth_sample_is_in_microseconds_and_ascending(reply, utc):
    """171 milliseconds after the recorded time of the exchange, best bid last."""
    depth = reply("rest_GET_api_v1_depth", "GetDepth")
    asked_ms = reply("rest_GET_api_v1_time", "GetTime")
    assert utc(depth.timestamp_us, US).year == 2026
    assert 0 < depth.timestamp_us - asked_ms * 1000 < US
    assert depth.last_update_id == 4324522523
    for side in (depth.asks, depth.bids):
        assert [level.price for level in side] == sorted(level.price for level in side)
    assert depth.bids[-1] == models.DepthLevel(Decimal("100.64"), Decimal("67.95"))
    assert depth.asks[0] == models.DepthLevel(Decimal("100.65"), Decimal("65.5"))


def test_trade_sample_is_in_milliseconds_and_newest_first(reply, utc):
    """Price in quote per base, quantity in base."""
    trades = reply("rest_GET_api_v1_trades", "GetTrades")
    assert utc(trades[0].timestamp_ms, MS) == naive("2026-09-01 17:52:03.140")
    assert [trade.id for trade in trades] == sorted((trade.id for trade in trades), reverse=True)
    assert all(trade.price * trade.quantity == trade.quote_quantity for trade in trades)


def test_kline_sample_is_asked_in_seconds_and_answered_in_naive_utc(reply, sample):
    """Asked from 1788281551 s on (16:52:31 UTC), the first candle starts at 16:52:00."""
    asked = sample("rest_GET_api_v1_klines", whole=True)["request"]
    request = endpoints.GetKlines(symbol="SOL_USDC", interval="1m", start_time_s=1788281551)
    assert asked.startswith("symbol=SOL_USDC&interval=1m&startTime=1788281551 ")
    assert dict(request.query())["startTime"] == "1788281551"
    first = reply("rest_GET_api_v1_klines", "GetKlines")[0]
    start = naive("2026-09-01 16:52")
    assert first.start_utc == start
    assert first.end_utc == start + datetime.timedelta(minutes=1)
    assert 1788281551 * 1000 - models.milliseconds(first.start_utc) == 31_000
    assert (first.volume, first.quote_volume, first.trades) == (
        Decimal("0.44"),
        Decimal("44.4554"),
        3,
    )


def test_ticker_sample_percent_is_a_fraction(reply):
    """-3.01 of 103.68 is -0.029032."""
    ticker = reply("rest_GET_api_v1_ticker", "GetTicker")
    assert ticker.price_change == ticker.last_price - ticker.first_price
    change = ticker.price_change / ticker.first_price
    assert ticker.price_change_percent == change.quantize(Decimal("0.000001"))
    average = ticker.quote_volume / ticker.volume
    assert ticker.low < average < ticker.high
    assert ticker.trades == 3872


def test_market_sample_has_naive_dates_and_no_funding_on_spot(reply):
    """The creation date has microseconds and no zone."""
    market = reply("rest_GET_api_v1_market", "GetMarket")
    assert market.created_at_utc == naive("2025-01-21 06:34:54.691858")
    assert market.funding_interval_ms is None
    assert market.filters.price.mean_premium_band is None


def test_market_samples_funding_interval_does_not_tell_a_perpetual(reply):
    """A spot market has one of eight hours: 28 800 000 ms."""
    bitcoin = reply("rest_GET_api_v1_markets_partial", "GetMarkets")[0]
    assert bitcoin.market_type is models.MarketType.SPOT
    assert bitcoin.funding_interval_ms == 8 * 3600 * MS


def test_account_sample_fees_are_basis_points(reply):
    """Ten basis points are the recorded taker rate of 0.10 percent."""
    account = reply("rest_GET_api_v1_account", "GetAccount")
    assert account.spot_taker_fee_bps / 10_000 == Decimal("0.001")
    assert (account.spot_maker_fee_bps, account.futures_maker_fee_bps) == (8, 2)


def test_capital_samples_are_in_units_of_the_asset(reply):
    """All digits are kept."""
    assert reply("rest_GET_api_v1_capital", "GetCapital")["USDT"].available == 30
    several = reply("rest_GET_api_v1_capital_multi", "GetCapital")
    assert several["USDC"].available == Decimal("112.847976936")
    assert set(several) == {"ETH", "POINTS", "USDC"}


def test_batch_sample_tells_placed_from_refused(reply):
    """In the order in which they were sent."""
    placed, refused = reply("rest_POST_api_v1_orders_batch", "ExecuteOrders")
    assert (placed.id, placed.status) == ("59669287267", models.OrderStatus.NEW)
    assert refused.code == "INSUFFICIENT_FUNDS"


# --- units of the streams -------------------------------------------------------------------


def test_depth_samples_of_one_stream_follow_each_other(sample, as_sent):
    """U of the second is u of the first plus one."""
    decoder = streams.frame_decoder(streams.PUBLIC_EVENTS)
    first, second = (
        streams.parse_frame(as_sent(frame), decoder) for frame in sample("ws_depth_sequence")
    )
    assert second.first_update_id == first.last_update_id + 1


def test_depth_samples_show_levels_removals_and_spans(event, utc):
    """Padded zero removes; an aggregated diff covers several ids; an empty one takes one."""
    diff = event("ws_depth")
    assert diff.asks == [models.DepthLevel(Decimal("98.97"), Decimal("22.39"))]
    assert utc(diff.event_time_us, US) == naive("2026-09-02 16:43:50.247494")
    assert event("ws_depth_delete_level").asks[0].quantity == 0
    assert event("ws_depth_delete_level_perp").bids[0].quantity == 0
    aggregated = event("ws_depth_200ms")
    assert aggregated.last_update_id - aggregated.first_update_id == 42
    empty = event("ws_depth_empty")
    assert (empty.asks, empty.bids) == ([], [])
    assert empty.first_update_id == empty.last_update_id


def test_book_ticker_sample_has_prices_and_quantities_of_both_sides(event):
    """Its update id equals that of the depth frame of the same moment."""
    ticker = event("ws_bookTicker")
    assert (ticker.ask_price, ticker.ask_quantity) == (Decimal("98.97"), Decimal("22.39"))
    assert (ticker.bid_price, ticker.bid_quantity) == (Decimal("98.96"), Decimal("288.77"))
    assert ticker.last_update_id == event("ws_depth").last_update_id


@pytest.mark.parametrize(
    ("name", "taker"),
    [("ws_trade", models.Side.BID), ("ws_trade_buyer_maker", models.Side.ASK)],
)
def test_trade_samples_taker_has_the_newer_order(event, name, taker):
    """The order that came later, with the greater id, took liquidity."""
    trade = event(name)
    newer = max(trade.buyer_order_id, trade.seller_order_id, key=int)
    assert trade.taker_side is taker
    assert newer == (trade.buyer_order_id if taker is models.Side.BID else trade.seller_order_id)


def test_ticker_frame_sample_has_base_and_quote_volume(event):
    """Their quotient is a price of the day."""
    ticker = event("ws_ticker")
    assert ticker.low < ticker.quote_volume / ticker.volume < ticker.high
    assert (ticker.first_price, ticker.last_price) == (Decimal("100.87"), Decimal("98.98"))
    assert ticker.trades == 6796


def test_kline_frame_samples_have_naive_utc_times(event, utc):
    """The closing frame comes half a second after the end of its minute."""
    closed = event("ws_kline_1m_closed")
    assert closed.is_closed
    assert closed.end_utc == naive("2026-09-02 16:45")
    late = utc(closed.event_time_us, US) - closed.end_utc
    assert datetime.timedelta(0) < late < datetime.timedelta(seconds=1)
    running = event("ws_kline_2h_open")
    assert not running.is_closed
    assert running.end_utc - running.start_utc == datetime.timedelta(hours=2)
    assert running.volume == Decimal("62.2621")


def test_mark_price_sample_mixes_microseconds_and_milliseconds(event, utc):
    """The next funding is on the hour, in milliseconds; the event in microseconds."""
    mark = event("ws_markPrice")
    assert utc(mark.event_time_us, US).hour == 16
    assert utc(mark.next_funding_ms, MS) == naive("2026-09-02 17:00")
    assert (mark.mark_price, mark.index_price) == (Decimal("98.94"), Decimal("98.94998504"))
    assert mark.funding_rate == Decimal("0.0000125")


def test_fill_frame_sample_has_the_fee_in_the_received_asset(event):
    """A buy pays a tenth of a percent in base units; cumulative and single quantities agree."""
    fill = event("ws_account_orderUpdate_fill")
    assert (fill.trade_id, fill.is_maker, fill.fee_symbol) == (2888471, False, "ETH")
    assert fill.fee == fill.fill_quantity * Decimal("0.001")
    assert fill.executed_quantity == fill.fill_quantity == Decimal("0.001")
    assert fill.executed_quote_quantity == fill.fill_quantity * fill.fill_price
    assert fill.order_type is models.OrderType.MARKET
    assert fill.status is models.OrderStatus.FILLED


def test_order_frame_samples_without_a_client_id_have_none(event):
    """The key is absent, the trade id null."""
    accepted = event("ws_account_orderUpdate_accepted")
    assert accepted.client_id is None
    assert (accepted.price, accepted.quantity) == (Decimal("1.0076"), 20)
    assert accepted.quote_quantity == accepted.price * accepted.quantity
    assert accepted.post_only
    assert not accepted.reduce_only


def test_order_frame_sample_expired_tells_the_reason(event):
    """Immediate-or-cancel here."""
    expired = event("ws_account_orderUpdate_expired")
    assert expired.reason == "ImmediateOrCancel"
    assert expired.time_in_force is models.TimeInForce.IOC


def test_order_frame_samples_of_triggers_keep_their_size_as_text(event):
    """Also as a percentage of the position."""
    assert event("ws_account_orderUpdate_triggerPlaced").trigger_quantity == "20.03"
    cancelled = event("ws_account_orderUpdate_trigger_cancelled")
    assert (cancelled.trigger_quantity, cancelled.trigger_by) == ("80%", "LastPrice")


def test_private_sample_sequence_locks_and_frees_the_funds(sample, as_sent):
    """Accepted, locked, cancelled, free: in the recorded order, microseconds apart."""
    decoder = streams.frame_decoder(streams.PRIVATE_EVENTS)
    accepted, locked, cancelled, freed = (
        streams.parse_frame(as_sent(frame), decoder)
        for frame in sample("ws_account_sequence_place_cancel")
    )
    assert accepted.order_id == cancelled.order_id
    assert (locked.available, locked.locked) == (10, accepted.quantity)
    assert (freed.available, freed.locked) == (30, 0)
    assert 0 < locked.event_time_us - accepted.event_time_us < 1_000
    assert cancelled.status is models.OrderStatus.CANCELLED
