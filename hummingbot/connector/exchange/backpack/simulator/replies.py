"""What the exchange answers over HTTP: status, body and headers, free of any HTTP library."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .events import Refusal
from .wire import encode, error

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(payload: object, headers: Mapping[str, str] | None = None) -> Reply:
    """200 with a JSON body."""
    return Reply(200, encode(payload), JSON, headers or {})


def text_reply(text: str, status: int = 200) -> Reply:
    """Plain text: ping and time, unknown routes, requests that cannot be read."""
    return Reply(status, text.encode(errors="replace"), TEXT)


def refused(refusal: Refusal) -> Reply:
    """An error, in JSON or, without a code, in plain text."""
    if refusal.code is None:
        return text_reply(refusal.message, refusal.status)
    return Reply(refusal.status, error(refusal.code, refusal.message), JSON)


def not_found() -> Refusal:
    """What is asked for does not exist: the book of a closed market, a position."""
    return Refusal(404, "RESOURCE_NOT_FOUND", "Not Found")


NOT_FOUND_ROUTE = text_reply("not found", 404)
WRONG_METHOD = text_reply("method not allowed", 405)
TOO_LARGE = text_reply("payload too large", 413)
ACCEPTED = Reply(202)
"""A cancel that is accepted but not yet executed."""
NO_CONTENT = Reply(204)
TOO_MANY_REQUESTS = Reply(429, error("TOO_MANY_REQUESTS", "Too many requests"), JSON)
SERVER_ERROR = Reply(500, error("SERVER_ERROR", "Internal server error"), JSON)
MAINTENANCE = Reply(503, error("MAINTENANCE", "System under maintenance"), JSON)
