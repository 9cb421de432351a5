"""Signs Hummingbot's requests and subscriptions with one key pair."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import (
    RESTMethod,
    RESTRequest,
    WSJSONRequest,
    WSRequest,
)

from .api.endpoints import ENDPOINTS, Endpoint, Parameter
from .api.signing import CredentialsError, Signer, signed_text
from .backpack_constants import WINDOW_MS

_INSTRUCTIONS = {(e.method.value, e.path): e.instruction for e in ENDPOINTS}


class BackpackAuth(AuthBase):
    """Key pair and clock of one account.

    Without keys it can be built (Hummingbot does so for public data), and refuses to sign.

    Args:
        api_key: public key, base64.
        api_secret: private key, base64.
        time_s: the exchange's time in seconds since the epoch.

    Raises:
        CredentialsError: the keys cannot work; the message says why.
    """

    def __init__(self, api_key: str, api_secret: str, time_s: Callable[[], float]) -> None:
        self._signer = Signer(api_key, api_secret) if api_key or api_secret else None
        self._time_s = time_s

    def headers(self, endpoint: Endpoint[object]) -> dict[str, str]:
        """Headers that authenticate a request now; none for a public one."""
        if endpoint.instruction is None:
            return {}
        return self._keys.headers(endpoint, timestamp_ms=self._now_ms(), window_ms=WINDOW_MS)

    def subscription(self) -> list[str]:
        """Signature of a subscription to private streams, valid now."""
        return self._keys.subscription(timestamp_ms=self._now_ms(), window_ms=WINDOW_MS)

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        """Add the headers to a request of Hummingbot's own REST assistant."""
        path = urlsplit(request.url or "").path
        instruction = _INSTRUCTIONS.get((request.method.value, path))
        if instruction is None:
            msg = f"{request.method.value} {path} is not a private operation of Backpack known here"
            raise ValueError(msg)
        timestamp_ms = self._now_ms()
        message = signed_text(
            [(instruction, part) for part in _parameters(request)],
            timestamp_ms=timestamp_ms,
            window_ms=WINDOW_MS,
        )
        request.headers = {
            **(request.headers or {}),
            "X-API-Key": self._keys.api_key,
            "X-Signature": self._keys.sign(message),
            "X-Timestamp": str(timestamp_ms),
            "X-Window": str(WINDOW_MS),
        }
        return request

    async def ws_authenticate(self, request: WSRequest) -> WSRequest:
        """Add the signature to a subscription of Hummingbot's own WebSocket assistant."""
        if isinstance(request, WSJSONRequest):
            request.payload = {**request.payload, "signature": self.subscription()}
        return request

    @property
    def _keys(self) -> Signer:
        if self._signer is None:
            msg = "This needs an account: no Backpack API key is set. Run `connect backpack` first."
            raise CredentialsError(msg)
        return self._signer

    def _now_ms(self) -> int:
        return int(self._time_s() * 1000)


def _parameters(request: RESTRequest) -> list[dict[str, Parameter]]:
    if request.method is RESTMethod.GET:
        return [dict(request.params or {})]
    body = json.loads(request.data) if request.data else {}
    parts = body if isinstance(body, list) else [body]
    return [{key: value for key, value in part.items() if value is not None} for part in parts]
