"""What the exchange writes, to the letter: by our own examples and by everything recorded."""

import json
from decimal import Decimal

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api import models, streams
from hummingbot.connector.exchange.backpack.api.models import (
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    milliseconds,
)
from hummingbot.connector.exchange.backpack.simulator import wire, wire_account, wire_streams
from hummingbot.connector.exchange.backpack.simulator.events import (
    BalanceEvent,
    BookTickerEvent,
    DepthEvent,
    FillRecord,
    OrderEvent,
    OrderEventKind,
    OrderRecord,
    TradeEvent,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.statistics import Candle, TickerFigures

T_US = 1_788_285_244_094_123
MARKETS = {market.symbol: market for market in known_markets()}
SOL = MARKETS["SOL_USDC"]
PAD = wire_streams.Padding(SOL)


def dec(text):
    return None if text is None else Decimal(text)


def record(**more):
    """An order as the engine keeps it, resting unless told otherwise."""
    values = {
        "order_id": 60000000001,
        "account_id": "main",
        "symbol": "SOL_USDC",
        "side": Side.BID,
        "order_type": OrderType.LIMIT,
        "created_at_us": T_US,
        "updated_at_us": T_US,
        "price": Decimal("100.50"),
        "quantity": Decimal("2.00"),
    }
    return OrderRecord(**(values | more))


def as_bytes(payload):
    return json.dumps(payload, separators=(",", ":")).encode()


# --- numbers and times ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.500", "1.5"),
        ("20", "20"),
        ("100", "100"),
        ("0.00", "0"),
        ("-0.00", "0"),
        ("-0.029032", "-0.029032"),
        ("1E-9", "0.000000001"),
        ("1E+4", "10000"),
        ("1234567890123456.789012345678", "1234567890123456.789012345678"),
    ],
)
def test_number_has_no_padding_and_no_exponent(value, text):
    assert wire.number(Decimal(value)) == text


@pytest.mark.parametrize(
    ("increment", "count"), [("0.01", 2), ("0.10", 1), ("1", 0), ("10000", 0), ("1E-9", 9)]
)
def test_decimals_of_a_tick(increment, count):
    assert wire.decimals(Decimal(increment)) == count


def test_times_have_their_forms():
    assert wire.naive_iso(1_788_285_244_094_999) == "2026-09-01T17:54:04.094"
    assert wire.naive_iso(1_788_285_244_000_999) == "2026-09-01T17:54:04"
    assert wire.spaced(1_788_285_240) == "2026-09-01 17:54:00"


# --- REST ---


def test_limit_order_has_price_and_no_quote_quantity():
    row = wire_account.order(record(client_id=7, post_only=True), SOL)

    assert list(row) == sorted(row)
    assert row["createdAt"] == 1_788_285_244_094
    assert (row["id"], row["clientId"]) == ("60000000001", 7)
    assert (row["price"], row["quantity"], row["postOnly"]) == ("100.5", "2", True)
    assert row["reduceOnly"] is None
    assert "quoteQuantity" not in row


def test_market_order_has_quote_quantity_and_no_price():
    filled = record(
        order_type=OrderType.MARKET,
        status=OrderStatus.FILLED,
        price=None,
        quantity=Decimal("0.03"),
        executed_quantity=Decimal("0.03"),
        executed_quote_quantity=Decimal("3.0142"),
    )
    row = wire_account.order(filled, SOL)

    assert list(row) == sorted(row)
    assert not {"price", "postOnly"} & set(row)
    assert (row["executedQuoteQuantity"], row["quoteQuantity"]) == ("3.0142", "3.02")
    assert (row["timeInForce"], row["orderType"]) == ("GTC", "Market")


def test_market_order_by_quote_amount_tells_what_it_bought():
    filled = record(
        order_type=OrderType.MARKET,
        price=None,
        quantity=None,
        quote_quantity=Decimal(100),
        executed_quantity=Decimal("0.99"),
        executed_quote_quantity=Decimal("99.65"),
    )
    row = wire_account.order(filled, SOL)

    assert (row["quantity"], row["quoteQuantity"]) == ("0.99", "100")


def test_historic_row_has_both_amounts_and_an_iso_time():
    row = wire_account.historic_order(record(expiry_reason="ImmediateOrCancel"), SOL)

    assert list(row) == sorted(row)
    assert row["createdAt"] == "2026-09-01T17:54:04.094"
    assert (row["quoteQuantity"], row["price"]) == ("201", "100.5")
    assert row["expiryReason"] == "ImmediateOrCancel"
    assert not {"reduceOnly", "relatedOrderId", "triggeredAt"} & set(row)


def test_client_id_is_text_in_fills_and_a_number_in_orders():
    row = wire_account.fill(fill(client_id=7))

    assert row["clientId"] == "7"
    assert wire_account.order(record(client_id=7), SOL)["clientId"] == 7
    assert wire_account.historic_order(record(client_id=7), SOL)["clientId"] == 7


def fill(**more):
    values = {
        "trade_id": 2959284,
        "order_id": 60000000001,
        "account_id": "main",
        "symbol": "SOL_USDC",
        "side": Side.BID,
        "price": Decimal("100.50"),
        "quantity": Decimal("0.10"),
        "fee": Decimal("0.0001000"),
        "fee_symbol": "SOL",
        "is_maker": False,
        "time_us": T_US,
    }
    return FillRecord(**(values | more))


def test_batch_rows_tell_their_operation():
    assert wire_account.batch_placed(record(), SOL)["operation"] == "Ok"
    assert wire_account.batch_refused("INSUFFICIENT_FUNDS", "Insufficient funds") == {
        "operation": "Err",
        "code": "INSUFFICIENT_FUNDS",
        "message": "Insufficient funds",
    }


def test_account_and_balances_have_their_shape():
    row = wire_account.account((Decimal(8), Decimal("10.0")), 3)
    assert (row["spotMakerFee"], row["spotTakerFee"], row["limitOrders"]) == ("8", "10", 3)
    assert list(row) == sorted(row)

    funds = {"USDC": (Decimal("1.50"), Decimal(0)), "SOL": (Decimal(0), Decimal(0))}
    assert wire_account.balances(funds) == {
        "USDC": {"available": "1.5", "locked": "0", "staked": "0"}
    }


def test_collateral_counts_what_has_a_price():
    funds = {"USDC": (Decimal(10), Decimal(5)), "SOL": (Decimal(1), Decimal(0))}
    row = wire_account.collateral(funds, {"USDC": Decimal(1), "SOL": Decimal(100)})

    assert (row["netEquity"], row["netEquityAvailable"], row["netEquityLocked"]) == (
        "115",
        "110",
        "5",
    )
    assert row["marginFraction"] is None
    assert row["imf"] == "1"


# --- streams ---


def test_order_update_pads_and_leaves_out():
    event = OrderEvent(kind=OrderEventKind.ACCEPTED, order=record(), time_us=T_US)
    data = json.loads(wire_streams.order_update(event, SOL, PAD, T_US + 5))

    assert list(data) == sorted(data)
    assert (data["p"], data["q"], data["Q"]) == ("100.50", "2.00", "201.0000")
    assert (data["z"], data["Z"]) == ("0", "0")
    assert (data["E"], data["T"]) == (T_US + 5, T_US)
    assert data["t"] is None
    assert data["o"] == "LIMIT"
    assert not {"c", "y", "R", "l", "L", "m", "n", "N"} & set(data)


def test_order_update_of_a_fill_tells_all_of_it():
    order = record(
        client_id=4_294_967_295,
        post_only=True,
        status=OrderStatus.PARTIALLY_FILLED,
        executed_quantity=Decimal("0.10"),
        executed_quote_quantity=Decimal("10.050"),
    )
    event = OrderEvent(kind=OrderEventKind.FILL, order=order, time_us=T_US, fill=fill())
    data = json.loads(wire_streams.order_update(event, SOL, PAD, T_US))

    assert list(data) == sorted(data)
    assert (data["l"], data["L"], data["n"], data["N"]) == ("0.10", "100.50", "0.0001", "SOL")
    assert (data["z"], data["Z"], data["X"]) == ("0.10", "10.0500", "PartiallyFilled")
    assert (data["t"], data["m"], data["c"], data["y"]) == (2959284, False, 4_294_967_295, True)


def test_order_update_of_an_expiry_has_its_reason():
    order = record(status=OrderStatus.EXPIRED, expiry_reason="ImmediateOrCancel")
    event = OrderEvent(kind=OrderEventKind.EXPIRED, order=order, time_us=T_US)

    assert json.loads(wire_streams.order_update(event, SOL, PAD, T_US))["R"] == "ImmediateOrCancel"


def test_book_ticker_of_a_one_sided_book_has_no_keys_for_the_empty_side():
    event = BookTickerEvent(
        symbol="SOL_USDC", last_update_id=5, bid=None, ask=(Decimal(1), Decimal(2)), time_us=T_US
    )
    data = json.loads(wire_streams.book_ticker(event, PAD, T_US))

    assert (data["a"], data["A"]) == ("1.00", "2.00")
    assert not {"b", "B"} & set(data)


def test_frames_and_errors_have_their_envelopes():
    assert (
        wire_streams.envelope(b"{}", "depth.SOL_USDC") == b'{"data":{},"stream":"depth.SOL_USDC"}'
    )
    assert json.loads(wire_streams.error_frame(4006, "Invalid stream")) == {
        "id": None,
        "error": {"code": 4006, "message": "Invalid stream"},
    }


# --- against the recordings ---


def test_every_recorded_market_is_written_as_it_was_read(shared):
    recorded = json.loads((shared / "recordings" / "markets.json").read_text())
    for row in recorded:
        written = json.loads(
            wire.encode(wire.market(msgspec.convert(row, models.Market, strict=False)))
        )
        if row["filters"]["price"]["discoveryBoundBand"] is not None:
            written["filters"]["price"].pop("discoveryBoundBand")
            row["filters"]["price"].pop("discoveryBoundBand")
        assert written == row
        assert list(written) == sorted(written)
        assert list(written["filters"]["price"]) == sorted(written["filters"]["price"])


def test_recorded_orders_are_written_as_they_were_read(sample):
    rows = [
        sample("rest_POST_api_v1_order_limit_postonly_new"),
        sample("rest_DELETE_api_v1_order"),
        sample("rest_GET_api_v1_order_open_with_client_id"),
        sample("rest_POST_api_v1_order_limit_stp_rejectboth"),
        sample("rest_POST_api_v1_order_market_spot_filled"),
        sample("rest_POST_api_v1_order_market_older"),
    ]
    for row in rows:
        written = wire_account.order(
            record_of(row, row["createdAt"] * 1000), MARKETS[row["symbol"]]
        )
        assert as_bytes(written) == as_bytes(dict(sorted(row.items())))


def test_recorded_history_rows_are_written_as_they_were_read(sample):
    for row in sample("rest_GET_wapi_v1_history_orders"):
        moment = msgspec.convert(row, models.HistoricOrder, strict=False).created_at_utc
        kept = record_of(row, milliseconds(moment) * 1000)
        kept.quote_quantity = None  # of a limit order it is computed
        written = wire_account.historic_order(kept, MARKETS[row["symbol"]])
        assert as_bytes(written) == as_bytes(dict(sorted(row.items())))


def record_of(row, created_at_us):
    """The order that the engine would have to keep for this reply."""
    return OrderRecord(
        order_id=int(row["id"]),
        account_id="main",
        symbol=row["symbol"],
        side=Side(row["side"]),
        order_type=OrderType(row["orderType"]),
        created_at_us=created_at_us,
        updated_at_us=created_at_us,
        status=OrderStatus(row["status"]),
        price=dec(row.get("price")),
        quantity=dec(row["quantity"]),
        quote_quantity=dec(row.get("quoteQuantity")),
        executed_quantity=Decimal(row["executedQuantity"]),
        executed_quote_quantity=Decimal(row["executedQuoteQuantity"]),
        post_only=bool(row.get("postOnly")),
        self_trade_prevention=SelfTradePrevention(row["selfTradePrevention"]),
        client_id=row["clientId"],
        expiry_reason=row.get("expiryReason"),
    )


def test_recorded_fills_are_written_as_they_were_read(sample):
    for row in sample("rest_GET_wapi_v1_history_fills"):
        moment = msgspec.convert(row, models.Fill, strict=False).timestamp_utc
        kept = FillRecord(
            trade_id=row["tradeId"],
            order_id=int(row["orderId"]),
            account_id="main",
            symbol=row["symbol"],
            side=Side(row["side"]),
            price=Decimal(row["price"]),
            quantity=Decimal(row["quantity"]),
            fee=Decimal(row["fee"]),
            fee_symbol=row["feeSymbol"],
            is_maker=row["isMaker"],
            time_us=milliseconds(moment) * 1000,
        )
        assert as_bytes(wire_account.fill(kept)) == as_bytes(dict(sorted(row.items())))


def test_recorded_public_bodies_are_written_as_they_were_read(shared):
    def recorded(name):
        return json.loads((shared / "recordings" / name).read_text())

    body = recorded("depth.json")
    bids, asks = ([(Decimal(p), Decimal(q)) for p, q in body[side]] for side in ("bids", "asks"))
    written = wire.depth(bids, asks, int(body["lastUpdateId"]), body["timestamp"])
    assert wire.encode(written) == as_bytes(body)

    for row in recorded("trades.json"):
        event = TradeEvent(
            symbol="SOL_USDC",
            trade_id=row["id"],
            price=Decimal(row["price"]),
            quantity=Decimal(row["quantity"]),
            buyer_order_id=1,
            seller_order_id=2,
            is_buyer_maker=row["isBuyerMaker"],
            time_us=row["timestamp"] * 1000 + 999,
        )
        assert as_bytes(wire.trade(event)) == as_bytes(row)

    for row in recorded("tickers.json"):
        figures = TickerFigures(
            symbol=row["symbol"],
            first_price=Decimal(row["firstPrice"]),
            last_price=Decimal(row["lastPrice"]),
            high=Decimal(row["high"]),
            low=Decimal(row["low"]),
            volume=Decimal(row["volume"]),
            quote_volume=Decimal(row["quoteVolume"]),
            trades=int(row["trades"]),
        )
        assert as_bytes(wire.ticker(figures)) == as_bytes(row)

    for row in recorded("klines.json"):
        kline = msgspec.convert(row, models.Kline, strict=False)
        candle = Candle(
            start_s=milliseconds(kline.start_utc) // 1000,
            end_s=milliseconds(kline.end_utc) // 1000,
            open=kline.open,
            high=kline.high,
            low=kline.low,
            close=kline.close,
            volume=kline.volume,
            quote_volume=kline.quote_volume,
            trades=kline.trades,
        )
        assert as_bytes(wire.kline(candle)) == as_bytes(row)


def test_every_recorded_frame_is_written_as_it_was_read(shared):
    counted = {}
    for line in (shared / "recordings" / "sol_usdc_2026-09-02.jsonl").read_bytes().splitlines():
        frame = json.loads(line)
        kind = frame["data"]["e"]
        if kind in WRITERS:
            data = WRITERS[kind](frame["data"])
            assert wire_streams.envelope(data, frame["stream"]) == as_bytes(frame)
            counted[kind] = counted.get(kind, 0) + 1
    assert counted == {"bookTicker": 906, "depth": 400, "ticker": 90, "kline": 18, "trade": 1}


def write_depth(data):
    event = DepthEvent(
        symbol=data["s"],
        first_update_id=data["U"],
        last_update_id=data["u"],
        bids=tuple((Decimal(p), Decimal(q)) for p, q in data["b"]),
        asks=tuple((Decimal(p), Decimal(q)) for p, q in data["a"]),
        time_us=data["T"],
    )
    return wire_streams.depth(event, PAD, data["E"])


def write_book_ticker(data):
    event = BookTickerEvent(
        symbol=data["s"],
        last_update_id=data["u"],
        bid=(Decimal(data["b"]), Decimal(data["B"])),
        ask=(Decimal(data["a"]), Decimal(data["A"])),
        time_us=data["T"],
    )
    return wire_streams.book_ticker(event, PAD, data["E"])


def write_trade(data):
    event = TradeEvent(
        symbol=data["s"],
        trade_id=data["t"],
        price=Decimal(data["p"]),
        quantity=Decimal(data["q"]),
        buyer_order_id=int(data["b"]),
        seller_order_id=int(data["a"]),
        is_buyer_maker=data["m"],
        time_us=data["T"] + 470,
    )
    return wire_streams.trade(event, PAD, data["E"])


def write_ticker(data):
    figures = TickerFigures(
        symbol=data["s"],
        first_price=Decimal(data["o"]),
        last_price=Decimal(data["c"]),
        high=Decimal(data["h"]),
        low=Decimal(data["l"]),
        volume=Decimal(data["v"]),
        quote_volume=Decimal(data["V"]),
        trades=data["n"],
    )
    return wire_streams.ticker(figures, data["E"])


def write_kline(data):
    times = {"t": "start_s", "T": "end_s"}
    candle = Candle(
        **{
            name: milliseconds(msgspec.convert(data[key], streams.datetime.datetime)) // 1000
            for key, name in times.items()
        },
        open=dec(data["o"]),
        high=dec(data["h"]),
        low=dec(data["l"]),
        close=dec(data["c"]),
        volume=Decimal(data["v"] or 0),
        trades=data["n"],
    )
    return wire_streams.kline(candle, data["s"], data["E"], is_closed=data["X"])


WRITERS = {
    "depth": write_depth,
    "bookTicker": write_book_ticker,
    "trade": write_trade,
    "ticker": write_ticker,
    "kline": write_kline,
}


@pytest.mark.parametrize(
    "name",
    [
        "ws_account_orderUpdate_accepted",
        "ws_account_orderUpdate_cancelled",
        "ws_account_orderUpdate_fill",
        "ws_account_orderUpdate_market_accepted",
        "ws_account_orderUpdate_trigger_activated",
    ],
)
def test_recorded_order_updates_are_written_as_they_were_read(sample, name):
    frame = sample(name)
    data = frame["data"]
    is_market = data["o"] == "MARKET"
    order = OrderRecord(
        order_id=int(data["i"]),
        account_id="main",
        symbol=data["s"],
        side=Side(data["S"]),
        order_type=OrderType(data["o"]),
        created_at_us=data["T"],
        updated_at_us=data["T"],
        status=OrderStatus(data["X"]),
        price=dec(data.get("p")),
        quantity=Decimal(data["q"]),
        quote_quantity=Decimal(data["Q"]) if is_market else None,
        executed_quantity=Decimal(data["z"]),
        executed_quote_quantity=Decimal(data["Z"]),
        post_only=data.get("y", False),
    )
    filled = None
    if "l" in data:
        filled = FillRecord(
            trade_id=data["t"],
            order_id=order.order_id,
            account_id="main",
            symbol=data["s"],
            side=order.side,
            price=Decimal(data["L"]),
            quantity=Decimal(data["l"]),
            fee=Decimal(data["n"]),
            fee_symbol=data["N"],
            is_maker=data["m"],
            time_us=data["T"],
        )
    event = OrderEvent(kind=OrderEventKind(data["e"]), order=order, time_us=data["T"], fill=filled)
    market = MARKETS[data["s"]]

    written = wire_streams.order_update(event, market, wire_streams.Padding(market), data["E"])

    assert written == as_bytes(dict(sorted(data.items())))


def test_recorded_balance_updates_are_written_as_they_were_read(sample):
    for name in ("ws_account_balanceUpdate_lock", "ws_account_balanceUpdate_unlock"):
        data = sample(name)["data"]
        event = BalanceEvent(
            account_id="main",
            asset=data["a"],
            available=Decimal(data["A"]),
            locked=Decimal(data["L"]),
            time_us=data["T"],
        )
        assert wire_streams.balance_update(event, data["E"]) == as_bytes(dict(sorted(data.items())))
