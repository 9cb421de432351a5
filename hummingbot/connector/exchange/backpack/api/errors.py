"""What can go wrong on the wire, as types, and the one function that decides which type it is.

::

    BackpackError(IOError)
    ├─ TransportError            timeout, disconnect, unreachable host          UNKNOWN   BACKOFF
    │   └─ NotSent               no connection: nothing was sent                REJECTED  BACKOFF
    │       └─ HeldBack          the connector itself did not send it           REJECTED  BACKOFF
    ├─ DecodeError               a reply or frame that does not fit its model   UNKNOWN   BACKOFF
    ├─ ApiError                  the exchange answered with an error
    │   ├─ AuthenticationError   key, signature or permission refused           REJECTED  NEVER
    │   ├─ ClockSkewError        timestamp expired or too far off               REJECTED  RESYNC
    │   ├─ RateLimited           429, TOO_MANY_REQUESTS                         UNKNOWN   BACKOFF
    │   ├─ ExchangeUnavailable   maintenance, time-out, 5xx, a page of the CDN  UNKNOWN   BACKOFF
    │   └─ RequestRefused        a definite no                                  REJECTED  NEVER
    │       ├─ ResourceNotFound ─ OrderNotFound
    │       ├─ InvalidRequest, AccountRestricted, LimitReached, MarketUnavailable
    │       └─ InsufficientFunds, PostOnlyWouldCross, DuplicateClientId, NotFillable, InvalidOrder
    └─ StreamError ─ SequenceGap, SubscriptionRejected                          UNKNOWN   BACKOFF

`outcome` and `retry` drive all policy. After a write, UNKNOWN means that the order may live: look
it up by its client id, never send it again blindly.
"""

import re
from enum import Enum, StrEnum
from typing import ClassVar

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What the decoder raises: no JSON, no text, of another shape, or nested too deeply."""

_EXCERPT_CHARACTERS = 200
# The exchange may repeat a request's signature (88 characters of base64, 128 of hex). No word and
# no number is as long.
_SIGNATURE = re.compile(r"[A-Za-z0-9+/_%=-]{64,}")
_LONGEST_SIGNATURE = 400


def _shown(text: str) -> str:
    """What may be shown of a text that came from outside."""
    return _SIGNATURE.sub("<left out>", text)


def _excerpt(payload: bytes) -> str:
    # Cut after the signatures are gone: half of one is not recognised.
    text = payload[: _EXCERPT_CHARACTERS + _LONGEST_SIGNATURE].decode(errors="replace")
    return _shown(text)[:_EXCERPT_CHARACTERS]


class Outcome(Enum):
    """What is known of a request that failed."""

    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Retry(Enum):
    """When the same request may succeed."""

    NEVER = "never"
    AFTER_RESYNC = "after resync"
    BACKOFF = "backoff"


class ApiErrorCode(StrEnum):
    """The codes of the interface description."""

    ACCOUNT_DEACTIVATED = "ACCOUNT_DEACTIVATED"
    ACCOUNT_LIQUIDATING = "ACCOUNT_LIQUIDATING"
    BORROW_LIMIT = "BORROW_LIMIT"
    BORROW_REQUIRES_LEND_REDEEM = "BORROW_REQUIRES_LEND_REDEEM"
    FORBIDDEN = "FORBIDDEN"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    INSUFFICIENT_MARGIN = "INSUFFICIENT_MARGIN"
    INSUFFICIENT_SUPPLY = "INSUFFICIENT_SUPPLY"
    INVALID_ASSET = "INVALID_ASSET"
    INVALID_CLIENT_REQUEST = "INVALID_CLIENT_REQUEST"
    INVALID_MARKET = "INVALID_MARKET"
    INVALID_ORDER = "INVALID_ORDER"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_POSITION_ID = "INVALID_POSITION_ID"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    INVALID_RANGE = "INVALID_RANGE"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    INVALID_SOURCE = "INVALID_SOURCE"
    INVALID_SYMBOL = "INVALID_SYMBOL"
    INVALID_TWO_FACTOR_CODE = "INVALID_TWO_FACTOR_CODE"
    LEND_LIMIT = "LEND_LIMIT"
    LEND_REQUIRES_BORROW_REPAY = "LEND_REQUIRES_BORROW_REPAY"
    MAINTENANCE = "MAINTENANCE"
    MAX_LEVERAGE_REACHED = "MAX_LEVERAGE_REACHED"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    ORDER_LIMIT = "ORDER_LIMIT"
    POSITION_LIMIT = "POSITION_LIMIT"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    SERVER_ERROR = "SERVER_ERROR"
    TIMEOUT = "TIMEOUT"
    TOO_EARLY = "TOO_EARLY"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    TRADING_PAUSED = "TRADING_PAUSED"
    UNAUTHORIZED = "UNAUTHORIZED"


class BackpackError(IOError):
    """Base of all errors of this package."""

    outcome: ClassVar[Outcome] = Outcome.UNKNOWN
    retry: ClassVar[Retry] = Retry.BACKOFF


class TransportError(BackpackError):
    """No reply: the request may or may not have reached the exchange."""

    wording: ClassVar[str] = "{request}: no reply ({reason}). Check the network connection."

    def __init__(self, request: str, reason: str) -> None:
        reason = _shown(reason)
        super().__init__(self.wording.format(request=request, reason=reason))
        self.request = request
        self.reason = reason


class NotSent(TransportError):
    """No connection could be made, so the request certainly did not reach the exchange."""

    outcome = Outcome.REJECTED


class HeldBack(NotSent):
    """It was not sent at all, such as for the request limits."""

    wording = "{request}: not sent, because {reason}"


class DecodeError(BackpackError):
    """A reply or frame does not fit its model; after a write the outcome is unknown."""

    def __init__(self, what: str, reason: str, payload: bytes) -> None:
        super().__init__(f"{what}: cannot be read ({_shown(reason)}): {_excerpt(payload)}")
        self.what = what
        self.payload = payload


class ApiError(BackpackError):
    """The exchange answered with an error.

    Attributes:
        status: HTTP status.
        code: code of the interface description, ``None`` for a plain-text body.
        message: text of the exchange.
        request: method and path.
    """

    advice: ClassVar[str] = ""

    def __init__(self, request: str, status: int, code: str | None, message: str) -> None:
        code, message = None if code is None else _shown(code), _shown(message)
        said = f"{code}: {message}" if code else message
        super().__init__(
            f"{request}: {said} (HTTP {status}).{' ' if self.advice else ''}{self.advice}"
        )
        self.request = request
        self.status = status
        self.code = code
        self.message = message


class AuthenticationError(ApiError):
    """Key, signature or permission refused; it will be refused again."""

    outcome = Outcome.REJECTED
    retry = Retry.NEVER
    advice = (
        "Check that the API key is active on Backpack, has trading permission and belongs to the "
        "secret; then "
        "connect again."
    )


class ClockSkewError(ApiError):
    """The request's time is outside the window that the exchange accepts."""

    outcome = Outcome.REJECTED
    retry = Retry.AFTER_RESYNC
    advice = "The clock of this computer differs from the exchange's: turn on automatic time (NTP)."


class RateLimited(ApiError):
    """Too many requests. A write stays unknown: that it was not executed is not documented."""

    advice = (
        "The connector waits before it asks again; lower rate_limits_share_pct if other bots "
        "share the key."
    )


class ExchangeUnavailable(ApiError):
    """Maintenance, overload or a failure inside the exchange or its CDN."""

    advice = "See status.backpack.exchange; the connector goes on trying."


class RequestRefused(ApiError):
    """A definite no: the request changed nothing."""

    outcome = Outcome.REJECTED
    retry = Retry.NEVER


class ResourceNotFound(RequestRefused):
    """What was asked for does not exist, such as the book of a closed market."""


class OrderNotFound(ResourceNotFound):
    """No such RESTING order: it is filled, cancelled, expired, or never existed.

    History tells which.
    """

    advice = "It is no longer open; its end is in the order history."


class InvalidRequest(RequestRefused):
    """A parameter is wrong: symbol, price or quantity decimals, range."""

    advice = "Check the trading pair, and price and amount against its trading rules."


class InvalidOrder(RequestRefused):
    """The order cannot be accepted as it is."""


class PostOnlyWouldCross(InvalidOrder):
    """A post-only order would have taken liquidity."""

    advice = "The book moved; place it again at a price that does not cross."


class DuplicateClientId(InvalidOrder):
    """The client id belongs to another open order."""


class NotFillable(InvalidOrder):
    """A fill-or-kill or market order found too little liquidity."""

    advice = "The book is too thin for this amount; use a smaller one or a limit order."


class InsufficientFunds(InvalidOrder):
    """Not enough free balance, margin or lendable supply."""

    advice = "Lower the amount, free funds by cancelling orders, or deposit."


class LimitReached(RequestRefused):
    """A limit of the account: open orders, position, leverage, borrowing or lending."""

    advice = "Cancel orders or reduce the position, or raise the limit in the account settings."


class AccountRestricted(RequestRefused):
    """The account may not trade now."""

    advice = "Log in to backpack.exchange and look at the state of the account."


class MarketUnavailable(RequestRefused):
    """Trading in this market is paused or closed."""

    advice = "Wait until the market is open again, or choose another trading pair."


class StreamError(BackpackError):
    """A stream cannot be relied on any more."""


class SequenceGap(StreamError):
    """Diffs were missed: the book is wrong until a new snapshot."""

    def __init__(self, symbol: str, *, expected: int, found: int) -> None:
        super().__init__(f"{symbol}: order book update {expected} expected, {found} found")
        self.symbol = symbol
        self.expected = expected
        self.found = found


class SubscriptionRejected(StreamError):
    """The exchange answered a subscription with an error frame (4002, 4003, 4006, 4008)."""

    def __init__(self, code: int, message: str) -> None:
        message = _shown(message)
        super().__init__(f"Backpack refused a stream subscription: {message} (code {code})")
        self.code = code
        self.message = message


_BY_CODE: dict[ApiErrorCode, type[ApiError]] = {
    ApiErrorCode.ACCOUNT_DEACTIVATED: AccountRestricted,
    ApiErrorCode.ACCOUNT_LIQUIDATING: AccountRestricted,
    ApiErrorCode.BORROW_LIMIT: LimitReached,
    ApiErrorCode.BORROW_REQUIRES_LEND_REDEEM: InsufficientFunds,
    ApiErrorCode.FORBIDDEN: AuthenticationError,
    ApiErrorCode.INSUFFICIENT_FUNDS: InsufficientFunds,
    ApiErrorCode.INSUFFICIENT_MARGIN: InsufficientFunds,
    ApiErrorCode.INSUFFICIENT_SUPPLY: InsufficientFunds,
    ApiErrorCode.INVALID_ASSET: InvalidRequest,
    ApiErrorCode.INVALID_CLIENT_REQUEST: InvalidRequest,
    ApiErrorCode.INVALID_MARKET: InvalidRequest,
    ApiErrorCode.INVALID_ORDER: InvalidOrder,
    ApiErrorCode.INVALID_PRICE: InvalidRequest,
    ApiErrorCode.INVALID_POSITION_ID: InvalidRequest,
    ApiErrorCode.INVALID_QUANTITY: InvalidRequest,
    ApiErrorCode.INVALID_RANGE: InvalidRequest,
    ApiErrorCode.INVALID_SIGNATURE: AuthenticationError,
    ApiErrorCode.INVALID_SOURCE: InvalidRequest,
    ApiErrorCode.INVALID_SYMBOL: InvalidRequest,
    ApiErrorCode.INVALID_TWO_FACTOR_CODE: AuthenticationError,
    ApiErrorCode.LEND_LIMIT: LimitReached,
    ApiErrorCode.LEND_REQUIRES_BORROW_REPAY: InsufficientFunds,
    ApiErrorCode.MAINTENANCE: ExchangeUnavailable,
    ApiErrorCode.MAX_LEVERAGE_REACHED: LimitReached,
    ApiErrorCode.NOT_IMPLEMENTED: RequestRefused,
    ApiErrorCode.ORDER_LIMIT: LimitReached,
    ApiErrorCode.POSITION_LIMIT: LimitReached,
    ApiErrorCode.PRECONDITION_FAILED: RequestRefused,
    ApiErrorCode.RESOURCE_NOT_FOUND: ResourceNotFound,
    ApiErrorCode.SERVER_ERROR: ExchangeUnavailable,
    ApiErrorCode.TIMEOUT: ExchangeUnavailable,
    # What "too early" says of an order is not documented, so its outcome must not be taken for
    # granted.
    ApiErrorCode.TOO_EARLY: ExchangeUnavailable,
    ApiErrorCode.TOO_MANY_REQUESTS: RateLimited,
    ApiErrorCode.TRADING_PAUSED: MarketUnavailable,
    ApiErrorCode.UNAUTHORIZED: AuthenticationError,
}

# Texts that tell apart what shares a code. Recorded or reported wordings, in lower case.
_BY_TEXT: tuple[tuple[str, type[ApiError]], ...] = (
    ("invalid signature", AuthenticationError),
    ("invalid x-signature", AuthenticationError),
    ("request has expired", ClockSkewError),
    ("invalid timestamp", ClockSkewError),
    ("order not found", OrderNotFound),
    ("would immediately match and take", PostOnlyWouldCross),
    ("client id already exists", DuplicateClientId),
    ("fill or kill", NotFillable),
    ("no liquidity", NotFillable),
)

_REFINED_CODES = frozenset({ApiErrorCode.INVALID_CLIENT_REQUEST, ApiErrorCode.INVALID_ORDER})
# To these a missing resource is the order; placing one has none yet.
_ORDER_LOOKUPS = frozenset({"GET /api/v1/order", "DELETE /api/v1/order"})
_NOT_FOUND = "not found"


class _Body(msgspec.Struct):
    code: str
    message: str = ""


def classify(request: str, status: int, body: bytes) -> ApiError:
    """The typed error of a reply with an error status.

    Args:
        request: method and path, such as ``DELETE /api/v1/order``.
        status: HTTP status.
        body: reply body: JSON ``{"code", "message"}``, plain text (parsing failures, unknown
            routes) or HTML (CDN).
    """
    try:
        parsed = msgspec.json.decode(body, type=_Body)
    except UNREADABLE:
        return _classify_text(request, status, body)
    kind = _kind(request, status, parsed)
    return kind(request, status, parsed.code, parsed.message)


def refusal(request: str, code: str, message: str) -> ApiError:
    """The typed error of one refused order of a batch, which has no HTTP status of its own."""
    return _kind(request, 200, _Body(code, message))(request, 200, code, message)


def _kind(request: str, status: int, body: _Body) -> type[ApiError]:
    try:
        code = ApiErrorCode(body.code)
    except ValueError:
        return _by_status(status)
    if code is ApiErrorCode.RESOURCE_NOT_FOUND and request in _ORDER_LOOKUPS:
        return OrderNotFound
    if code in _REFINED_CODES:
        said = body.message.lower()
        if said == _NOT_FOUND and request in _ORDER_LOOKUPS:
            return OrderNotFound
        for fragment, kind in _BY_TEXT:
            if fragment in said:
                return kind
    return _BY_CODE[code]


def _classify_text(request: str, status: int, body: bytes) -> ApiError:
    # Of the body itself: what may be shown of it begins with the same sign where a signature did.
    if body.lstrip().startswith(b"<"):
        # A page of the CDN or its firewall: the request may not have reached the exchange.
        return ExchangeUnavailable(
            request, status, None, "the exchange's front end answered with a web page"
        )
    said = _excerpt(body).strip() or "empty reply"
    return _by_status(status)(request, status, None, said)


def _by_status(status: int) -> type[ApiError]:
    match status:
        case 400 | 405 | 413 | 415 | 422:
            return InvalidRequest
        case 401 | 403:
            return AuthenticationError
        case 404:
            return ResourceNotFound
        case 429:
            return RateLimited
        case _:
            return ExchangeUnavailable
