"""REST operations: method, path, instruction, parameters, and the text that each signs."""

import json
import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import endpoints, models
from hummingbot.connector.exchange.backpack.api.endpoints import (
    ENDPOINTS,
    Bucket,
    CancelOrder,
    CancelOrders,
    ExecuteOrder,
    ExecuteOrders,
    GetDepth,
    GetFills,
    GetKlines,
    GetMarkets,
    GetOrder,
    GetOrderHistory,
    Method,
    pairs,
)
from hummingbot.connector.exchange.backpack.api.models import MarketType, OrderType, Side
from hummingbot.connector.exchange.backpack.api.signing import signed_text

# As FACTS.md, section 2, lists them; None is public.
INSTRUCTIONS = {
    "GET /api/v1/status": None,
    "GET /api/v1/ping": None,
    "GET /api/v1/time": None,
    "GET /api/v1/markets": None,
    "GET /api/v1/market": None,
    "GET /api/v1/depth": None,
    "GET /api/v1/ticker": None,
    "GET /api/v1/tickers": None,
    "GET /api/v1/trades": None,
    "GET /api/v1/klines": None,
    "GET /api/v1/account": "accountQuery",
    "GET /api/v1/capital": "balanceQuery",
    "GET /api/v1/borrowLend/positions": "borrowLendPositionQuery",
    "GET /api/v1/order": "orderQuery",
    "POST /api/v1/order": "orderExecute",
    "DELETE /api/v1/order": "orderCancel",
    "GET /api/v1/orders": "orderQueryAll",
    "POST /api/v1/orders": "orderExecute",
    "DELETE /api/v1/orders": "orderCancelAll",
    "GET /wapi/v1/history/fills": "fillHistoryQueryAll",
    "GET /wapi/v1/history/orders": "orderHistoryQueryAll",
}
HISTORY = {"GET /api/v1/klines", "GET /wapi/v1/history/fills", "GET /wapi/v1/history/orders"}


def operation(vendor, endpoint):
    """The vendor's description of an operation."""
    return vendor["paths"][endpoint.path][endpoint.method.value.lower()]


def described_parameters(vendor, endpoint):
    """Name, schema and necessity of each parameter that the vendor describes, headers apart."""
    described = operation(vendor, endpoint)
    if endpoint.method is Method.GET:
        return {
            parameter["name"]: (parameter["schema"], parameter["required"])
            for parameter in described.get("parameters", [])
            if parameter["in"] == "query"
        }
    schema = next(iter(described["requestBody"]["content"].values()))["schema"]
    reference = schema.get("items", schema)["$ref"]
    payload = vendor["components"]["schemas"][reference.rsplit("/", 1)[1]]
    required = payload["required"]
    return {name: (inner, name in required) for name, inner in payload["properties"].items()}


def values_allowed(vendor, schema):
    """Values of an enumeration, or nothing for a free parameter."""
    schema = schema.get("items", schema)
    for part in [schema, *schema.get("allOf", [])]:
        if "$ref" in part:
            return set(vendor["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]["enum"])
        if "enum" in part:
            return set(part["enum"])
    return None


def test_endpoints_are_all_listed(requests):
    """Every operation of the module is in the list, once, and has an example here."""
    here = {
        value
        for value in vars(endpoints).values()
        if isinstance(value, type) and issubclass(value, endpoints.Endpoint)
    }
    assert here - {endpoints.Endpoint} == set(ENDPOINTS)
    assert len(set(ENDPOINTS)) == len(ENDPOINTS)
    assert {endpoint.__name__ for endpoint in ENDPOINTS} == set(requests)


def test_endpoint_has_the_method_path_and_instruction_of_the_facts(requests):
    """Signing never guesses."""
    assert {request.name: request.instruction for request in requests.values()} == INSTRUCTIONS


def test_endpoint_is_a_write_unless_it_is_a_get(requests):
    """A lost reply to a write leaves its outcome unknown."""
    for request in requests.values():
        assert request.is_write is (not request.name.startswith("GET "))


def test_endpoint_counts_in_the_budget_of_its_kind(requests):
    """Time-range history has thirty a minute."""
    assert {r.name for r in requests.values() if r.bucket is Bucket.HISTORY} == HISTORY


def test_endpoint_limits_are_those_of_the_facts():
    """Fifty orders a batch, a client id of 32 bits, a thousand rows a page."""
    assert endpoints.MAX_BATCH_ORDERS == 50
    assert endpoints.MAX_CLIENT_ID == 4_294_967_295
    assert endpoints.MAX_PAGE == 1000
    assert endpoints.DEPTH_LIMITS == (5, 10, 20, 50, 100, 500, 1000)


def test_endpoint_once_made_cannot_be_changed(requests):
    """What was signed is what is sent; and every parameter is given by its name."""
    for request in requests.values():
        assert request.__struct_config__.frozen
        assert hash(request) == hash(msgspec.structs.replace(request))
    with pytest.raises(TypeError):
        endpoints.GetMarket("ABC_USDC")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.__name__)
def test_endpoint_exists_in_the_vendors_description(vendor, endpoint):
    """Path, method and instruction are the vendor's."""
    described = operation(vendor, endpoint).get("description") or ""
    found = re.search(r"[Ii]nstruction:\*\* `(\w+)`", described)
    assert endpoint.instruction == (found.group(1) if found else None)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.__name__)
def test_endpoint_parameters_exist_in_the_vendors_description(vendor, endpoint):
    """Every wire name is the vendor's, and what the vendor requires we require."""
    described = described_parameters(vendor, endpoint) if endpoint_has_any(endpoint) else {}
    batch = endpoint is ExecuteOrders
    fields = msgspec.structs.fields(ExecuteOrder if batch else endpoint)
    names = {field.encode_name for field in fields}
    assert names <= set(described)
    required = {name for name, (_, needed) in described.items() if needed}
    assert {field.encode_name for field in fields if field.required} == required


def endpoint_has_any(endpoint):
    """Whether an operation has parameters."""
    return bool(msgspec.structs.fields(endpoint))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.__name__)
def test_endpoint_parameters_have_the_vendors_type(vendor, endpoint):
    """Lists are lists, numbers numbers, decimals and enumerations text."""
    if endpoint is ExecuteOrders:
        endpoint = ExecuteOrder
    described = described_parameters(vendor, endpoint) if endpoint_has_any(endpoint) else {}
    for field in msgspec.structs.fields(endpoint):
        schema, _ = described[field.encode_name]
        declared = str(field.type)
        assert ("tuple[" in declared) is (schema.get("type") == "array"), field.name
        if schema.get("type") == "integer":
            assert field.type in {int, int | None}, field.name
        if schema.get("format") == "decimal":
            assert field.type in {Decimal, Decimal | None}, field.name
        if schema.get("type") == "boolean":
            assert field.type in {bool, bool | None}, field.name


@pytest.mark.parametrize(
    ("endpoint", "name", "ours"),
    [
        (GetDepth, "limit", {str(limit) for limit in endpoints.DEPTH_LIMITS}),
        (ExecuteOrder, "side", {member.value for member in Side}),
        (ExecuteOrder, "orderType", {member.value for member in OrderType}),
        (ExecuteOrder, "timeInForce", {member.value for member in models.TimeInForce}),
        (GetFills, "fillType", {member.value for member in models.FillType}),
        (GetFills, "marketType", {member.value for member in MarketType} - {"UNKNOWN"}),
        (GetOrderHistory, "sortDirection", {member.value for member in models.SortDirection}),
        (GetKlines, "priceType", {member.value for member in models.KlinePriceType}),
    ],
)
def test_endpoint_parameter_takes_the_values_of_the_vendor(vendor, endpoint, name, ours):
    """A value that the exchange does not know is refused in plain text."""
    schema, _ = described_parameters(vendor, endpoint)[name]
    assert values_allowed(vendor, schema) == ours


# --- what is sent and signed ----------------------------------------------------------------

ORDER = ExecuteOrder(
    symbol="TINY_USDC",
    side=Side.ASK,
    order_type=OrderType.LIMIT,
    price=Decimal("1E-9"),
    quantity=Decimal("1E+4"),
    time_in_force=models.TimeInForce.GTC,
    post_only=True,
    reduce_only=False,
    client_id=4_294_967_295,
    self_trade_prevention=models.SelfTradePrevention.REJECT_BOTH,
)
SIGNED = {
    "GetAccount": "instruction=accountQuery",
    "GetCapital": "instruction=balanceQuery",
    "GetBorrowLendPositions": "instruction=borrowLendPositionQuery",
    "GetOrder": "instruction=orderQuery&clientId=7&symbol=ABC_USDC",
    "ExecuteOrder": "instruction=orderExecute&orderType=Limit&side=Bid&symbol=ABC_USDC",
    "CancelOrder": "instruction=orderCancel&clientId=7&symbol=ABC_USDC",
    "GetOpenOrders": "instruction=orderQueryAll",
    "ExecuteOrders": "instruction=orderExecute&orderType=Limit&side=Bid&symbol=ABC_USDC"
    "&instruction=orderExecute&orderType=Limit&side=Bid&symbol=ABC_USDC",
    "CancelOrders": "instruction=orderCancelAll&symbol=ABC_USDC",
    "GetFills": "instruction=fillHistoryQueryAll",
    "GetOrderHistory": "instruction=orderHistoryQueryAll",
}


def test_endpoint_signed_text_of_each_private_operation(requests):
    """Instruction first, then the sorted parameters; public operations sign nothing."""
    for name, request in requests.items():
        signed = signed_text(request.signed_parts(), timestamp_ms=1, window_ms=2)
        expected = f"{SIGNED[name]}&" if name in SIGNED else ""
        assert signed == f"{expected}timestamp=1&window=2", name


def test_order_with_every_kind_of_value_is_sent_as_it_is_signed():
    """Digits without exponents, numbers as numbers, booleans as booleans; absent is absent."""
    assert json.loads(ORDER.body()) == {
        "clientId": 4_294_967_295,
        "orderType": "Limit",
        "postOnly": True,
        "price": "0.000000001",
        "quantity": "10000",
        "reduceOnly": False,
        "selfTradePrevention": "RejectBoth",
        "side": "Ask",
        "symbol": "TINY_USDC",
        "timeInForce": "GTC",
    }
    assert signed_text(ORDER.signed_parts(), timestamp_ms=1, window_ms=2) == (
        "instruction=orderExecute&clientId=4294967295&orderType=Limit&postOnly=true"
        "&price=0.000000001&quantity=10000&reduceOnly=false&selfTradePrevention=RejectBoth"
        "&side=Ask&symbol=TINY_USDC&timeInForce=GTC&timestamp=1&window=2"
    )


def test_batch_body_is_a_bare_array_of_the_orders():
    """In their order, each as if it were alone."""
    other = msgspec.structs.replace(ORDER, side=Side.BID)
    batch = ExecuteOrders(orders=(ORDER, other))
    assert json.loads(batch.body()) == [json.loads(ORDER.body()), json.loads(other.body())]
    assert list(batch.signed_parts()) == [*ORDER.signed_parts(), *other.signed_parts()]
    assert batch.query() == []


def test_delete_carries_a_body_and_no_query():
    """The body is what is signed."""
    cancel = CancelOrder(symbol="ABC_USDC", order_id="70000000001")
    assert json.loads(cancel.body()) == {"orderId": "70000000001", "symbol": "ABC_USDC"}
    assert cancel.query() == []
    every = CancelOrders(symbol="ABC_USDC", order_type="RestingLimitOrder")
    assert json.loads(every.body()) == {"orderType": "RestingLimitOrder", "symbol": "ABC_USDC"}


def test_get_carries_a_query_and_no_body():
    """A list repeats its key; the text is not percent-encoded."""
    fills = GetFills(
        symbol="STOCK.US_USDC",
        from_ms=1,
        to_ms=2,
        limit=1000,
        fill_type=models.FillType.USER,
        market_type=(MarketType.SPOT, MarketType.PERP),
        sort_direction=models.SortDirection.ASC,
    )
    assert fills.body() is None
    assert fills.query() == [
        ("fillType", "User"),
        ("from", "1"),
        ("limit", "1000"),
        ("marketType", "SPOT"),
        ("marketType", "PERP"),
        ("sortDirection", "Asc"),
        ("symbol", "STOCK.US_USDC"),
        ("to", "2"),
    ]
    assert signed_text(fills.signed_parts(), timestamp_ms=1, window_ms=2) == (
        "instruction=fillHistoryQueryAll&fillType=User&from=1&limit=1000&marketType=SPOT"
        "&marketType=PERP&sortDirection=Asc&symbol=STOCK.US_USDC&to=2&timestamp=1&window=2"
    )


def test_klines_are_asked_in_seconds_and_depth_with_a_limit():
    """The default of the exchange for the depth is not known, so one is always sent."""
    klines = GetKlines(symbol="ABC_USDC", interval="1m", start_time_s=10, end_time_s=20)
    assert dict(klines.query()) == {
        "endTime": "20",
        "interval": "1m",
        "startTime": "10",
        "symbol": "ABC_USDC",
    }
    assert dict(GetDepth(symbol="ABC_USDC").query())["limit"] == "1000"


def test_absent_parameters_are_left_out_but_zero_and_false_are_not():
    """Only ``None`` is absent."""
    assert GetMarkets().query() == []
    history = GetOrderHistory(offset=0)
    assert history.query() == [("offset", "0")]
    order = msgspec.structs.replace(ORDER, post_only=False, client_id=0)
    sent = json.loads(order.body())
    assert (sent["postOnly"], sent["clientId"]) == (False, 0)


def test_parameter_of_a_type_that_cannot_be_sent_is_refused():
    """A float would be signed as something else than it is."""
    order = msgspec.structs.replace(ORDER, price=0.1)
    with pytest.raises(TypeError, match="float cannot be sent"):
        order.body()


def test_request_bodies_known_to_be_accepted_are_what_we_send(sample):
    """Bodies that another client sends."""
    bodies = sample("requests_orders")
    ours = {
        "market_base": ExecuteOrder(
            symbol="ADA_USDC_PERP",
            side=Side.BID,
            order_type=OrderType.MARKET,
            quantity=Decimal(1),
            client_id=55555,
        ),
        "market_quote": ExecuteOrder(
            symbol="DOGE_USDC",
            side=Side.BID,
            order_type=OrderType.MARKET,
            quote_quantity=Decimal(5),
        ),
        "trigger": ExecuteOrder(
            symbol="ETH_USDC_PERP",
            side=Side.BID,
            order_type=OrderType.LIMIT,
            price=Decimal(4000),
            trigger_price=Decimal(4100),
            trigger_quantity="0.001",
        ),
    }
    assert {name: json.loads(order.body()) for name, order in ours.items()} == bodies


NUMBERS = st.none() | st.decimals(
    min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False
)
FLAGS = st.none() | st.booleans()
ORDERS = st.builds(
    ExecuteOrder,
    symbol=st.sampled_from(["ABC_USDC", "STOCK.US_USDC"]),
    side=st.sampled_from(Side),
    order_type=st.sampled_from(OrderType),
    price=NUMBERS,
    quantity=NUMBERS,
    quote_quantity=NUMBERS,
    post_only=FLAGS,
    auto_lend=FLAGS,
    client_id=st.none() | st.integers(0, 2**32 - 1),
)


@given(ORDERS)
def test_body_holds_the_same_text_as_is_signed(order):
    """Whatever the exchange reads out of the body, it is what was signed."""
    ((_, signed),) = order.signed_parts()
    sent = json.loads(order.body())
    assert list(pairs(sent)) == list(pairs(signed))
    assert list(sent) == sorted(sent)
    assert None not in sent.values()


@given(st.builds(GetOrder, symbol=st.text(), order_id=st.none() | st.text()))
def test_query_holds_the_same_text_as_is_signed(request):
    """Raw, whatever the characters."""
    ((_, signed),) = request.signed_parts()
    assert request.query() == list(pairs(signed))
    assert dict(request.query()).get("orderId") == request.order_id
