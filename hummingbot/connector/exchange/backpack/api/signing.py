"""ED25519 signing of requests and private subscriptions.

The signed text is ``instruction=<name>`` and the sorted parameters, then ``timestamp`` (ms) and
``window`` (ms). Values are raw: no percent-encoding, no exponents, booleans in lower case. The API
key is the public key of the secret, so a wrong pair is found before the first request.

Source: interface description, section Authentication.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import override

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from .endpoints import Endpoint, Parameter, texts

DEFAULT_WINDOW_MS = 5_000
MAX_WINDOW_MS = 60_000
KEY_BYTES = 32
SIGNATURE_BYTES = 64
SUBSCRIBE_INSTRUCTION = "subscribe"

_HEX_KEY = re.compile(r"(0x)?([0-9a-fA-F]{64}|[0-9a-fA-F]{128})")


class CredentialsError(ValueError):
    """API key or secret cannot be right; the text says what is wrong and never contains either."""


def signed_text(
    parts: Iterable[tuple[str, Mapping[str, Parameter]]], *, timestamp_ms: int, window_ms: int
) -> str:
    """The text whose signature the exchange verifies.

    Args:
        parts: instruction and parameters of each part (a batch has several); ``None`` values must
            be left out.
        timestamp_ms: time of the request, ms since the epoch.
        window_ms: how long after the timestamp the request stays valid.
    """
    segments: list[str] = []
    for instruction, parameters in parts:
        segments.append(f"instruction={instruction}")
        for key, value in sorted(parameters.items()):
            if type(value) is str:  # as most are: no detour
                segments.append(f"{key}={value}")
            else:
                segments += [f"{key}={item}" for item in texts(value)]
    segments.append(f"timestamp={timestamp_ms}")
    segments.append(f"window={window_ms}")
    return "&".join(segments)


class Signer:
    """Signs with one key pair, parsed once.

    Args:
        api_key: base64 of the 32-byte public key.
        api_secret: base64 of the 32-byte seed, or of seed and public key (64 bytes).

    Raises:
        CredentialsError: the pair cannot work; the message tells why and what to do.
    """

    __slots__ = ("_secret_key", "api_key")

    def __init__(self, api_key: str, api_secret: str) -> None:
        api_key, api_secret = api_key.strip(), api_secret.strip()
        _check_present(api_key, api_secret)
        # 64 bytes are a secret in the place of the key: decoded here, told apart below.
        public_key = _decode(api_key, "API key", (KEY_BYTES, 2 * KEY_BYTES))
        secret = _decode(api_secret, "API secret", (KEY_BYTES, 2 * KEY_BYTES))
        derived, self._secret_key = crypto_sign_seed_keypair(secret[:KEY_BYTES])
        if derived != public_key:
            raise CredentialsError(_why_mismatched(public_key, secret))
        self.api_key = base64.b64encode(public_key).decode()

    @override
    def __repr__(self) -> str:
        """Name the class only: neither key belongs in a log."""
        return "Signer(<hidden>)"

    def sign(self, message: str) -> str:
        """Base64 signature of a text."""
        signed = crypto_sign(message.encode(), self._secret_key)
        return base64.b64encode(signed[:SIGNATURE_BYTES]).decode()

    def headers(
        self, endpoint: Endpoint[object], *, timestamp_ms: int, window_ms: int = DEFAULT_WINDOW_MS
    ) -> dict[str, str]:
        """Headers that authenticate a request; none for a public operation."""
        if endpoint.instruction is None:
            return {}
        message = signed_text(
            endpoint.signed_parts(), timestamp_ms=timestamp_ms, window_ms=window_ms
        )
        return {
            "X-API-Key": self.api_key,
            "X-Signature": self.sign(message),
            "X-Timestamp": str(timestamp_ms),
            "X-Window": str(window_ms),
        }

    def subscription(self, *, timestamp_ms: int, window_ms: int = DEFAULT_WINDOW_MS) -> list[str]:
        """The ``signature`` member of a SUBSCRIBE frame for private streams: four strings."""
        message = signed_text(
            [(SUBSCRIBE_INSTRUCTION, {})], timestamp_ms=timestamp_ms, window_ms=window_ms
        )
        return [self.api_key, self.sign(message), str(timestamp_ms), str(window_ms)]


def verify(api_key: str, signature: str, message: str) -> bool:
    """Whether `signature` (base64) is `api_key`'s signature of `message`.

    Raises:
        ValueError: key or signature is not base64 of the right length.
    """
    public_key = base64.b64decode(api_key, validate=True)
    signature_bytes = base64.b64decode(signature, validate=True)
    if len(public_key) != KEY_BYTES or len(signature_bytes) != SIGNATURE_BYTES:
        msg = "key or signature has the wrong length"
        raise ValueError(msg)
    try:
        crypto_sign_open(signature_bytes + message.encode(), public_key)
    except BadSignatureError:
        return False
    return True


def generate_key_pair(seed: bytes) -> tuple[str, str]:
    """API key and secret (both base64) of a 32-byte seed, for local exchanges and tests."""
    public_key, _ = crypto_sign_seed_keypair(seed)
    return base64.b64encode(public_key).decode(), base64.b64encode(seed).decode()


def _check_present(api_key: str, api_secret: str) -> None:
    missing = [
        name for name, value in (("API key", api_key), ("API secret", api_secret)) if not value
    ]
    if missing:
        msg = (
            f"The Backpack {' and the '.join(missing)} {'are' if len(missing) > 1 else 'is'} "
            "empty. "
            "Create a key pair under Settings > API Keys on backpack.exchange and enter both parts."
        )
        raise CredentialsError(msg)


def _decode(value: str, name: str, lengths: tuple[int, ...]) -> bytes:
    if _HEX_KEY.fullmatch(value):
        msg = (
            f"The Backpack {name} looks like hexadecimal digits. Backpack's keys are base64 text "
            "of 44 characters "
            "ending in '='; copy it from the API Keys page again."
        )
        raise CredentialsError(msg)
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) not in lengths:
        msg = (
            f"The Backpack {name} is not complete or not base64: it has {len(value)} characters, "
            "expected 44 "
            "ending in '='. Copy it whole, without quotes or spaces, from the API Keys page."
        )
        raise CredentialsError(msg)
    return decoded


def _why_mismatched(public_key: bytes, secret: bytes) -> str:
    swapped, _ = crypto_sign_seed_keypair(public_key[:KEY_BYTES])
    if swapped == secret[:KEY_BYTES]:
        return (
            "The Backpack API key and API secret are swapped. Enter the public key as API key and "
            "the private key "
            "as API secret."
        )
    return (
        "The Backpack API secret does not belong to the API key: they are halves of different key "
        "pairs. "
        "Enter the key and the secret that were shown together, or create a new pair."
    )
