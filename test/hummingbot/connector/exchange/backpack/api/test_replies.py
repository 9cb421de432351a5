"""From status and bytes to a typed result, a typed error or a `DecodeError`, and nothing else."""

import copy
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import endpoints
from hummingbot.connector.exchange.backpack.api.errors import (
    ApiError,
    DecodeError,
    InvalidRequest,
    Outcome,
    Retry,
)
from hummingbot.connector.exchange.backpack.api.models import OrderStatus
from hummingbot.connector.exchange.backpack.api.replies import parse_reply

MAY_BE_EMPTY = {
    # By the vendor's description: no trades yet; accepted, not yet done.
    "GetTicker": 204,
    "CancelOrder": 202,
    "CancelOrders": 202,
}


@pytest.mark.parametrize(("name", "status"), MAY_BE_EMPTY.items())
def test_reply_without_content_is_none_where_the_exchange_sends_it(requests, name, status):
    """202 means accepted and not yet done, 204 nothing there."""
    assert parse_reply(requests[name], status, b"") is None


@pytest.mark.parametrize("status", [202, 204])
@pytest.mark.parametrize(
    "name",
    sorted({endpoint.__name__ for endpoint in endpoints.ENDPOINTS} - {*MAY_BE_EMPTY, "Ping"}),
)
def test_reply_without_content_anywhere_else_cannot_be_read(requests, name, status):
    """Nobody may take ``None`` for an order. (A ping is any text, even none.)"""
    with pytest.raises(DecodeError) as caught:
        parse_reply(requests[name], status, b"")
    assert caught.value.outcome is Outcome.UNKNOWN


def test_reply_empty_replies_are_those_of_the_vendor(vendor):
    """The description lists 202 and 204 for exactly these operations."""
    for endpoint in endpoints.ENDPOINTS:
        described = vendor["paths"][endpoint.path][endpoint.method.value.lower()]["responses"]
        empty = {int(status) for status in described} & {202, 204}
        expected = MAY_BE_EMPTY.get(endpoint.__name__)
        assert empty == ({expected} if expected else set()), endpoint.__name__


@pytest.mark.parametrize("status", [300, 304, 400, 404, 429, 500, 503, 100, 199])
def test_reply_with_an_error_status_is_an_api_error_that_names_the_request(requests, status):
    """Whatever the body holds, even a body that would decode."""
    with pytest.raises(ApiError) as caught:
        parse_reply(requests["GetStatus"], status, b'{"status":"Ok"}')
    assert caught.value.status == status
    assert caught.value.request == "GET /api/v1/status"


def test_reply_with_an_error_body_is_classified(requests):
    """Code and text of the exchange are kept."""
    with pytest.raises(InvalidRequest) as caught:
        parse_reply(
            requests["GetDepth"],
            400,
            b'{"code":"INVALID_CLIENT_REQUEST","message":"Invalid market symbol"}',
        )
    assert caught.value.code == "INVALID_CLIENT_REQUEST"
    assert caught.value.message == "Invalid market symbol"


@pytest.mark.parametrize("status", [200, 201, 203, 299])
def test_reply_with_any_other_success_status_is_decoded(requests, status):
    """Only the statuses without content are special."""
    assert parse_reply(requests["GetTime"], status, b"1795000000123") == 1_795_000_000_123


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'"New"',
        b'{"id":1}',
        b"\xff\xfe",
        b'{"id":"\xff"}',
        b'{"id":' + b"[" * 200_000,
        b'{"later":' + b"[" * 200_000,
        b'{"id":"1","later":' * 100_000,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_reply_that_does_not_fit_leaves_the_outcome_unknown(requests, body):
    """After a write the order may live, whatever came back."""
    with pytest.raises(DecodeError) as caught:
        parse_reply(requests["ExecuteOrder"], 200, body)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.retry is Retry.BACKOFF
    assert caught.value.what == "POST /api/v1/order"
    assert caught.value.payload == body
    assert len(str(caught.value)) < 600


def test_reply_plain_text_that_is_no_text_cannot_be_read(requests):
    """Bytes that are not UTF-8."""
    with pytest.raises(DecodeError):
        parse_reply(requests["Ping"], 200, b"\xff")


@pytest.mark.parametrize("body", [b"soon", b"12.5", b'"soon"', b"9" * 5_000])
def test_reply_time_that_is_no_whole_number_cannot_be_read(requests, body):
    """Digits, and not too many of them."""
    with pytest.raises(DecodeError):
        parse_reply(requests["GetTime"], 200, body)


def test_reply_numbers_as_text_and_text_as_numbers_are_both_read(requests, rest_payloads, as_sent):
    """Sources disagree on some fields; ids sent either way give the same depth and fill."""
    depth = copy.deepcopy(rest_payloads["GetDepth"][0])
    expected = parse_reply(requests["GetDepth"], 200, as_sent(depth))
    depth |= {"lastUpdateId": int(depth["lastUpdateId"]), "timestamp": str(depth["timestamp"])}
    assert parse_reply(requests["GetDepth"], 200, as_sent(depth)) == expected
    fill = copy.deepcopy(rest_payloads["GetFills"][0])
    expected = parse_reply(requests["GetFills"], 200, as_sent(fill))
    fill[0] |= {"clientId": int(fill[0]["clientId"]), "tradeId": str(fill[0]["tradeId"])}
    assert parse_reply(requests["GetFills"], 200, as_sent(fill)) == expected


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_reply_mutated_in_any_way_gives_the_model_or_a_decode_error(draw_reply, mutate, data):
    """Nothing else is raised, and what is returned is of the declared type."""
    request, payload = draw_reply(data.draw)
    body = mutate(data.draw, payload)
    try:
        result = parse_reply(request, 200, body)
    except DecodeError:
        return
    msgspec.convert(msgspec.to_builtins(result), type=request.response, strict=False)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["GetOrder", "CancelOrder", "ExecuteOrder"]))
def test_reply_order_mutated_never_gets_a_state_that_was_not_sent(
    requests, rest_payloads, mutate, data, name
):
    """The one field that may end an order is never filled in by a default."""
    body = mutate(data.draw, rest_payloads[name][0])
    try:
        order = parse_reply(requests[name], 200, body)
    except DecodeError:
        return
    assert isinstance(order.status, OrderStatus)
    assert json.loads(body.decode(errors="replace"))["status"] == order.status.value


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(100, 599), st.binary(max_size=40))
def test_reply_of_any_status_and_bytes_gives_a_result_or_a_typed_error(
    requests, data, status, body
):
    """A proxy may answer anything."""
    request = data.draw(st.sampled_from(list(requests.values())))
    try:
        result = parse_reply(request, status, body)
    except ApiError:
        assert not 200 <= status < 300
    except DecodeError:
        assert 200 <= status < 300
    else:
        assert result is not None or (status in {202, 204} and request.may_be_empty)
