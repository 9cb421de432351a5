"""Signatures of Hummingbot's own requests, verified with PyNaCl and by hand."""

import base64
import json
import os

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from hummingbot.connector.exchange.backpack.api.endpoints import GetCapital, GetMarkets
from hummingbot.connector.exchange.backpack.api.signing import CredentialsError, generate_key_pair
from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth
from hummingbot.core.web_assistant.connections.data_types import (
    RESTMethod,
    RESTRequest,
    WSJSONRequest,
    WSPlainTextRequest,
)

KEY, SECRET = generate_key_pair(os.urandom(32))
NOW_MS = 1_795_000_000_123
TAIL = f"&timestamp={NOW_MS}&window=5000"


@pytest.fixture
def auth():
    """Keys and a clock that stands still."""
    return BackpackAuth(KEY, SECRET, lambda: NOW_MS / 1000)


def verify(signature, text):
    """Raises unless `signature` is the key's signature of `text`."""
    VerifyKey(base64.b64decode(KEY)).verify(text.encode(), base64.b64decode(signature))


def request(method, path, params=None, data=None):
    return RESTRequest(
        method=method,
        url=f"https://api.backpack.exchange{path}",
        params=params,
        data=None if data is None else json.dumps(data),
        headers={"Content-Type": "application/json"},
        is_auth_required=True,
    )


ORDER = {
    "symbol": "SOL_USDC",
    "side": "Bid",
    "orderType": "Limit",
    "quantity": "1.5",
    "price": "99.5",
    "clientId": 7,
    "postOnly": True,
    "triggerPrice": None,
}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (request(RESTMethod.GET, "/api/v1/capital"), "instruction=balanceQuery"),
        (
            request(
                RESTMethod.GET,
                "/wapi/v1/history/fills",
                {"symbol": "SOL_USDC", "limit": 1000, "from": 12},
            ),
            "instruction=fillHistoryQueryAll&from=12&limit=1000&symbol=SOL_USDC",
        ),
        (
            request(RESTMethod.POST, "/api/v1/order", data=ORDER),
            (
                "instruction=orderExecute&clientId=7&orderType=Limit&postOnly=true&price=99.5"
                "&quantity=1.5&side=Bid&symbol=SOL_USDC"
            ),
        ),
        (
            request(
                RESTMethod.DELETE, "/api/v1/order", data={"symbol": "SOL_USDC", "orderId": "12"}
            ),
            "instruction=orderCancel&orderId=12&symbol=SOL_USDC",
        ),
        (
            request(
                RESTMethod.POST,
                "/api/v1/orders",
                data=[
                    {"symbol": "SOL_USDC", "side": "Ask", "orderType": "Market", "quantity": "2"},
                    {"symbol": "BTC_USDC", "side": "Bid", "orderType": "Market", "quantity": "1"},
                ],
            ),
            (
                "instruction=orderExecute&orderType=Market&quantity=2&side=Ask&symbol=SOL_USDC"
                "&instruction=orderExecute&orderType=Market&quantity=1&side=Bid&symbol=BTC_USDC"
            ),
        ),
    ],
    ids=["GET", "GET with query", "POST", "DELETE", "batch"],
)
async def test_request_is_signed_over_its_instruction_and_sorted_parameters(auth, sent, text):
    """Booleans in small letters, absent values left out, time and window at the end."""
    signed = await auth.rest_authenticate(sent)
    assert signed.headers["X-API-Key"] == KEY
    assert signed.headers["X-Timestamp"] == str(NOW_MS)
    assert signed.headers["X-Window"] == "5000"
    assert signed.headers["Content-Type"] == "application/json"
    verify(signed.headers["X-Signature"], text + TAIL)
    with pytest.raises(BadSignatureError):
        verify(signed.headers["X-Signature"], text + TAIL.replace("5000", "5001"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (RESTMethod.GET, "/api/v1/markets"),
        (RESTMethod.PUT, "/api/v1/order"),
        (RESTMethod.GET, "/api/v1/unheard-of"),
    ],
)
async def test_request_without_an_instruction_is_not_signed_by_guess(auth, method, path):
    """Public and unknown operations have nothing to sign."""
    with pytest.raises(ValueError, match="is not a private operation"):
        await auth.rest_authenticate(request(method, path))


async def test_subscription_is_signed_without_its_topics(auth):
    """Four strings: key, signature, time, window."""
    frame = WSJSONRequest({"method": "SUBSCRIBE", "params": ["account.orderUpdate"]})
    signed = await auth.ws_authenticate(frame)
    assert signed.payload["params"] == ["account.orderUpdate"]
    key, signature, timestamp_ms, window_ms = signed.payload["signature"]
    assert (key, timestamp_ms, window_ms) == (KEY, str(NOW_MS), "5000")
    verify(signature, "instruction=subscribe" + TAIL)


async def test_plain_text_frame_is_left_alone(auth):
    """A ping has no signature."""
    frame = WSPlainTextRequest("ping")
    assert (await auth.ws_authenticate(frame)) is frame
    assert frame.payload == "ping"


def test_typed_request_is_signed_if_it_is_private(auth):
    """A public one gets no headers at all."""
    verify(auth.headers(GetCapital())["X-Signature"], "instruction=balanceQuery" + TAIL)
    assert auth.headers(GetMarkets()) == {}


def test_signature_uses_the_clock_it_was_given():
    """Each signature asks the time anew."""
    now_s = iter([1.0, 2.5])
    auth = BackpackAuth(KEY, SECRET, lambda: next(now_s))
    assert auth.headers(GetCapital())["X-Timestamp"] == "1000"
    assert auth.subscription()[2] == "2500"


async def test_without_keys_public_data_work_and_private_ones_say_what_to_do():
    """Hummingbot builds connectors without keys for public data."""
    auth = BackpackAuth("", "", lambda: 1.0)
    assert auth.headers(GetMarkets()) == {}
    with pytest.raises(CredentialsError, match="Run `connect backpack` first"):
        auth.headers(GetCapital())
    with pytest.raises(CredentialsError, match="no Backpack API key is set"):
        auth.subscription()
    with pytest.raises(CredentialsError):
        await auth.rest_authenticate(request(RESTMethod.GET, "/api/v1/capital"))


def test_secrets_are_in_no_text_of_the_object(auth):
    """Neither in its repr nor in what a debugger prints of its members."""
    shown = repr(auth) + str(vars(auth))
    assert SECRET not in shown
    assert base64.b64decode(SECRET).hex() not in shown
