"""From a request to its reply: route, rate limit, signature, and the operation itself.

Synchronous: the exchange is one sequential command engine, so the reply of an order is the engine's
    result.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from ..api.endpoints import Parameter
from .authentication import Authenticator, SignedParts
from .events import Refusal
from .limits import RateLimit
from .payloads import parse_batch, parse_body, signed_parameters
from .replies import (
    NOT_FOUND_ROUTE,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    WRONG_METHOD,
    Reply,
    refused,
)
from .requests import Call, Query

_log = logging.getLogger(__name__)

type Parameters = dict[str, Parameter]


@dataclass(frozen=True, slots=True)
class Request:
    """What an operation gets to see: checked parameters and the account that signed them.

    `payload` is the body's object, `batch` the body's list of objects; `account_id` is empty for
    public operations.
    """

    query: Query
    account_id: str = ""
    payload: Parameters = field(default_factory=dict)
    batch: list[Parameters] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Attributes:
        answer: computes the reply; raises `Refusal`.
        instruction: what a signed request must name; ``None`` for public operations.
        body: the exchange's name of the JSON body; ``None`` if parameters come in the query.
        is_batch: the body is a list.
        is_history: counts against the smaller rate limit.
    """

    answer: Callable[[Request], Reply]
    instruction: str | None = None
    body: str | None = None
    is_batch: bool = False
    is_history: bool = False


type Routes = dict[str, dict[str, Route]]
"""Operations by path, then by method."""


class Gateway:
    """Answers calls, and survives whatever they hold.

    Args:
        routes: the operations.
        authenticator: tells who signed a request.
        general: rate limit of all requests.
        history: rate limit of requests for history over a time range.
    """

    def __init__(
        self, routes: Routes, authenticator: Authenticator, general: RateLimit, history: RateLimit
    ) -> None:
        self._routes = routes
        self._authenticator = authenticator
        self._general = general
        self._history = history

    def answer(self, call: Call) -> Reply:
        """The reply of a call. Never raises: what the exchange cannot do is an answer, too."""
        by_method = self._routes.get(call.path)
        if by_method is None:
            return NOT_FOUND_ROUTE
        route = by_method.get(call.method)
        if route is None:
            return WRONG_METHOD
        if not self._admits(call, route):
            return TOO_MANY_REQUESTS
        try:
            return route.answer(self._checked(call, route))
        except Refusal as e:
            return refused(e)
        except Exception:  # noqa: BLE001 (logged in full)
            # The last barrier: a bug in one operation must not take the exchange down.
            _log.exception("%s failed", call.operation)
            return SERVER_ERROR

    def _admits(self, call: Call, route: Route) -> bool:
        # Private operations are counted for the key, but only if there is such a key: otherwise
        # made-up keys would each get a budget, and memory, of their own.
        key = call.headers.get("x-api-key", "")
        by_key = route.instruction is not None and self._authenticator.knows(key)
        caller = key if by_key else call.address
        if not self._general.admit(caller):
            return False
        return not route.is_history or self._history.admit(caller)

    def _checked(self, call: Call, route: Route) -> Request:
        query = Query(call.query)
        if route.instruction is None:
            return Request(query)
        if route.body is None:
            account_id = self._account_of(call, [(route.instruction, query.parameters())])
            return Request(query, account_id)
        raw = parse_body(call)
        if route.is_batch:
            batch = parse_batch(raw)
            account_id = self._account_of(call, [(route.instruction, order) for order in batch])
            return Request(query, account_id, batch=batch)
        payload = signed_parameters(raw, route.body)
        account_id = self._account_of(call, [(route.instruction, payload)])
        return Request(query, account_id, payload)

    def _account_of(self, call: Call, parts: SignedParts) -> str:
        return self._authenticator.account_of_request(call.headers, parts)
