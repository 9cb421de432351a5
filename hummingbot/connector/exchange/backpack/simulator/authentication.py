"""Who signed a request: API key, signature, timestamp and window checked as the exchange does.

Source: interface description, section Authentication; error texts as users report them.
"""

from collections.abc import Callable, Iterable, Mapping

from ..api.endpoints import Parameter
from ..api.signing import (
    DEFAULT_WINDOW_MS,
    MAX_WINDOW_MS,
    SUBSCRIBE_INSTRUCTION,
    signed_text,
    verify,
)
from .events import Refusal
from .requests import INVALID_REQUEST

_FARTHEST_MS = 600_000
_MAX_DIGITS = 15

type SignedParts = Iterable[tuple[str, Mapping[str, Parameter]]]


class Authenticator:
    """Knows the API keys of the accounts, and nothing of their secrets.

    Args:
        accounts: account id by API key (base64 public key).
        clock_ms: the exchange's time, ms since the epoch.
    """

    def __init__(self, accounts: Mapping[str, str], clock_ms: Callable[[], int]) -> None:
        self._accounts = dict(accounts)
        self._clock_ms = clock_ms

    def knows(self, api_key: str) -> bool:
        """Whether an account has this key."""
        return api_key in self._accounts

    def account_of_request(self, headers: Mapping[str, str], parts: SignedParts) -> str:
        """The account that signed a REST request.

        Args:
            headers: names in lower case.
            parts: instruction and parameters of each part of the signed text.

        Raises:
            Refusal: unknown key, or anything wrong with signature, timestamp or window.
        """
        return self._account_of(
            headers.get("x-api-key", ""),
            headers.get("x-signature", ""),
            headers.get("x-timestamp", ""),
            headers.get("x-window", str(DEFAULT_WINDOW_MS)),
            parts,
        )

    def account_of_subscription(self, signature: list[str]) -> str:
        """The account that signed a subscription: key, signature, timestamp (ms), window (ms).

        Raises:
            Refusal: as for a request.
        """
        api_key, signed, timestamp, window = signature
        return self._account_of(api_key, signed, timestamp, window, [(SUBSCRIBE_INSTRUCTION, {})])

    def _account_of(
        self, api_key: str, signature: str, timestamp: str, window: str, parts: SignedParts
    ) -> str:
        account_id = self._accounts.get(api_key)
        if account_id is None:
            raise Refusal(401, "UNAUTHORIZED", "Unauthorized")
        timestamp_ms = _digits(timestamp, "X-Timestamp")
        window_ms = _digits(window, "X-Window")
        if not 0 < window_ms <= MAX_WINDOW_MS:
            raise _refusal(f"Invalid window: must be between 1 and {MAX_WINDOW_MS} milliseconds")
        now_ms = self._clock_ms()
        if abs(now_ms - timestamp_ms) > _FARTHEST_MS:
            raise _refusal("Invalid timestamp: must be within 10 minutes of current time")
        if now_ms > timestamp_ms + window_ms:
            raise _refusal("Request has expired")
        message = signed_text(parts, timestamp_ms=timestamp_ms, window_ms=window_ms)
        try:
            genuine = verify(api_key, signature, message)
        except ValueError as e:
            raise _refusal("Invalid X-Signature header") from e
        if not genuine:
            raise _refusal("Invalid signature")
        return account_id


def _digits(text: str, header: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise _refusal(f"Invalid {header} header")
    return int(text)


def _refusal(message: str) -> Refusal:
    return Refusal(400, INVALID_REQUEST, message)
