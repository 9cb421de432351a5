"""From status and body to the typed error whose `outcome` and `retry` drive all policy."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api import errors
from hummingbot.connector.exchange.backpack.api.errors import (
    ApiErrorCode,
    Outcome,
    Retry,
    classify,
    refusal,
)
from hummingbot.connector.exchange.backpack.api.replies import parse_reply

PLACE, QUERY, CANCEL = (f"{method} /api/v1/order" for method in ("POST", "GET", "DELETE"))
DEPTH = "GET /api/v1/depth"

DEFINITE, FATAL_AUTH = (Outcome.REJECTED, Retry.NEVER), (Outcome.REJECTED, Retry.NEVER)
RESYNC, UNKNOWN = (Outcome.REJECTED, Retry.AFTER_RESYNC), (Outcome.UNKNOWN, Retry.BACKOFF)
POLICY = {
    errors.TransportError: UNKNOWN,
    errors.NotSent: (Outcome.REJECTED, Retry.BACKOFF),
    errors.HeldBack: (Outcome.REJECTED, Retry.BACKOFF),
    errors.DecodeError: UNKNOWN,
    errors.AuthenticationError: FATAL_AUTH,
    errors.ClockSkewError: RESYNC,
    errors.RateLimited: UNKNOWN,
    errors.ExchangeUnavailable: UNKNOWN,
    errors.RequestRefused: DEFINITE,
    errors.ResourceNotFound: DEFINITE,
    errors.OrderNotFound: DEFINITE,
    errors.InvalidRequest: DEFINITE,
    errors.InvalidOrder: DEFINITE,
    errors.PostOnlyWouldCross: DEFINITE,
    errors.DuplicateClientId: DEFINITE,
    errors.NotFillable: DEFINITE,
    errors.InsufficientFunds: DEFINITE,
    errors.LimitReached: DEFINITE,
    errors.AccountRestricted: DEFINITE,
    errors.MarketUnavailable: DEFINITE,
    errors.SequenceGap: UNKNOWN,
    errors.SubscriptionRejected: UNKNOWN,
}

# What each code of the vendor means for whoever sent the request.
CODES = {
    errors.AccountRestricted: ["ACCOUNT_DEACTIVATED", "ACCOUNT_LIQUIDATING"],
    errors.AuthenticationError: [
        *("FORBIDDEN", "INVALID_SIGNATURE", "INVALID_TWO_FACTOR_CODE", "UNAUTHORIZED"),
    ],
    errors.ExchangeUnavailable: ["MAINTENANCE", "SERVER_ERROR", "TIMEOUT", "TOO_EARLY"],
    errors.InsufficientFunds: [
        *("BORROW_REQUIRES_LEND_REDEEM", "INSUFFICIENT_FUNDS", "INSUFFICIENT_MARGIN"),
        *("INSUFFICIENT_SUPPLY", "LEND_REQUIRES_BORROW_REPAY"),
    ],
    errors.InvalidOrder: ["INVALID_ORDER"],
    errors.InvalidRequest: [
        *("INVALID_ASSET", "INVALID_CLIENT_REQUEST", "INVALID_MARKET", "INVALID_PRICE"),
        *("INVALID_POSITION_ID", "INVALID_QUANTITY", "INVALID_RANGE", "INVALID_SOURCE"),
        "INVALID_SYMBOL",
    ],
    errors.LimitReached: [
        *("BORROW_LIMIT", "LEND_LIMIT", "MAX_LEVERAGE_REACHED", "ORDER_LIMIT", "POSITION_LIMIT"),
    ],
    errors.MarketUnavailable: ["TRADING_PAUSED"],
    errors.RateLimited: ["TOO_MANY_REQUESTS"],
    errors.RequestRefused: ["NOT_IMPLEMENTED", "PRECONDITION_FAILED"],
    errors.ResourceNotFound: ["RESOURCE_NOT_FOUND"],
}
BY_CODE = {code: kind for kind, codes in CODES.items() for code in codes}


def body(code, message=""):
    """An error body as the exchange sends it."""
    return json.dumps({"code": code, "message": message}).encode()


def subclasses(kind):
    """All classes below one."""
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


# --- the classes ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "policy"), POLICY.items(), ids=str)
def test_error_has_the_outcome_and_the_retry_of_its_kind(kind, policy):
    """A refusal is definite; whatever may have been executed is unknown."""
    assert (kind.outcome, kind.retry) == policy


def test_errors_are_all_covered_by_the_policy_and_are_io_errors():
    """Hummingbot retries only IOError, so every error has to be one."""
    here = {kind for kind in subclasses(errors.BackpackError) if kind.__module__ == errors.__name__}
    assert here - {errors.ApiError, errors.StreamError} == set(POLICY)
    assert issubclass(errors.BackpackError, IOError)


def test_error_of_unknown_outcome_is_never_given_up():
    """Never both unknown and final: somebody has to look the order up."""
    for kind in subclasses(errors.BackpackError):
        assert kind.outcome is not Outcome.UNKNOWN or kind.retry is Retry.BACKOFF


def test_order_not_found_is_a_resource_not_found_and_no_invalid_order():
    """For a cancel it says that the order is gone, not that the request was wrong."""
    assert issubclass(errors.OrderNotFound, errors.ResourceNotFound)
    assert not issubclass(errors.OrderNotFound, errors.InvalidOrder)


def test_transport_error_tells_the_request_and_the_reason():
    """And where to look."""
    error = errors.TransportError(PLACE, "timed out")
    assert (error.request, error.reason) == (PLACE, "timed out")
    assert str(error) == f"{PLACE}: no reply (timed out). Check the network connection."


def test_error_of_a_request_that_was_held_back_blames_no_network():
    """Nobody was asked, so there is no reply that could be missing."""
    error = errors.HeldBack(PLACE, "the request limit is used up.")
    assert isinstance(error, errors.NotSent)
    assert str(error) == f"{PLACE}: not sent, because the request limit is used up."


def test_decode_error_keeps_the_payload_and_shows_its_beginning():
    """Whatever it is, and not a megabyte of it."""
    payload = b"\xff" + b"x " * 500_000
    error = errors.DecodeError("stream frame", "no JSON", payload)
    assert (error.what, error.payload) == ("stream frame", payload)
    assert str(error).startswith("stream frame: cannot be read (no JSON): \ufffdx x")
    assert len(str(error)) < 300


def test_api_error_tells_request_code_text_status_and_advice():
    """In words a trader understands."""
    error = classify(PLACE, 400, body("INSUFFICIENT_FUNDS", "Insufficient funds"))
    assert (error.request, error.status) == (PLACE, 400)
    assert (error.code, error.message) == ("INSUFFICIENT_FUNDS", "Insufficient funds")
    assert str(error) == (
        "POST /api/v1/order: INSUFFICIENT_FUNDS: Insufficient funds (HTTP 400). "
        "Lower the amount, free funds by cancelling orders, or deposit."
    )


def test_api_error_without_code_or_advice_has_no_empty_parts():
    """A plain text stands alone; a sentence ends where the text does."""
    error = errors.RequestRefused(PLACE, 409, None, "no")
    assert str(error) == "POST /api/v1/order: no (HTTP 409)."


def test_sequence_gap_tells_what_was_expected_and_found():
    """For the log of a resync."""
    gap = errors.SequenceGap("ABC_USDC", expected=5, found=9)
    assert (gap.symbol, gap.expected, gap.found) == ("ABC_USDC", 5, 9)
    assert str(gap) == "ABC_USDC: order book update 5 expected, 9 found"


# --- codes ----------------------------------------------------------------------------------


def test_codes_are_exactly_the_vendors(vendor):
    """A code added later shows here."""
    described = vendor["components"]["schemas"]["ApiErrorCode"]["enum"]
    assert [code.value for code in ApiErrorCode] == described


def test_codes_are_thirty_five_and_all_have_an_expectation():
    """None is left to chance."""
    assert len(ApiErrorCode) == 35
    assert {code.value for code in ApiErrorCode} == set(BY_CODE)


@pytest.mark.parametrize(("code", "kind"), BY_CODE.items())
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
def test_classify_goes_by_the_code_and_not_by_the_status(code, kind, status):
    """Statuses of most codes were never recorded."""
    error = classify("GET /api/v1/markets", status, body(code, "?"))
    assert type(error) is kind
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize(("code", "kind"), BY_CODE.items())
def test_refusal_in_a_batch_is_typed_like_the_same_answer_to_one_order(code, kind):
    """It has no status of its own."""
    error = refusal("POST /api/v1/orders", code, "?")
    assert type(error) is kind
    assert (error.code, error.message) == (code, "?")
    assert error.status == 200


def test_classify_code_without_a_message_is_enough():
    """The text is for people; the code decides."""
    error = classify(PLACE, 400, b'{"code":"INSUFFICIENT_FUNDS"}')
    assert type(error) is errors.InsufficientFunds
    assert error.message == ""


def test_refusal_in_a_batch_goes_by_the_text_too():
    """A post-only order of a batch may cross as well."""
    error = refusal(
        "POST /api/v1/orders", "INVALID_ORDER", "Order would immediately match and take"
    )
    assert type(error) is errors.PostOnlyWouldCross


def test_refusal_in_a_batch_with_an_unknown_code_leaves_the_outcome_unknown():
    """Better looked up than taken for granted."""
    assert refusal("POST /api/v1/orders", "NEW_CODE", "?").outcome is Outcome.UNKNOWN


STATUSES = {
    errors.InvalidRequest: [400, 405, 413, 415, 422],
    errors.AuthenticationError: [401, 403],
    errors.ResourceNotFound: [404],
    errors.RateLimited: [429],
    errors.ExchangeUnavailable: [302, 408, 418, 500, 502, 503, 504, 520, 599],
}
BY_STATUS = [(status, kind) for kind, statuses in STATUSES.items() for status in statuses]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize(
    "reply",
    [body("A_NEW_CODE", "?"), b"some text", b"", b"\xff\xfe\x00", b'{"message":"no code"}', b"[1]"],
    ids=["unknown code", "text", "empty", "no UTF-8", "JSON without a code", "other JSON"],
)
def test_classify_goes_by_the_status_where_there_is_no_known_code(status, kind, reply):
    """An unreadable or unknown answer keeps at least the meaning of its status."""
    error = classify("GET /api/v1/markets", status, reply)
    assert type(error) is kind
    assert error.status == status
    assert str(error)


def test_classify_empty_reply_says_so():
    """An error without words would leave the trader with nothing."""
    error = classify(PLACE, 500, b" \n")
    assert error.message == "empty reply"
    assert error.code is None


@pytest.mark.parametrize("status", [400, 403, 404, 429, 502, 503])
@pytest.mark.parametrize("page", [b"<html><b>403</b>", b"\r\n <!DOCTYPE HTML>" + b"x" * 100_000])
def test_classify_web_page_of_the_front_end_leaves_the_outcome_unknown(status, page):
    """Behind a page of the CDN nobody knows what the exchange did."""
    error = classify(PLACE, status, page)
    assert type(error) is errors.ExchangeUnavailable
    assert "web page" in error.message
    assert "<" not in str(error)


# --- plain text -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_name", "status", "text", "kind"),
    [
        (
            PLACE,
            400,
            (
                'parse request payload error: failed to parse "MarketSymbol": Invalid market '
                'symbol (occurred while parsing "OrderExecutePayload")'
            ),
            errors.InvalidRequest,
        ),
        (
            DEPTH,
            400,
            (
                'failed to parse parameter `limit`: failed to parse "DepthLimit": Expect a valid '
                "enumeration value."
            ),
            errors.InvalidRequest,
        ),
        ("GET /api/v1/nothing", 404, "not found", errors.ResourceNotFound),
        (QUERY, 404, "not found", errors.ResourceNotFound),
        (PLACE, 429, "You have exceeded the rate limit", errors.RateLimited),
        (PLACE, 503, "Service Unavailable", errors.ExchangeUnavailable),
        (PLACE, 504, "upstream request timeout", errors.ExchangeUnavailable),
    ],
)
def test_classify_plain_text_keeps_the_text_and_has_no_code(request_name, status, text, kind):
    """Parsing failures and unknown routes are no JSON; an unknown route is no missing order."""
    error = classify(request_name, status, text.encode())
    assert type(error) is kind
    assert (error.code, error.message) == (None, text)


@pytest.mark.parametrize("place", ["{} is not a signature", " {}", "{}"])
def test_classify_text_that_begins_with_a_signature_is_no_web_page(place):
    """What is shown instead of the signature looks like a page, but the refusal is definite."""
    error = classify(PLACE, 400, place.format("A" * 86 + "==").encode())
    assert type(error) is errors.InvalidRequest
    assert error.message.startswith("<left out>")


# --- what sources contradict each other about -----------------------------------------------


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("INVALID_CLIENT_REQUEST", "Invalid signature"),
        ("INVALID_CLIENT_REQUEST", "Invalid X-Signature header"),
        ("INVALID_SIGNATURE", "Invalid signature"),
        ("INVALID_SIGNATURE", ""),
        ("UNAUTHORIZED", "Unauthorized"),
    ],
)
def test_classify_bad_signature_in_every_variant_is_fatal(status, code, message):
    """Two codes, two statuses: it will be refused again whatever the spelling."""
    error = classify(PLACE, status, body(code, message))
    assert type(error) is errors.AuthenticationError


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize(
    "message",
    [
        "Request has expired",
        "Invalid timestamp: must be within 10 minutes of current time",
        "REQUEST HAS EXPIRED",
    ],
)
def test_classify_wrong_clock_asks_for_a_resync(status, message):
    """It shares its code with any bad parameter, so the text decides."""
    error = classify(PLACE, status, body("INVALID_CLIENT_REQUEST", message))
    assert type(error) is errors.ClockSkewError


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("code", ["RESOURCE_NOT_FOUND", "INVALID_CLIENT_REQUEST"])
@pytest.mark.parametrize("message", ["Not Found", "Order not found"])
@pytest.mark.parametrize("request_name", [CANCEL, QUERY])
def test_classify_missing_order_in_every_variant_is_order_not_found(
    request_name, code, message, status
):
    """Two codes, two messages, two statuses."""
    error = classify(request_name, status, body(code, message))
    assert type(error) is errors.OrderNotFound


@pytest.mark.parametrize(
    ("request_name", "code", "message", "kind"),
    [
        (DEPTH, "RESOURCE_NOT_FOUND", "Not Found", errors.ResourceNotFound),
        (DEPTH, "INVALID_CLIENT_REQUEST", "Invalid market symbol", errors.InvalidRequest),
        ("GET /api/v1/ticker", "INVALID_CLIENT_REQUEST", "Not Found", errors.InvalidRequest),
        (CANCEL, "INVALID_CLIENT_REQUEST", "Symbol not found", errors.InvalidRequest),
        (PLACE, "RESOURCE_NOT_FOUND", "Not Found", errors.ResourceNotFound),
        ("DELETE /api/v1/orders", "RESOURCE_NOT_FOUND", "Not Found", errors.ResourceNotFound),
    ],
)
def test_classify_anything_else_missing_is_no_missing_order(request_name, code, message, kind):
    """A closed market, an unknown symbol, or an order that was only being placed."""
    assert type(classify(request_name, 404, body(code, message))) is kind


@pytest.mark.parametrize("code", ["INVALID_ORDER", "INVALID_CLIENT_REQUEST"])
@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Order would immediately match and take", errors.PostOnlyWouldCross),
        ("Order with client ID already exists: 123456739", errors.DuplicateClientId),
        ("Fill or kill order would not complete fill immediately", errors.NotFillable),
        ("No liquidity for market order", errors.NotFillable),
    ],
)
def test_classify_refused_order_goes_by_its_text(code, message, kind):
    """Each of these tells the trader something else to do."""
    error = classify(PLACE, 400, body(code, message))
    assert type(error) is kind
    assert isinstance(error, errors.InvalidOrder)


@pytest.mark.parametrize("message", ["Invalid order", "Reduce only order not reduced", ""])
def test_classify_refused_order_of_no_known_text_is_an_invalid_order(message):
    """Refused all the same."""
    assert type(classify(PLACE, 400, body("INVALID_ORDER", message))) is errors.InvalidOrder


def test_classify_text_of_another_code_is_not_looked_at():
    """A code that says what it means is not overruled by its words."""
    error = classify(PLACE, 503, body("MAINTENANCE", "Invalid signature, order not found"))
    assert type(error) is errors.ExchangeUnavailable


# --- the samples ----------------------------------------------------------------------------

SAMPLES = {
    "error_cancel_order_not_found": (CANCEL, errors.OrderNotFound),
    "error_cancel_requires_id": (CANCEL, errors.InvalidRequest),
    "error_closed_market_depth": (DEPTH, errors.ResourceNotFound),
    "error_depth_limit_plaintext": (DEPTH, errors.InvalidRequest),
    "error_duplicate_client_id": (PLACE, errors.DuplicateClientId),
    "error_fill_or_kill": (PLACE, errors.NotFillable),
    "error_insufficient_funds": (PLACE, errors.InsufficientFunds),
    "error_insufficient_margin": (PLACE, errors.InsufficientFunds),
    "error_invalid_market_symbol": (DEPTH, errors.InvalidRequest),
    "error_invalid_order": (PLACE, errors.InvalidOrder),
    "error_invalid_signature": (PLACE, errors.AuthenticationError),
    "error_invalid_signature_header": (PLACE, errors.AuthenticationError),
    "error_invalid_timestamp_header": (PLACE, errors.ClockSkewError),
    "error_maintenance": (PLACE, errors.ExchangeUnavailable),
    "error_market_positive_quantity": (PLACE, errors.InvalidRequest),
    "error_market_requires_quantity": (PLACE, errors.InvalidRequest),
    "error_order_not_found": (QUERY, errors.OrderNotFound),
    "error_order_unknown_symbol_plaintext": (PLACE, errors.InvalidRequest),
    "error_post_only_would_match": (PLACE, errors.PostOnlyWouldCross),
    "error_price_decimals": (PLACE, errors.InvalidRequest),
    "error_quantity_decimals": (PLACE, errors.InvalidRequest),
    "error_quantity_min": (PLACE, errors.InvalidRequest),
    "error_rate_limit": (PLACE, errors.RateLimited),
    "error_request_expired": (PLACE, errors.ClockSkewError),
    "error_server_error": (PLACE, errors.ExchangeUnavailable),
    "error_symbol_not_found": ("GET /api/v1/markPrices", errors.InvalidRequest),
    "error_trigger_both_or_neither": (PLACE, errors.InvalidRequest),
    "error_unknown_path_plaintext": ("GET /api/v1/nothing", errors.ResourceNotFound),
}


def test_samples_of_errors_are_all_classified(shared):
    """A sample that is added later needs an expectation."""
    assert {file.stem for file in (shared / "samples").glob("error_*.json")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_of_an_error_is_classified(sample, as_sent, name):
    """Status and body as in the sample; the exchange's text is kept."""
    request, kind = SAMPLES[name]
    content = sample(name, whole=True)
    payload = content["payload"]
    error = classify(request, content["http_status"], as_sent(payload))
    assert type(error) is kind
    assert error.message == (payload if isinstance(payload, str) else payload["message"])
    assert error.code == (None if isinstance(payload, str) else payload["code"])


# --- whatever comes -------------------------------------------------------------------------

REQUESTS = st.sampled_from([PLACE, QUERY, CANCEL, DEPTH, "POST /api/v1/orders"])
BODIES = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass"))
    | st.builds(
        body,
        st.sampled_from([code.value for code in ApiErrorCode]) | st.text(max_size=5),
        st.text(max_size=60),
    )
    | st.dictionaries(
        st.sampled_from(["code", "message", "x"]), st.none() | st.integers() | st.text(max_size=5)
    ).map(lambda value: json.dumps(value).encode())
)


@settings(max_examples=400, deadline=None)
@given(REQUESTS, st.integers(-1, 1_000), BODIES)
def test_classify_of_anything_is_an_api_error(request_name, status, reply):
    """No status and no body makes the classifier itself fail."""
    error = classify(request_name, status, reply)
    assert isinstance(error, errors.ApiError)
    assert (error.request, error.status) == (request_name, status)
    assert type(error) in POLICY


@pytest.mark.parametrize(
    "reply",
    [b"[" * 200_000, b'{"code":"INVALID_ORDER","later":' + b"[" * 200_000, b'{"a":' * 100_000],
    ids=["lists", "within an object", "objects"],
)
def test_classify_of_a_deeply_nested_body_goes_by_the_status(reply):
    """A reply that exhausts the parser's stack is as unreadable as any other."""
    error = classify(PLACE, 503, reply)
    assert type(error) is errors.ExchangeUnavailable
    assert len(str(error)) < 500


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([500, 502, 503, 504, 408, 520]), st.binary(max_size=60))
def test_classify_of_a_server_failure_without_a_code_never_ends_an_order(status, reply):
    """Only a definite refusal may."""
    assert classify(PLACE, status, b"\x00" + reply).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("name", ["ExecuteOrder", "CancelOrder", "GetAccount", "GetOrder"])
@pytest.mark.parametrize(
    "answer",
    [
        (400, b'{"code":"INVALID_CLIENT_REQUEST","message":"Invalid signature"}'),
        (401, b""),
        (403, b"<html>"),
        (500, b"\xff"),
        (200, b"[0]"),
    ],
)
def test_error_texts_never_hold_key_secret_or_signature(requests, signer, key_pair, name, answer):
    """An error names the request by method and path, not by its headers."""
    headers = signer.headers(requests[name], timestamp_ms=1_795_000_000_000)
    try:
        result = parse_reply(requests[name], *answer)
    except errors.BackpackError as e:
        shown = f"{e!s} {e!r} {vars(e)!r}"
        assert requests[name].path in shown
        for secret in (*key_pair, headers["X-API-Key"], headers["X-Signature"]):
            assert secret not in shown
    else:
        pytest.fail(f"no error, but {result!r}")


@given(raw=st.binary(min_size=64, max_size=64), place=st.integers(0, 230), form=st.integers(0, 2))
def test_no_signature_that_the_exchange_repeats_is_ever_shown(raw, place, form):
    """Base64, hex or percent-encoded, anywhere in a body of any kind, even cut in the middle."""
    signature = (
        base64.b64encode(raw).decode(),
        raw.hex(),
        quote(base64.b64encode(raw).decode(), safe=""),
    )[form]
    said = f"{'word ' * (place // 5)}{signature} was refused"
    shown = [
        classify(PLACE, 400, json.dumps({"code": "INVALID_SIGNATURE", "message": said}).encode()),
        classify(PLACE, 400, json.dumps({"code": said, "message": "no"}).encode()),
        classify(PLACE, 503, said.encode()),
        refusal(PLACE, "INVALID_ORDER", said),
        errors.DecodeError(PLACE, said, said.encode()),
        errors.TransportError(PLACE, said),
        errors.HeldBack(PLACE, said),
        errors.SubscriptionRejected(4003, said),
    ]
    for error in shown:
        for text in (str(error), repr(error), getattr(error, "message", "")):
            assert signature[:20] not in text
