"""REST payloads: every kind decodes, every unit is what its name says, no state is guessed."""

import copy
import datetime
import enum
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import endpoints, models
from hummingbot.connector.exchange.backpack.api.errors import DecodeError
from hummingbot.connector.exchange.backpack.api.replies import parse_reply

naive = datetime.datetime.fromisoformat  # the exchange sends no zone

NOW_MS = 1_795_000_000_123
NOW_UTC = naive("2026-11-18 11:06:40.123")


@pytest.fixture
def decoded(requests, rest_payloads, as_sent):
    """Decode one of our own payloads by name of its endpoint."""

    def decode(name, index=0):
        return parse_reply(requests[name], 200, as_sent(rest_payloads[name][index]))

    return decode


def test_payloads_of_our_own_cover_every_endpoint(rest_payloads):
    """No operation is left without a fixture."""
    assert set(rest_payloads) == {endpoint.__name__ for endpoint in endpoints.ENDPOINTS}


def test_payloads_of_our_own_all_decode_to_the_declared_response(rest_payloads, requests, as_sent):
    """Decoding and encoding again is a fixed point of the endpoint's response type."""
    for name, bodies in rest_payloads.items():
        for body in bodies:
            result = parse_reply(requests[name], 200, as_sent(body))
            if name == "Ping":
                assert result == "pong"
                continue
            again = msgspec.json.decode(
                msgspec.json.encode(result), type=requests[name].response, strict=False
            )
            assert again == result, name


def test_status_in_maintenance_carries_the_message(decoded):
    """Both states of the exchange are told apart."""
    assert decoded("GetStatus").status is models.SystemStatus.OK
    maintenance = decoded("GetStatus", 1)
    assert (maintenance.status, maintenance.message) == (
        models.SystemStatus.MAINTENANCE,
        "Upgrade",
    )


def test_time_as_plain_digits_is_in_milliseconds(decoded):
    """The body is digits, no JSON object."""
    assert decoded("GetTime") == NOW_MS


def test_market_rules_have_decimals_and_absent_bands(decoded):
    """A spot market has neither an upper price nor margin functions."""
    market = decoded("GetMarket")
    price, quantity = market.filters.price, market.filters.quantity
    assert (price.tick_size, price.min_price, price.max_price) == (
        Decimal("0.0001"),
        Decimal("0.01"),
        None,
    )
    assert price.mean_mark_price_band == models.PriceBand(
        min_multiplier=Decimal("0.95"), max_multiplier=Decimal("1.05")
    )
    assert (quantity.min_quantity, quantity.step_size, quantity.max_quantity) == (
        Decimal("0.1"),
        Decimal("0.1"),
        None,
    )
    assert market.created_at_utc == naive("2026-03-04 05:06:07.891011")
    assert market.imf_function is None


def test_market_of_a_perpetual_has_funding_in_milliseconds_and_basis_points(decoded):
    """One hour is 3 600 000 ms; the funding bounds are basis points."""
    perpetual = decoded("GetMarkets")[1]
    assert perpetual.market_type is models.MarketType.PERP
    assert perpetual.funding_interval_ms == 3_600_000
    assert perpetual.funding_rate_upper_bound_bps == 150
    assert perpetual.funding_rate_lower_bound_bps == -150
    assert perpetual.filters.price.mean_premium_band == models.PremiumBand(
        tolerance_pct=Decimal("0.04")
    )
    assert perpetual.mmf_function == models.MarginFunction(
        base=Decimal("0.02"), factor=Decimal("0.00006"), type="sqrt"
    )


def test_market_with_a_tiny_tick_keeps_every_digit(decoded):
    """0.000000001 is not rounded, and a step may be far above one."""
    tiny = decoded("GetMarkets")[2].filters
    assert tiny.price.tick_size == Decimal("0.000000001")
    assert tiny.quantity.step_size == 10_000


@pytest.mark.parametrize(
    ("state", "accepts"),
    [
        ("Open", True),
        ("LimitOnly", True),
        ("PostOnly", True),
        ("Closed", False),
        ("CancelOnly", False),
        ("Haunted", False),
    ],
)
def test_order_book_state_decides_whether_orders_are_accepted(state, accepts):
    """A state that nobody knows yet accepts nothing."""
    assert models.OrderBookState(state).accepts_orders is accepts


def test_depth_is_in_microseconds_and_its_best_bid_comes_last(decoded):
    """Both sides ascend; the id is a number although it is sent as text."""
    depth = decoded("GetDepth")
    assert depth.timestamp_us == NOW_MS * 1000 + 456
    assert depth.last_update_id == 9_000_000_100
    assert depth.bids[-1] == models.DepthLevel(Decimal("2.5001"), Decimal(40))
    assert depth.asks[0] == models.DepthLevel(Decimal("2.5003"), Decimal(12))


def test_depth_with_a_row_type_of_the_caller_decodes_straight_to_it(
    requests, rest_payloads, as_sent
):
    """An order book gets its own rows without a second pass."""
    body = as_sent(rest_payloads["GetDepth"][0])
    depth = parse_reply(requests["GetDepth"], 200, body, response=models.Depth[tuple[float, float]])
    assert depth.asks[0] == (2.5003, 12.0)


def test_ticker_change_is_a_fraction_and_trades_a_number(decoded):
    """0.04175 is 4.175 percent; the count comes as text."""
    ticker = decoded("GetTicker")
    assert ticker == decoded("GetTickers")[0]
    change = ticker.price_change / ticker.first_price
    assert ticker.price_change_percent == change.quantize(Decimal("0.000001"))
    assert ticker.trades == 321
    assert (ticker.volume, ticker.quote_volume) == (Decimal("10000.1"), Decimal("25002.5"))


def test_trade_is_in_milliseconds_with_base_and_quote_quantities(decoded):
    """The quote quantity is price times base quantity."""
    trade = decoded("GetTrades")[0]
    assert trade.timestamp_ms == NOW_MS - 3
    assert trade.is_buyer_maker
    assert trade.quote_quantity == trade.price * trade.quantity


def test_kline_times_are_naive_and_empty_candles_have_no_prices(decoded):
    """Dates with a space are read; nothing is taken for local time."""
    traded, empty = decoded("GetKlines")
    assert traded.start_utc == naive("2026-11-18 10:00")
    assert traded.end_utc - traded.start_utc == datetime.timedelta(minutes=1)
    assert traded.start_utc.tzinfo is None
    assert traded.trades == 12
    assert (empty.open, empty.high, empty.low, empty.close) == (None, None, None, None)


def test_account_fees_are_basis_points_and_may_be_rebates(decoded):
    """Text becomes a number; a negative fee is paid to us."""
    account = decoded("GetAccount")
    assert account.spot_taker_fee_bps == Decimal("9.5")
    assert account.futures_maker_fee_bps == Decimal("-0.5")
    assert (account.limit_orders, account.leverage_limit) == (3, 5)


def test_capital_without_funds_is_empty_and_lent_funds_are_positive(decoded):
    """Assets at zero are absent; what is lent is in another reply."""
    assert decoded("GetCapital")["USDC"].available == Decimal("999.123456789")
    assert decoded("GetCapital")["ABC"].locked == 40
    assert decoded("GetCapital", 1) == {}
    assert models.Balance(available=Decimal(1), locked=Decimal(0)).staked == 0
    (lent,) = decoded("GetBorrowLendPositions")
    assert (lent.symbol, lent.net_quantity) == ("USDC", Decimal("250.5"))


def test_order_limit_is_in_milliseconds_and_without_quote_quantity(decoded):
    """The recorded shape of a resting order."""
    order = decoded("ExecuteOrder")
    assert order.created_at_ms == NOW_MS
    assert order.status is models.OrderStatus.NEW
    assert (order.price, order.quantity, order.quote_quantity) == (Decimal("2.5001"), 40, None)
    assert order.client_id is None
    assert order.reduce_only is None
    assert order.post_only


def test_order_market_has_no_price_and_is_not_post_only(decoded):
    """The keys are absent; what was spent is not what `quote_quantity` says."""
    order = decoded("ExecuteOrder", 1)
    assert (order.order_type, order.price, order.post_only) == (
        models.OrderType.MARKET,
        None,
        False,
    )
    assert order.client_id == 4_000_000_000
    assert order.executed_quote_quantity / order.executed_quantity == Decimal("2.5001")
    assert order.quote_quantity != order.executed_quote_quantity


def test_order_waiting_for_its_trigger_keeps_the_size_as_text(decoded):
    """A percentage of the position is a legal size."""
    order = decoded("ExecuteOrder", 3)
    assert order.status is models.OrderStatus.TRIGGER_PENDING
    assert (order.quantity, order.trigger_quantity, order.trigger_price) == (0, "80%", 3)


def test_order_cancelled_after_a_partial_fill_still_tells_the_fill(decoded):
    """The executed part must not be lost with the cancel."""
    order = decoded("CancelOrder")
    assert (order.status, order.executed_quantity) == (models.OrderStatus.CANCELLED, 10)


def test_batch_keeps_the_order_of_placed_and_refused(decoded):
    """One result for each order, told apart by `operation`."""
    placed, refused = decoded("ExecuteOrders")
    assert isinstance(placed, models.PlacedOrder)
    assert placed.created_at_ms == NOW_MS
    assert isinstance(refused, models.RefusedOrder)
    assert refused.code == "INSUFFICIENT_FUNDS"


def test_fill_time_is_naive_utc_and_its_client_id_a_number(decoded):
    """The client id comes as text, or not at all; so does the trade id."""
    sold, bought = decoded("GetFills")
    assert sold.timestamp_utc == NOW_UTC
    assert models.milliseconds(sold.timestamp_utc) == NOW_MS
    assert (sold.client_id, sold.trade_id, sold.fee_symbol) == (
        4_000_000_000,
        600_000_002,
        "USDC",
    )
    assert (bought.client_id, bought.trade_id, bought.fee_symbol) == (None, None, "ABC")
    assert (bought.is_maker, bought.side) == (True, models.Side.BID)


def test_historic_order_has_a_date_and_a_reason_of_expiry(decoded):
    """Unlike an open order: naive date, quote quantity on a limit order."""
    order = decoded("GetOrderHistory")[0]
    assert models.milliseconds(order.created_at_utc) == 1_794_995_998_250
    assert order.created_at_utc.tzinfo is None
    assert (order.status, order.expiry_reason) == (
        models.OrderStatus.EXPIRED,
        "ImmediateOrCancel",
    )
    assert order.quote_quantity == order.price * order.quantity


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_milliseconds_of_a_naive_date_returns_what_it_was_made_from(moment_ms):
    """No float error up to the year 2096, whatever the local time zone."""
    moment = naive("1970-01-01") + datetime.timedelta(milliseconds=moment_ms)
    assert models.milliseconds(moment) == moment_ms


@pytest.mark.parametrize(
    ("status", "is_terminal"),
    [
        ("New", False),
        ("PartiallyFilled", False),
        ("TriggerPending", False),
        ("Triggered", False),
        ("Filled", True),
        ("Cancelled", True),
        ("Expired", True),
        ("TriggerFailed", True),
    ],
)
def test_order_status_ends_an_order_only_in_the_terminal_states(status, is_terminal):
    """What ends an order is a matter of money."""
    assert models.OrderStatus(status).is_terminal is is_terminal


@pytest.mark.parametrize("status", ["Rejected", "Canceled", "NEW", "", "Unknown", None, 3])
@pytest.mark.parametrize("name", ["GetOrder", "GetOpenOrders", "GetOrderHistory", "ExecuteOrders"])
def test_order_with_an_unknown_status_does_not_decode(
    requests, rest_payloads, as_sent, name, status
):
    """An order state is never guessed."""
    payload = copy.deepcopy(rest_payloads[name][0])
    row = payload[0] if isinstance(payload, list) else payload
    row["status"] = status
    with pytest.raises(DecodeError):
        parse_reply(requests[name], 200, as_sent(payload))


@pytest.mark.parametrize("key", ["id", "symbol", "side", "status", "executedQuantity", "createdAt"])
def test_order_without_an_essential_field_does_not_decode(requests, rest_payloads, as_sent, key):
    """No default stands in for what an order is."""
    payload = copy.deepcopy(rest_payloads["GetOrder"][0])
    del payload[key]
    with pytest.raises(DecodeError):
        parse_reply(requests["GetOrder"], 200, as_sent(payload))


def test_market_of_an_unknown_type_and_state_is_listed_as_unknown(requests, rest_payloads, as_sent):
    """A new kind of market must not make all the others unreadable."""
    payload = copy.deepcopy(rest_payloads["GetMarkets"][0])
    payload[1] |= {"marketType": "LOTTERY", "orderBookState": "AuctionOnly"}
    first, changed, *_ = parse_reply(requests["GetMarkets"], 200, as_sent(payload))
    assert first.market_type is models.MarketType.SPOT
    assert changed.market_type is models.MarketType.UNKNOWN
    assert changed.order_book_state is models.OrderBookState.UNKNOWN


def test_unknown_keys_are_ignored_at_every_level(rest_payloads, requests, as_sent):
    """The exchange may add fields at any time."""

    def widen(value):
        if isinstance(value, dict):
            return {key: widen(item) for key, item in value.items()} | added
        return [widen(item) for item in value] if isinstance(value, list) else value

    added = {"addedLater": {"nested": [1, None]}}
    for name, bodies in rest_payloads.items():
        if name in {"GetCapital", "Ping", "GetTime", "GetDepth"}:
            continue  # its keys are assets; no objects; rows are lists
        for body in bodies:
            assert parse_reply(requests[name], 200, as_sent(widen(body))) == parse_reply(
                requests[name], 200, as_sent(body)
            )


def test_models_cannot_be_changed(decoded):
    """A reply is what the exchange said, for everyone who gets to see it."""

    def below(kind):
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    order = decoded("GetOrder")
    with pytest.raises(AttributeError, match="immutable"):
        order.status = models.OrderStatus.FILLED
    kinds = {models.DepthLevel, *below(models.Model)}
    assert all(kind.__struct_config__.frozen for kind in kinds)


def test_order_type_is_read_in_both_spellings_and_no_third(decoded):
    """REST says Limit, streams say LIMIT."""
    assert models.OrderType("LIMIT") is models.OrderType("Limit") is models.OrderType.LIMIT
    assert models.OrderType("MARKET") is models.OrderType("Market") is models.OrderType.MARKET
    with pytest.raises(ValueError, match="limit"):
        models.OrderType("limit")


# --- against the vendor's interface description ---------------------------------------------

SCHEMAS = {
    models.Market: ("Market",),
    models.PriceFilters: ("PriceFilter",),
    models.PriceBand: ("PriceBandMarkPrice",),
    models.PremiumBand: ("PriceBandMeanPremium",),
    models.QuantityFilters: ("QuantityFilter",),
    models.MarketFilters: ("OrderBookFilters",),
    models.Ticker: ("Ticker",),
    models.Trade: ("Trade",),
    models.Kline: ("Kline",),
    models.Account: ("AccountSummary",),
    models.Balance: ("Balance",),
    models.BorrowLendPosition: ("BorrowLendPositionWithMargin",),
    models.Order: ("LimitOrder", "MarketOrder"),
    models.PlacedOrder: ("LimitOrder", "MarketOrder"),
    models.HistoricOrder: ("Order",),
    models.Fill: ("OrderFill",),
    models.RefusedOrder: ("ApiErrorResponse",),
    models.Status: ("StatusAndMessage",),
}
RECORDED_BUT_NOT_DESCRIBED = {(models.Market, "rwaMarketType")}
OUR_NAMES = {"orderType"}  # the tag of the vendor's union of limit and market orders


@pytest.mark.parametrize("model", SCHEMAS, ids=lambda model: model.__name__)
def test_model_requires_only_what_the_vendor_promises(vendor, model):
    """What the vendor may leave out has a default, and every field exists in the description."""
    schemas = [vendor["components"]["schemas"][name] for name in SCHEMAS[model]]
    described = set().union(*(schema["properties"] for schema in schemas))
    promised = set.intersection(*(set(schema["required"]) for schema in schemas))
    for field in msgspec.structs.fields(model):
        name = field.encode_name
        if (model, name) in RECORDED_BUT_NOT_DESCRIBED or name in OUR_NAMES:
            continue
        assert name in described
        if field.required:
            assert name in promised


def test_model_decimals_are_the_vendors_decimals(vendor):
    """Money is a Decimal, and what is no number stays text."""
    for model, names in SCHEMAS.items():
        for name in names:
            properties = vendor["components"]["schemas"][name]["properties"]
            for field in msgspec.structs.fields(model):
                described = properties.get(field.encode_name, {})
                if described.get("format") == "decimal":
                    assert field.type in {Decimal, Decimal | None}, (model, field.name)


@pytest.mark.parametrize(
    ("ours", "schema", "additions"),
    [
        (models.Side, "Side", set()),
        (models.OrderType, "OrderTypeEnum", set()),
        (models.TimeInForce, "TimeInForce", set()),
        (models.SelfTradePrevention, "SelfTradePrevention", {"Allow"}),
        (models.OrderStatus, "OrderStatus", {"Triggered"}),
        (models.MarketType, "MarketType", {"UNKNOWN"}),
        (models.OrderBookState, "OrderBookState", {"Unknown"}),
        (models.SystemStatus, "Status", set()),
        (models.SortDirection, "SortDirection", set()),
        (models.FillType, "FillType", set()),
        (models.KlinePriceType, "KlinePriceType", set()),
    ],
)
def test_enumeration_has_every_value_of_the_vendor(vendor, ours, schema, additions):
    """Besides, only values that other sources have seen or that stand for the unknown."""
    assert issubclass(ours, enum.StrEnum)
    described = set(vendor["components"]["schemas"][schema]["enum"])
    assert {member.value for member in ours} == described | additions
