"""Queries and bodies: read into values, or refused in the exchange's words."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.models import MarketType, OrderType, Side
from hummingbot.connector.exchange.backpack.simulator.events import Refusal
from hummingbot.connector.exchange.backpack.simulator.payloads import (
    Payload,
    order_reference,
    parse_batch,
    parse_body,
    parse_order,
    signed_parameters,
)
from hummingbot.connector.exchange.backpack.simulator.requests import Call, Query

KNOWN = {"SOL_USDC"}
GOOD = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "1", "quantity": "2"}


def refusal_of(action):
    with pytest.raises(Refusal) as caught:
        action()
    return caught.value.status, caught.value.code, caught.value.message


def outcome(action):
    """Status of the refusal, ``None`` if there is none; any other exception fails the test."""
    try:
        action()
    except Refusal as e:
        return e.status
    return None


def body_of(raw, content_type="application/json; charset=utf-8"):
    return parse_body(
        Call(method="POST", path="/", headers={"content-type": content_type}, body=raw)
    )


# --- queries ---


def test_query_repeats_become_lists_as_they_are_signed():
    query = Query("marketType=SPOT&marketType=PERP&symbol=SOL_USDC&empty=")

    assert query.parameters() == {
        "marketType": ["SPOT", "PERP"],
        "symbol": "SOL_USDC",
        "empty": "",
    }
    assert query.choices("marketType", MarketType) == [MarketType.SPOT, MarketType.PERP]


@pytest.mark.parametrize(
    ("raw", "read", "expected"),
    [
        (
            "limit=7",
            lambda q: q.one_of("limit", {"5"}, "DepthLimit"),
            (
                'failed to parse parameter `limit`: failed to parse "DepthLimit": '
                "Expect a valid enumeration value."
            ),
        ),
        (
            "",
            lambda q: q.required("symbol"),
            'failed to parse parameter `symbol`: Type "string" expects an input value.',
        ),
        (
            "limit=x",
            lambda q: q.integer("limit"),
            (
                'failed to parse parameter `limit`: failed to parse "integer": '
                "invalid digit found in string"
            ),
        ),
        (
            "limit=1001",
            lambda q: q.integer("limit", maximum=1000),
            (
                "failed to parse parameter `limit`: verification failed. "
                "maximum(1000, exclusive: false)"
            ),
        ),
        (
            "limit=0",
            lambda q: q.integer("limit", minimum=1),
            "failed to parse parameter `limit`: verification failed. minimum(1, exclusive: false)",
        ),
        (
            "marketType=spot",
            lambda q: q.choices("marketType", MarketType),
            (
                'failed to parse parameter `marketType`: failed to parse "MarketType": '
                "Expect a valid enumeration value."
            ),
        ),
    ],
)
def test_query_that_cannot_be_read_is_refused_in_plain_text(raw, read, expected):
    assert refusal_of(lambda: read(Query(raw))) == (400, None, expected)


def test_query_with_an_unknown_symbol_is_refused_in_json():
    said = (400, "INVALID_CLIENT_REQUEST", "Invalid market symbol")

    assert refusal_of(lambda: Query("symbol=NOPE").symbol(KNOWN)) == said


@given(st.text())
def test_query_of_any_text_is_read_or_refused(raw):
    query = Query(raw)
    query.parameters()
    for read in (
        lambda: query.integer("a", minimum=0, maximum=9),
        lambda: query.symbol(KNOWN),
        lambda: query.choices("a", MarketType),
    ):
        assert outcome(read) in {None, 400}


# --- bodies ---


def test_order_is_read_into_typed_values():
    order = parse_order(GOOD | {"clientId": 5, "postOnly": True, "brokerId": 2200}, KNOWN)

    assert (order.side, order.order_type) == (Side.BID, OrderType.LIMIT)
    assert (order.price, order.quantity) == (Decimal(1), Decimal(2))
    assert (order.client_id, order.post_only) == (5, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"symbol": "NOPE"}, 'failed to parse "MarketSymbol": Invalid market symbol'),
        ({"symbol": None}, 'Type "MarketSymbol" expects an input value.'),
        ({"side": "bid"}, 'failed to parse "Side": Expect a valid enumeration value.'),
        ({"side": 1}, 'Expected input type "string", found 1.'),
        ({"orderType": None}, 'Type "OrderType" expects an input value.'),
        (
            {"timeInForce": "GTD"},
            'failed to parse "TimeInForce": Expect a valid enumeration value.',
        ),
        ({"price": "NaN"}, 'failed to parse "string(decimal)": invalid decimal'),
        ({"price": "1e400"}, 'failed to parse "string(decimal)": invalid decimal'),
        ({"price": "Infinity"}, 'failed to parse "string(decimal)": invalid decimal'),
        ({"price": "٣"}, 'failed to parse "string(decimal)": invalid decimal'),
        ({"price": "1" * 1000}, 'failed to parse "string(decimal)": invalid decimal'),
        ({"price": ""}, 'failed to parse "string(decimal)": invalid decimal'),
        ({"quantity": 2}, 'Expected input type "string", found 2.'),
        ({"quantity": True}, 'Expected input type "string", found true.'),
        ({"clientId": "5"}, 'Expected input type "integer", found "5".'),
        ({"clientId": True}, 'Expected input type "integer", found true.'),
        (
            {"clientId": -1},
            'failed to parse "integer(uint32)": Only integers from 0 to 4294967295 are accepted.',
        ),
        (
            {"clientId": 2**32},
            'failed to parse "integer(uint32)": Only integers from 0 to 4294967295 are accepted.',
        ),
        ({"postOnly": "true"}, 'Expected input type "boolean", found "true".'),
    ],
)
def test_order_that_cannot_be_read_is_refused_in_plain_text(change, reason):
    values = {key: value for key, value in (GOOD | change).items() if value is not None}

    assert refusal_of(lambda: parse_order(values, KNOWN)) == (
        400,
        None,
        f'parse request payload error: {reason} (occurred while parsing "OrderExecutePayload")',
    )


def test_order_with_what_is_not_offered_is_refused_and_not_changed():
    values = GOOD | {"stopLossTriggerPrice": "1"}

    assert refusal_of(lambda: parse_order(values, KNOWN))[:2] == (400, "NOT_IMPLEMENTED")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 200_000,
        '{"a": "b"}'.encode("utf-16"),
    ],
)
def test_body_that_is_not_json_is_refused_in_plain_text(raw):
    status, code, text = refusal_of(lambda: body_of(raw))

    assert (status, code) == (400, None)
    assert text.startswith("parse request payload error: ")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream"])
def test_body_that_is_not_declared_as_json_is_refused(content_type):
    assert refusal_of(lambda: body_of(b"{}", content_type))[0] == 415


def test_numbers_are_kept_as_they_were_written():
    raw = body_of(b'{"a": 1.10, "b": 1e400, "c": ' + b"9" * 400 + b', "d": 7, "e": null}')

    assert signed_parameters(raw, "X") == {"a": "1.10", "b": "1e400", "c": "9" * 400, "d": 7}
    with pytest.raises(Refusal, match="Expected input type"):
        Payload(signed_parameters(raw, "X"), "X").text("a")


@pytest.mark.parametrize("raw", [{}, [], "x", 1, None, [1], [{}] * 51, [[]], [{"a": {}}]])
def test_batch_that_is_none_is_refused(raw):
    assert refusal_of(lambda: parse_batch(raw))[0] == 400


def test_order_is_named_by_exactly_one_id():
    said = (400, "INVALID_CLIENT_REQUEST", "Must specify either `clientId` or `orderId`")

    assert refusal_of(lambda: order_reference("SOL_USDC", None, None)) == said
    assert refusal_of(lambda: order_reference("SOL_USDC", "1", 1)) == said
    assert refusal_of(lambda: order_reference("SOL_USDC", "x", None))[0] == 400
    assert order_reference("SOL_USDC", "28", None).order_id == 28


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from([*GOOD, "clientId", "postOnly", "timeInForce", "triggerPrice"])


@given(st.dictionaries(FIELDS, JSON) | JSON)
def test_any_json_is_an_order_or_a_refusal(value):
    body = json.dumps(value).encode()

    assert outcome(lambda: parse_order(signed_parameters(body_of(body), "X"), KNOWN)) in {None, 400}


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_refusal(raw):
    assert outcome(lambda: body_of(raw)) in {None, 400}
