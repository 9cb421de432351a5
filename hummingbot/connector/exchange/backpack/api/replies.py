"""From status and bytes of a REST reply to the endpoint's typed result, or a typed error."""

from functools import cache
from typing import Any, cast

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
