"""From status and bytes of a REST reply to the endpoint's typed result, or a typed error."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast, get_args

import msgspec

from .endpoints import Endpoint
from .errors import UNREADABLE, DecodeError, classify

_OK = 200
_ACCEPTED = 202
_NO_CONTENT = 204
_FIRST_ERROR = 300


@cache
def _decoder(response: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 (any response type)
    # Not strict: sources disagree on numbers sent as strings (update ids, client ids); both are
    # accepted.
    return msgspec.json.Decoder(response, strict=False)


def parse_reply[R](endpoint: Endpoint[R], status: int, body: bytes, *, response: Any = None) -> R:  # noqa: ANN401
    """The typed result of a reply.

    Args:
        endpoint: the request that was answered.
        status: HTTP status.
        body: raw reply body.
        response: decode to this type instead of the endpoint's own, such as a book's own row type.

    Returns:
        The endpoint's response; ``None`` for 202 (accepted, not yet done) and 204 (nothing there)
        where the endpoint may be answered so.

    Raises:
        ApiError: the exchange answered with an error status.
        DecodeError: a successful reply does not fit the model.
    """
    if status >= _FIRST_ERROR or status < _OK:
        raise classify(endpoint.name, status, body)
    if status in {_ACCEPTED, _NO_CONTENT} and endpoint.may_be_empty:
        return cast("R", None)
    kind = response or type(endpoint).response
    try:
        if kind is str:
            return cast("R", body.decode())
        return cast("R", _decoder(kind).decode(body))
    except UNREADABLE as e:
        raise DecodeError(endpoint.name, str(e), body) from e


class _Named(msgspec.Struct, rename="camel"):
    id: str | int | None = None
    order_id: str | int | None = None
    client_id: str | int | None = None


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that does not fit the model.

    Attributes:
        error: says what does not fit.
        order_id: the order it speaks of, ``None`` if not even that can be read.
        client_id: the order's client id as text, ``None`` if it has none or it cannot be read.
    """

    error: DecodeError
    order_id: str | None
    client_id: str | None

    def may_have_client_id(self, client_id: int) -> bool:
        """Whether the row may speak of the order with a client id."""
        return self.order_id is None or self.client_id == str(client_id)


@dataclass(frozen=True, slots=True)
class Rows[R]:
    """A reply of many rows, each read by itself: one with something new hides no other."""

    read: list[R]
    unreadable: list[UnreadableRow]


def parse_rows[R](endpoint: Endpoint[list[R]], rows: Sequence[msgspec.Raw]) -> Rows[R]:
    """Read the rows of a reply one by one.

    Args:
        endpoint: the request that was answered.
        rows: a successful reply, decoded as a list of raw rows.
    """
    (kind,) = get_args(type(endpoint).response)
    decode = _decoder(kind).decode
    parsed: Rows[R] = Rows([], [])
    for row in rows:
        try:
            parsed.read.append(decode(row))
        except UNREADABLE as e:
            body = bytes(row)
            error = DecodeError(endpoint.name, str(e), body)
            parsed.unreadable.append(_unreadable(error, body))
    return parsed


def _unreadable(error: DecodeError, row: bytes) -> UnreadableRow:
    try:
        named = msgspec.json.decode(row, type=_Named)
    except UNREADABLE:
        return UnreadableRow(error, None, None)
    order_id = named.id if named.order_id is None else named.order_id
    return UnreadableRow(error, _text(order_id), _text(named.client_id))


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)
