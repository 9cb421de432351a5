"""What a client says on its socket: subscribing and unsubscribing, or nothing that can be read.

There is no acknowledgement; the only answers are error frames, and the socket stays open after
them.
"""

import json

from . import wire_streams
from .authentication import Authenticator
from .connections import Connection
from .events import Refusal
from .frames import Frame
from .streams import Streams
from .topics import StreamFault, Topic, invalid_signature, parse_error, parse_topic

_SIGNATURE_PARTS = 4


class Session:
    """Carries out the requests of one connection.

    Args:
        connection: where frames go.
        streams: where subscriptions are kept.
        authenticator: tells whose private streams they are.
    """

    def __init__(
        self, connection: Connection, streams: Streams, authenticator: Authenticator
    ) -> None:
        self.connection = connection
        self._streams = streams
        self._authenticator = authenticator

    def handle(self, message: str | bytes) -> None:
        """Carry out one request. Whatever it holds, the worst that happens is an error frame."""
        try:
            self._carry_out(message)
        except StreamFault as e:
            self.connection.send(Frame(wire_streams.error_frame(e.code, e.message)))

    def end(self) -> None:
        """Forget the connection."""
        self.connection.release()
        self._streams.subscriptions.forget(self.connection)

    def _carry_out(self, message: str | bytes) -> None:
        request = _parse(message)
        method = request.get("method")
        wanted = [parse_topic(name) for name in _strings(request.get("params"))]
        # One name that does not exist refuses the whole request, before anything is subscribed.
        if method == "SUBSCRIBE":
            account_id = self._account_of(wanted, request.get("signature"))
            self._streams.subscribe(self.connection, wanted, account_id)
        elif method == "UNSUBSCRIBE":
            # Whether the exchange checks a signature here is not known; taking away needs none.
            self._streams.unsubscribe(self.connection, wanted)
        else:
            raise parse_error()

    def _account_of(self, wanted: list[Topic], signature: object) -> str:
        if not any(topic.kind.is_private for topic in wanted):
            return ""
        if signature is None:
            raise invalid_signature()
        parts = _strings(signature)
        if len(parts) != _SIGNATURE_PARTS:
            raise invalid_signature()
        try:
            return self._authenticator.account_of_subscription(parts)
        except Refusal as e:
            raise invalid_signature() from e


def _parse(message: str | bytes) -> dict[str, object]:
    try:
        request = json.loads(message.decode() if isinstance(message, bytes) else message)
    except (ValueError, RecursionError) as e:
        raise parse_error() from e
    if not isinstance(request, dict):
        raise parse_error()
    return request


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise parse_error()
    return value
