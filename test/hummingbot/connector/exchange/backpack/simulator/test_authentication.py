"""Who signed: every part of a signed request is checked, and nothing else is needed."""

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import CancelOrder, GetCapital
from hummingbot.connector.exchange.backpack.api.signing import Signer, generate_key_pair
from hummingbot.connector.exchange.backpack.simulator.authentication import Authenticator
from hummingbot.connector.exchange.backpack.simulator.events import Refusal

NOW_MS = 1_788_285_244_094
KEY, SECRET = generate_key_pair(b"a" * 32)
SIGNER = Signer(KEY, SECRET)
STRANGER = Signer(*generate_key_pair(b"b" * 32))
CANCEL = CancelOrder(symbol="SOL_USDC", order_id="28")


@pytest.fixture
def authenticator():
    return Authenticator({KEY: "main"}, lambda: NOW_MS)


def headers_of(endpoint=CANCEL, *, signer=SIGNER, timestamp_ms=NOW_MS, window_ms=5000, **changes):
    signed = signer.headers(endpoint, timestamp_ms=timestamp_ms, window_ms=window_ms)
    headers = {name.lower(): value for name, value in signed.items()}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}


def refusal_of(authenticator, headers, endpoint=CANCEL):
    with pytest.raises(Refusal) as caught:
        authenticator.account_of_request(headers, endpoint.signed_parts())
    return caught.value.status, caught.value.code, caught.value.message


def test_a_good_signature_names_the_account(authenticator):
    assert authenticator.account_of_request(headers_of(), CANCEL.signed_parts()) == "main"


def test_the_window_may_be_left_out_but_is_signed(authenticator):
    headers = headers_of(x_window=None)

    assert authenticator.account_of_request(headers, CANCEL.signed_parts()) == "main"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x_api_key": None}, (401, "UNAUTHORIZED", "Unauthorized")),
        ({"x_api_key": "x"}, (401, "UNAUTHORIZED", "Unauthorized")),
        ({"signer": STRANGER}, (401, "UNAUTHORIZED", "Unauthorized")),
        (
            {"signer": STRANGER, "x_api_key": KEY},
            (400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
        ),
        ({"x_signature": "%%"}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Signature header")),
        ({"x_signature": None}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Signature header")),
        ({"x_signature": "QUJD"}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Signature header")),
        ({"x_timestamp": "soon"}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp header")),
        ({"x_timestamp": "9" * 99}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp header")),
        ({"x_timestamp": "٣"}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp header")),
        ({"x_window": "-1"}, (400, "INVALID_CLIENT_REQUEST", "Invalid X-Window header")),
        ({"timestamp_ms": NOW_MS - 5001}, (400, "INVALID_CLIENT_REQUEST", "Request has expired")),
        (
            {"timestamp_ms": NOW_MS - 600_001},
            (
                400,
                "INVALID_CLIENT_REQUEST",
                "Invalid timestamp: must be within 10 minutes of current time",
            ),
        ),
        (
            {"timestamp_ms": NOW_MS + 600_001},
            (
                400,
                "INVALID_CLIENT_REQUEST",
                "Invalid timestamp: must be within 10 minutes of current time",
            ),
        ),
        (
            {"window_ms": 60_001},
            (
                400,
                "INVALID_CLIENT_REQUEST",
                "Invalid window: must be between 1 and 60000 milliseconds",
            ),
        ),
        ({"endpoint": GetCapital()}, (400, "INVALID_CLIENT_REQUEST", "Invalid signature")),
    ],
)
def test_anything_wrong_is_refused(authenticator, changes, expected):
    assert refusal_of(authenticator, headers_of(**changes)) == expected


def test_a_request_is_good_to_the_end_of_its_window(authenticator):
    headers = headers_of(timestamp_ms=NOW_MS - 60_000, window_ms=60_000)

    assert authenticator.account_of_request(headers, CANCEL.signed_parts()) == "main"


def test_a_changed_parameter_is_noticed(authenticator):
    moved = CancelOrder(symbol="SOL_USDC", order_id="29")

    assert refusal_of(authenticator, headers_of(), moved)[2] == "Invalid signature"


def test_a_lone_surrogate_is_a_wrong_signature_and_no_crash(authenticator):
    parts = [("orderCancel", {"symbol": "\ud800"})]

    with pytest.raises(Refusal):
        authenticator.account_of_request(headers_of(), parts)


def test_a_subscription_is_signed_for_itself(authenticator):
    signature = SIGNER.subscription(timestamp_ms=NOW_MS)

    assert authenticator.account_of_subscription(signature) == "main"
    with pytest.raises(Refusal, match="Invalid signature"):
        authenticator.account_of_subscription([KEY, signature[1], str(NOW_MS - 1), "5000"])
