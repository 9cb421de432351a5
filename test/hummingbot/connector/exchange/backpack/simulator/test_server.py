"""The REST interface over sockets: routes, bodies, statuses, limits."""

import asyncio
import json
import time
from decimal import Decimal

import msgspec
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import (
    CancelOrder,
    CancelOrders,
    ExecuteOrder,
    ExecuteOrders,
    GetAccount,
    GetBorrowLendPositions,
    GetCapital,
    GetFills,
    GetOpenOrders,
    GetOrder,
    GetOrderHistory,
)
from hummingbot.connector.exchange.backpack.api.models import (
    OrderBookState,
    OrderType,
    Side,
    TimeInForce,
)
from hummingbot.connector.exchange.backpack.api.replies import parse_reply
from hummingbot.connector.exchange.backpack.simulator.local import LiquidityKind

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


def error_of(answer):
    assert answer.content_type == JSON
    assert list(answer.json) == ["code", "message"]
    return answer.status, answer.json["code"], answer.json["message"]


# --- public ---


async def test_status_is_json_ping_and_time_are_text(client):
    status = await client.get("/api/v1/status")
    ping = await client.get("/api/v1/ping")
    now = await client.get("/api/v1/time")

    assert (status.content_type, status.body) == (JSON, b'{"message":null,"status":"Ok"}')
    assert (ping.content_type, ping.body) == (TEXT, b"pong")
    assert now.content_type == TEXT
    assert abs(int(now.text) - time.time() * 1000) < 60_000


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/nowhere", {}, 404, "not found"),
        ("/", {}, 404, "not found"),
        (
            "/api/v1/depth",
            {"symbol": "SOL_USDC", "limit": 7},
            400,
            (
                'failed to parse parameter `limit`: failed to parse "DepthLimit": '
                "Expect a valid enumeration value."
            ),
        ),
        (
            "/api/v1/depth",
            {"limit": 5},
            400,
            'failed to parse parameter `symbol`: Type "string" expects an input value.',
        ),
        (
            "/api/v1/klines",
            {"symbol": "SOL_USDC", "interval": "1H", "startTime": 1},
            400,
            (
                'failed to parse parameter `interval`: failed to parse "KlineInterval": '
                "Expect a valid enumeration value."
            ),
        ),
        (
            "/api/v1/klines",
            {"symbol": "SOL_USDC", "interval": "1h"},
            400,
            'failed to parse parameter `startTime`: Type "integer" expects an input value.',
        ),
        (
            "/api/v1/trades",
            {"symbol": "SOL_USDC", "limit": 1001},
            400,
            (
                "failed to parse parameter `limit`: verification failed. "
                "maximum(1000, exclusive: false)"
            ),
        ),
    ],
)
async def test_what_cannot_be_read_is_refused_in_plain_text(client, path, query, status, text):
    answer = await client.get(path, **query)

    assert (answer.status, answer.content_type, answer.text) == (status, TEXT, text)


async def test_a_known_route_has_its_methods_only(client):
    answer = await client.send("POST", "/api/v1/depth")

    assert (answer.status, answer.content_type) == (405, TEXT)


@pytest.mark.parametrize("path", ["depth", "market", "ticker", "trades"])
async def test_an_unknown_symbol_is_refused_in_json(client, path):
    answer = await client.get(f"/api/v1/{path}", symbol="NOPE_USDC")

    assert error_of(answer) == (400, "INVALID_CLIENT_REQUEST", "Invalid market symbol")


async def test_a_closed_market_has_no_book(client, exchange):
    exchange.engine.set_order_book_state("SOL_USDC", OrderBookState.CLOSED)

    depth = await client.get("/api/v1/depth", symbol="SOL_USDC", limit=5)
    market = await client.get("/api/v1/market", symbol="SOL_USDC")
    ticker = await client.get("/api/v1/ticker", symbol="SOL_USDC")

    assert error_of(depth) == (404, "RESOURCE_NOT_FOUND", "Not Found")
    assert market.json["orderBookState"] == "Closed"
    assert (ticker.status, ticker.body) == (204, b"")


async def test_markets_are_mixed_and_can_be_filtered(client):
    every = (await client.get("/api/v1/markets")).json
    spot = (await client.get("/api/v1/markets", marketType="SPOT")).json

    assert {row["marketType"] for row in every} == {"SPOT", "PERP"}
    assert {row["marketType"] for row in spot} == {"SPOT"}
    assert {"Open", "Closed"} <= {row["orderBookState"] for row in every}
    assert {row["symbol"] for row in spot} < {row["symbol"] for row in every}


async def test_depth_is_ascending_on_both_sides(client, other):
    for price in ("99.50", "99.00", "98.50"):
        await other.place("Bid", price, "1")
    for price in ("101.50", "101.00"):
        await other.place("Ask", price, "1.50")

    answer = await client.get("/api/v1/depth", symbol="SOL_USDC", limit=5)

    assert list(answer.json) == ["asks", "bids", "lastUpdateId", "timestamp"]
    assert answer.json["bids"] == [["98.5", "1"], ["99", "1"], ["99.5", "1"]]
    assert answer.json["asks"] == [["101", "1.5"], ["101.5", "1.5"]]
    assert isinstance(answer.json["lastUpdateId"], str)
    assert abs(answer.json["timestamp"] - time.time() * 1e6) < 60e6


async def test_depth_is_trimmed_around_the_touch(client, other):
    for cents in range(20):
        await other.place("Bid", f"99.{cents:02}", "1")

    answer = await client.get("/api/v1/depth", symbol="SOL_USDC", limit=5)

    assert [price for price, _ in answer.json["bids"]] == [
        "99.15",
        "99.16",
        "99.17",
        "99.18",
        "99.19",
    ]


async def test_trades_are_newest_first_and_paged(client, other):
    await other.place("Ask", "100.00", "10")
    for quantity in ("1", "2", "3"):
        await client.place("Bid", "100.00", quantity)

    answer = await client.get("/api/v1/trades", symbol="SOL_USDC", limit=2)
    page = await client.get("/api/v1/trades/history", symbol="SOL_USDC", limit=2, offset=2)

    assert [row["quantity"] for row in answer.json] == ["3", "2"]
    assert [row["quantity"] for row in page.json] == ["1"]
    first = answer.json[0]
    assert list(first) == sorted(first)
    assert (first["isBuyerMaker"], first["quoteQuantity"]) == (False, "300")
    assert abs(first["timestamp"] - time.time() * 1e3) < 60e3


async def test_ticker_and_klines_know_the_past(client):
    ticker = (await client.get("/api/v1/ticker", symbol="SOL_USDC")).json
    tickers = (await client.get("/api/v1/tickers", interval="1w")).json
    start = int(time.time()) - 3600
    klines = await client.get("/api/v1/klines", symbol="SOL_USDC", interval="1m", startTime=start)

    assert isinstance(ticker["trades"], str)
    assert Decimal(ticker["low"]) <= Decimal(ticker["lastPrice"]) <= Decimal(ticker["high"])
    assert {row["symbol"] for row in tickers} == {"SOL_USDC", "BTC_USDC"}
    assert len(klines.json) in {60, 61}
    assert list(klines.json[0]) == sorted(klines.json[0])


async def test_without_history_there_is_nothing_to_tell(open_exchange, client_of):
    client = client_of(await open_exchange(candle_history=False))

    assert (await client.get("/api/v1/ticker", symbol="SOL_USDC")).status == 204
    assert (await client.get("/api/v1/tickers")).json == []
    rows = await client.get("/api/v1/klines", symbol="SOL_USDC", interval="1m", startTime=0)
    assert rows.json == []


# --- private ---


async def test_every_private_route_wants_a_signature(client, fingerprint, exchange):
    before = fingerprint(exchange)
    for endpoint in (
        GetAccount(),
        GetCapital(),
        GetBorrowLendPositions(),
        GetOpenOrders(),
        GetFills(),
        GetOrderHistory(),
        CancelOrders(symbol="SOL_USDC"),
        ExecuteOrder(symbol="SOL_USDC", side=Side.BID, order_type=OrderType.MARKET),
    ):
        answer = await client.send(
            endpoint.method.value,
            endpoint.path,
            body=endpoint.body(),
            headers={"Content-Type": JSON} if endpoint.body() else {},
        )
        assert error_of(answer) == (401, "UNAUTHORIZED", "Unauthorized")
    assert fingerprint(exchange) == before


async def test_a_wrong_signature_changes_nothing(client, other, order, exchange, fingerprint):
    before = fingerprint(exchange)
    wanted = order("Bid", "99.00", "1")
    forged = client.headers(wanted) | {"X-API-Key": other.account.api_key}

    answer = await client.send("POST", "/api/v1/order", body=wanted.body(), headers=forged)

    assert error_of(answer) == (400, "INVALID_CLIENT_REQUEST", "Invalid signature")
    assert fingerprint(exchange) == before


async def test_an_old_request_is_refused(client):
    old_ms = time.time_ns() // 1_000_000 - 10_000

    late = await client.call(GetCapital(), timestamp_ms=old_ms)
    patient = await client.call(GetCapital(), timestamp_ms=old_ms, window_ms=60_000)

    assert error_of(late) == (400, "INVALID_CLIENT_REQUEST", "Request has expired")
    assert patient.status == 200


async def test_limit_order_rests_is_found_and_cancelled(client, order):
    placed = await client.call(order("Bid", "99.50", "2", client_id=7, post_only=True))
    by_id = await client.call(GetOrder(symbol="SOL_USDC", order_id=placed.json["id"]))
    by_client_id = await client.call(GetOrder(symbol="SOL_USDC", client_id=7))
    listed = await client.call(GetOpenOrders(symbol="SOL_USDC"))
    cancelled = await client.call(CancelOrder(symbol="SOL_USDC", client_id=7))
    gone = await client.call(GetOrder(symbol="SOL_USDC", client_id=7))
    again = await client.call(CancelOrder(symbol="SOL_USDC", client_id=7))

    assert (placed.status, placed.content_type) == (200, JSON)
    assert list(placed.json) == sorted(placed.json)
    assert placed.json["status"] == "New"
    assert by_id.json == by_client_id.json == placed.json
    assert listed.json == [placed.json]
    assert cancelled.json == placed.json | {"status": "Cancelled"}
    assert error_of(gone) == (404, "RESOURCE_NOT_FOUND", "Not Found")
    assert error_of(again)[1:] == ("RESOURCE_NOT_FOUND", "Not Found")


async def test_balances_show_what_is_locked(client):
    await client.place("Bid", "99.50", "2")

    capital = (await client.call(GetCapital())).json
    account = (await client.call(GetAccount())).json

    assert capital["USDC"] == {"available": "99801", "locked": "199", "staked": "0"}
    assert account["limitOrders"] == 1
    assert (account["spotMakerFee"], account["spotTakerFee"]) == ("8", "10")


async def test_collateral_positions_and_transfers_are_there_for_spot_clients(client):
    class Get(GetCapital, frozen=True, kw_only=True):
        path = "/api/v1/capital/collateral"
        instruction = "collateralQuery"

    class Positions(GetCapital, frozen=True, kw_only=True):
        path = "/api/v1/position"
        instruction = "positionQuery"

    collateral = (await client.call(Get())).json
    assert collateral["netEquity"] == "100000"
    assert (await client.call(Positions())).json == []
    assert (await client.call(GetBorrowLendPositions())).json == []


async def test_market_orders_fill_at_once(client, other):
    await other.place("Ask", "100.00", "5")
    by_quantity = ExecuteOrder(
        symbol="SOL_USDC", side=Side.BID, order_type=OrderType.MARKET, quantity=Decimal(1)
    )
    by_quote = ExecuteOrder(
        symbol="SOL_USDC", side=Side.BID, order_type=OrderType.MARKET, quote_quantity=Decimal(250)
    )

    first = (await client.call(by_quantity)).json
    second = (await client.call(by_quote)).json

    assert (first["status"], first["executedQuoteQuantity"]) == ("Filled", "100")
    assert not {"price", "postOnly"} & set(first)
    assert (second["executedQuantity"], second["quoteQuantity"]) == ("2.5", "250")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"price": Decimal("99.501")}, "Price decimal too long"),
        ({"quantity": Decimal("1.001")}, "Quantity decimal too long"),
        ({"quantity": Decimal("0.001")}, None),
        ({"quantity": Decimal(0)}, "Quantity is below the minimum allowed value"),
        ({"quantity": Decimal(-1)}, None),
        ({"price": Decimal(-1)}, None),
        ({"quantity": Decimal(9 * 10**13)}, None),
        ({"price": None}, None),
        ({"quantity": None}, None),
        ({"trigger_price": Decimal(1)}, None),
        ({"reduce_only": True}, None),
        ({"symbol": "SOL_USDC_PERP"}, None),
    ],
)
async def test_orders_against_the_rules_are_refused(
    client, order, exchange, fingerprint, change, expected
):
    before = fingerprint(exchange)
    values = {"side": "Bid", "price": "99.50", "quantity": "1"}
    wanted = order(**values)
    for name, value in change.items():
        wanted = msgspec.structs.replace(wanted, **{name: value})

    status, _, message = error_of(await client.call(wanted))

    assert status == 400
    assert expected is None or message == expected
    assert fingerprint(exchange) == before


async def test_an_order_for_an_unknown_symbol_is_refused_in_plain_text(client):
    answer = await client.place("Bid", "1", "1", symbol="NOPE_USDC")

    assert (answer.status, answer.content_type) == (400, TEXT)
    assert answer.text == (
        'parse request payload error: failed to parse "MarketSymbol": Invalid market symbol '
        '(occurred while parsing "OrderExecutePayload")'
    )


async def test_orders_that_cannot_be_are_refused_with_their_reasons(client, other):
    await other.place("Ask", "100.00", "1")

    poor = await client.place("Bid", "99.00", "5000")
    crossing = await client.place("Bid", "100.00", "1", post_only=True)
    short = await client.place("Bid", "100.00", "5", time_in_force=TimeInForce.FOK)
    await client.place("Bid", "99.00", "1", client_id=9)
    twice = await client.place("Bid", "99.00", "1", client_id=9)

    assert error_of(poor) == (400, "INSUFFICIENT_FUNDS", "Insufficient funds")
    assert error_of(crossing) == (400, "INVALID_ORDER", "Order would immediately match and take")
    assert error_of(short)[1:] == (
        "INVALID_ORDER",
        "Fill or kill order would not complete fill immediately",
    )
    assert error_of(twice)[1:] == ("INVALID_ORDER", "Order with client ID already exists: 9")


async def test_ioc_with_a_rest_expires_with_what_it_got(client, other):
    await other.place("Ask", "100.00", "1")

    answer = (await client.place("Bid", "100.00", "3", time_in_force=TimeInForce.IOC)).json

    assert (answer["status"], answer["executedQuantity"]) == ("Expired", "1")
    (row,) = (await client.call(GetOrderHistory())).json
    assert row["expiryReason"] == "ImmediateOrCancel"


async def test_cancelling_needs_exactly_one_id(client):
    for wanted in (
        CancelOrder(symbol="SOL_USDC"),
        CancelOrder(symbol="SOL_USDC", order_id="1", client_id=1),
    ):
        answer = await client.call(wanted)
        assert error_of(answer) == (
            400,
            "INVALID_CLIENT_REQUEST",
            "Must specify either `clientId` or `orderId`",
        )


async def test_cancel_all_is_for_one_market(client):
    await client.place("Bid", "99.00", "1")
    await client.place("Bid", "98.00", "1")
    await client.place("Bid", "77000", "0.01", symbol="BTC_USDC")

    conditional = await client.call(CancelOrders(symbol="SOL_USDC", order_type="ConditionalOrder"))
    cancelled = await client.call(CancelOrders(symbol="SOL_USDC"))
    none = await client.call(CancelOrders(symbol="SOL_USDC"))

    assert conditional.json == []
    assert [row["price"] for row in cancelled.json] == ["99", "98"]
    assert (none.status, none.json) == (200, [])
    assert [row["symbol"] for row in (await client.call(GetOpenOrders())).json] == ["BTC_USDC"]


async def test_batch_answers_order_by_order(client, order):
    wanted = ExecuteOrders(
        orders=(order("Bid", "99.00", "1", client_id=1), order("Bid", "99.00", "5000"))
    )

    answer = await client.call(wanted)
    placed, refused = parse_reply(wanted, answer.status, answer.body)

    assert answer.json[0]["operation"] == "Ok"
    assert answer.json[1] == {
        "operation": "Err",
        "code": "INSUFFICIENT_FUNDS",
        "message": "Insufficient funds",
    }
    assert (placed.client_id, refused.code) == (1, "INSUFFICIENT_FUNDS")


async def test_one_impossible_order_refuses_the_whole_batch(client, order, exchange, fingerprint):
    before = fingerprint(exchange)
    wanted = ExecuteOrders(orders=(order("Bid", "99.00", "1"), order("Bid", "99.001", "1")))

    answer = await client.call(wanted)

    assert error_of(answer) == (400, "INVALID_CLIENT_REQUEST", "Price decimal too long")
    assert fingerprint(exchange) == before


async def test_histories_are_paged_sorted_and_filtered(client, other):
    await other.place("Ask", "100.00", "10")
    for quantity in ("1", "2", "3"):
        await client.place("Bid", "100.00", quantity)

    newest = await client.call(GetFills(limit=2))
    rest = await client.call(GetFills(limit=2, offset=2))
    oldest = await client.call(GetFills(sort_direction="Asc", symbol="SOL_USDC"))
    orders = await client.call(GetOrderHistory(limit=2))
    one = await client.call(GetFills(order_id=newest.json[0]["orderId"]))
    perps = await client.call(GetFills(market_type=("PERP",)))
    later = await client.call(GetFills(from_ms=time.time_ns() // 1_000_000 + 60_000))

    assert [row["quantity"] for row in newest.json] == ["3", "2"]
    assert [row["quantity"] for row in rest.json] == ["1"]
    assert [row["quantity"] for row in oldest.json] == ["1", "2", "3"]
    assert [row["quantity"] for row in one.json] == ["3"]
    assert (perps.json, later.json) == ([], [])
    assert {key: newest.headers[key] for key in newest.headers if key.startswith("X-")} == {
        "X-Current-Page": "1",
        "X-Page-Count": "2",
        "X-Page-Size": "2",
        "X-Total": "3",
    }
    assert rest.headers["X-Current-Page"] == "2"
    assert [row["quantity"] for row in orders.json] == ["3", "2"]
    assert orders.headers["X-Total"] == "3"


async def test_fees_come_from_what_is_received(client, other):
    await other.place("Ask", "100.00", "10")
    await client.place("Bid", "100.00", "1")

    (bought,) = (await client.call(GetFills())).json
    (sold,) = (await other.call(GetFills())).json

    assert (bought["fee"], bought["feeSymbol"], bought["isMaker"]) == ("0.001", "SOL", False)
    assert (sold["fee"], sold["feeSymbol"], sold["isMaker"]) == ("0.08", "USDC", True)


async def test_everything_decodes_with_the_wire_layer(client, other):
    await other.place("Ask", "100.00", "10")
    await client.place("Bid", "100.00", "1")
    for endpoint in (
        GetAccount(),
        GetCapital(),
        GetBorrowLendPositions(),
        GetOpenOrders(),
        GetFills(),
        GetOrderHistory(),
    ):
        answer = await client.call(endpoint)
        parse_reply(endpoint, answer.status, answer.body)


# --- limits ---


async def test_too_many_requests_are_refused(open_exchange, client_of):
    exchange = await open_exchange(requests_per_minute=5)
    first, second = client_of(exchange), client_of(exchange, 1)

    statuses = [(await first.call(GetCapital())).status for _ in range(6)]
    refused = await first.call(GetCapital())

    assert statuses == [200] * 5 + [429]
    assert error_of(refused) == (429, "TOO_MANY_REQUESTS", "Too many requests")
    assert "Retry-After" not in refused.headers
    assert (await second.call(GetCapital())).status == 200, "each key has its own budget"
    assert (await first.get("/api/v1/ping")).status == 200, "public requests count by address"


async def test_history_has_a_smaller_budget(open_exchange, client_of):
    client = client_of(await open_exchange(history_per_minute=2))

    statuses = [(await client.call(GetFills())).status for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert (await client.call(GetOrderHistory())).status == 429
    assert (await client.call(GetCapital())).status == 200


async def test_limits_can_be_switched_off(open_exchange, client_of):
    client = client_of(
        await open_exchange(rate_limits=False, requests_per_minute=1, history_per_minute=1)
    )

    answers = await asyncio.gather(*(client.call(GetFills()) for _ in range(40)))

    assert {answer.status for answer in answers} == {200}


async def test_made_up_keys_have_no_budget_of_their_own(open_exchange, client_of):
    client = client_of(await open_exchange(requests_per_minute=3))

    statuses = [
        (await client.send("GET", "/api/v1/capital", headers={"X-API-Key": f"k{n}"})).status
        for n in range(4)
    ]

    assert statuses == [401, 401, 401, 429]


async def test_a_body_of_text_is_no_order(client):
    answer = await client.send(
        "POST", "/api/v1/order", body=b'"text"', headers={"Content-Type": JSON}
    )

    assert (answer.status, answer.content_type) == (400, TEXT)


async def test_the_broker_id_is_signed_but_means_nothing(client, order):
    """A client may add fields; whatever it sends is part of what it signs."""
    from hummingbot.connector.exchange.backpack.api.signing import signed_text

    wanted = order("Bid", "99.00", "1").parameters() | {"brokerId": 2200}
    now_ms = time.time_ns() // 1_000_000
    text = signed_text([("orderExecute", wanted)], timestamp_ms=now_ms, window_ms=5000)
    headers = {
        "Content-Type": JSON,
        "X-API-Key": client.account.api_key,
        "X-Signature": client.signer.sign(text),
        "X-Timestamp": str(now_ms),
    }

    answer = await client.send(
        "POST", "/api/v1/order", body=json.dumps(wanted).encode(), headers=headers
    )

    assert answer.status == 200


async def test_a_bug_in_one_operation_is_an_error_and_not_the_end(client, exchange, monkeypatch):
    def broken(account_id):
        msg = "a bug"
        raise RuntimeError(msg)

    monkeypatch.setattr(exchange.engine, "balances", broken)
    answer = await client.call(GetCapital())

    assert error_of(answer) == (500, "SERVER_ERROR", "Internal server error")
    assert (await client.call(GetOpenOrders())).status == 200


async def test_the_collateral_counts_what_traded(client, other):
    class Get(GetCapital, frozen=True, kw_only=True):
        path = "/api/v1/capital/collateral"
        instruction = "collateralQuery"

    await other.place("Ask", "100.00", "1")
    await client.place("Bid", "100.00", "1")

    rows = {row["symbol"]: row for row in (await client.call(Get())).json["collateral"]}

    assert rows["SOL"]["assetMarkPrice"] == "100"
    assert rows["SOL"]["totalQuantity"] == "1000.999"


async def test_there_is_no_position_in_a_spot_market(client):
    class Position(GetCapital, frozen=True, kw_only=True):
        path = "/api/v1/position"
        instruction = "positionQuery"
        symbol: str = "SOL_USDC"

    assert error_of(await client.call(Position())) == (404, "RESOURCE_NOT_FOUND", "Not Found")


async def test_open_orders_of_other_markets_types_are_none(client):
    await client.place("Bid", "99.00", "1")

    assert (await client.call(GetOpenOrders(market_type="PERP"))).json == []
    assert len((await client.call(GetOpenOrders(market_type="SPOT"))).json) == 1
    assert (await client.call(GetOrderHistory(market_type=("PERP",)))).json == []


async def test_cancelling_all_knows_two_kinds_of_orders(client):
    answer = await client.call(CancelOrders(symbol="SOL_USDC", order_type="Limit"))

    assert (answer.status, answer.content_type) == (400, TEXT)
    assert 'failed to parse "CancelOrderType"' in answer.text


async def test_klines_need_an_interval(client):
    answer = await client.get("/api/v1/klines", symbol="SOL_USDC", startTime=1)

    assert (answer.status, answer.content_type) == (400, TEXT)


async def test_a_recorded_stream_is_replayed(
    open_exchange, client_of, open_stream, tmp_path, eventually
):
    def frame(update_id, price, quantity):
        data = {
            "E": 1_788_367_430_247_494 + update_id * 1000,
            "T": 1_788_367_430_246_081 + update_id * 1000,
            "U": update_id,
            "a": [[price, quantity]],
            "b": [["98.00", "1.00"]] if update_id == 1 else [],
            "e": "depth",
            "s": "SOL_USDC",
            "u": update_id,
        }
        return json.dumps({"data": data, "stream": "depth.SOL_USDC"})

    recording = tmp_path / "stream.jsonl"
    recording.write_text("\n".join(frame(n, "99.00", f"{n}.00") for n in range(1, 9)))
    exchange = await open_exchange(
        liquidity=LiquidityKind.REPLAY, replay_file=recording, markets=("SOL_USDC",)
    )

    await eventually(lambda: exchange.engine.depth("SOL_USDC", 5)[1] == [(99, 8)])
    depth = (await client_of(exchange).get("/api/v1/depth", symbol="SOL_USDC", limit=5)).json
    assert depth["bids"] == [["98", "1"]]


async def test_liquidity_that_fails_leaves_the_exchange_open(
    open_exchange, client_of, monkeypatch, eventually
):
    exchange = await open_exchange(liquidity=LiquidityKind.SYNTHETIC, frames_per_second=100)
    steps = []

    def broken():
        steps.append(1)
        msg = "a bug"
        raise RuntimeError(msg)

    monkeypatch.setattr(exchange._server._liquidity, "step", broken)
    await eventually(lambda: steps)

    assert (await client_of(exchange).get("/api/v1/ping")).text == "pong"
    assert len(steps) == 1
