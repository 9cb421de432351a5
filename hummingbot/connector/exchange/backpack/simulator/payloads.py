"""JSON bodies checked and turned into typed values, or refused in the exchange's words.

Source: recorded plain-text errors; vendor's interface description for names, types and limits.
"""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn

from ..api.endpoints import MAX_BATCH_ORDERS, MAX_CLIENT_ID, ExecuteOrder, Parameter
from ..api.models import OrderType, SelfTradePrevention, Side, Symbol, TimeInForce
from .events import Refusal
from .requests import INTEGER, INVALID_REQUEST, Call, member_of, not_a_member, unreadable

_NEITHER_ID = "Must specify either `clientId` or `orderId`"
_DECIMAL = re.compile(r"[+-]?(\d{1,28})(\.\d{0,28})?", re.ASCII)
_MAX_DIGITS = 28  # what the exchange's 96-bit decimals hold
_QUOTED_CHARACTERS = 60


class Number(str):
    """A JSON number with a fraction, an exponent or too many digits, kept as it was written."""

    __slots__ = ()


def bad_payload(reason: str) -> Refusal:
    """Refusal of a body."""
    return Refusal(400, None, f"parse request payload error: {reason}")


def parse_body(call: Call) -> object:
    """The JSON value of a body, numbers that are not plain integers kept as text.

    Raises:
        Refusal: not declared as JSON (415) or not JSON (400), both in plain text.
    """
    content_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        said = f"the `content-type` requested by the client is not supported: {content_type}"
        raise Refusal(415, None, said if content_type else "expect a `content-type` header")
    try:
        # Decoded here, because the JSON module would also accept UTF-16 and UTF-32.
        return json.loads(
            call.body.decode(), parse_int=_whole, parse_float=Number, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as e:
        raise bad_payload("expected value at line 1 column 1") from e


def _whole(digits: str) -> int | Number:
    return int(digits) if INTEGER.fullmatch(digits) else Number(digits)


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def signed_parameters(raw: object, kind: str) -> dict[str, Parameter]:
    """The parameters of a JSON object as they are signed: absent and null ones left out.

    Raises:
        Refusal: not an object of plain values.
    """
    if not isinstance(raw, dict):
        raise bad_payload(_wrong_type("object", raw) + f' (occurred while parsing "{kind}")')
    parameters: dict[str, Parameter] = {}
    for key, value in raw.items():
        match value:
            case None:
                continue
            case str() | int():
                parameters[key] = value
            case _:
                raise bad_payload(
                    _wrong_type("string", value) + f' (occurred while parsing "{kind}")'
                )
    return parameters


def _wrong_type(expected: str, found: object) -> str:
    return f'Expected input type "{expected}", found {_shown(found)}.'


def _shown(value: object) -> str:
    if isinstance(value, Number):
        text = str(value)
    elif isinstance(value, str | int | None):
        text = json.dumps(value)
    else:
        text = "an array" if isinstance(value, list) else "an object"
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "..."


class Payload:
    """A JSON object of plain values, read one by one; `kind` is the exchange's name for it."""

    __slots__ = ("_kind", "_values")

    def __init__(self, values: Mapping[str, Parameter], kind: str) -> None:
        self._values = values
        self._kind = kind

    def refusal(self, reason: str) -> Refusal:
        """Refusal of the whole payload for one of its values."""
        return bad_payload(f'{reason} (occurred while parsing "{self._kind}")')

    def get(self, name: str) -> Parameter | None:
        """A value as it is; ``None`` if absent."""
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """A string; ``None`` if absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or isinstance(value, Number):
            raise self.refusal(_wrong_type("string", value))
        return value

    def required(self, name: str, kind: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise self.refusal(f'Type "{kind}" expects an input value.')
        return value

    def symbol(self, known: Container[str]) -> Symbol:
        """The required market."""
        value = self.required("symbol", "MarketSymbol")
        if value not in known:
            raise self.refusal(unreadable("MarketSymbol", "Invalid market symbol"))
        return Symbol(value)

    def member[E: StrEnum](self, name: str, kind: type[E]) -> E | None:
        """A member of an enumeration; ``None`` if absent."""
        value = self.text(name)
        if value is None:
            return None
        member = member_of(value, kind)
        if member is None:
            raise self.refusal(not_a_member(kind.__name__))
        return member

    def required_member[E: StrEnum](self, name: str, kind: type[E]) -> E:
        """A member of an enumeration that must be there."""
        member = self.member(name, kind)
        if member is None:
            raise self.refusal(f'Type "{kind.__name__}" expects an input value.')
        return member

    def decimal(self, name: str) -> Decimal | None:
        """A number sent as a string of plain digits; ``None`` if absent."""
        value = self.text(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value) or sum(map(str.isdigit, value)) > _MAX_DIGITS:
            raise self.refusal(unreadable("string(decimal)", "invalid decimal"))
        return Decimal(value)

    def flag(self, name: str) -> bool | None:
        """A boolean; ``None`` if absent."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.refusal(_wrong_type("boolean", value))
        return value

    def client_id(self) -> int | None:
        """The client id, an unsigned integer of 32 bits; ``None`` if absent."""
        value = self._values.get("clientId")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refusal(_wrong_type("integer", value))
        if not 0 <= value <= MAX_CLIENT_ID:
            raise self.refusal(
                unreadable(
                    "integer(uint32)", f"Only integers from 0 to {MAX_CLIENT_ID} are accepted."
                )
            )
        return value


@dataclass(frozen=True, slots=True)
class OrderReference:
    """Which order is meant: exactly one of the two ids is set."""

    symbol: Symbol
    order_id: int | None
    client_id: int | None


def order_reference(symbol: Symbol, order_id: str | None, client_id: int | None) -> OrderReference:
    """The order that a query or cancel names.

    Raises:
        Refusal: none or both ids are given, or the order id is not a number.
    """
    if (order_id is None) == (client_id is None):
        raise Refusal(400, INVALID_REQUEST, _NEITHER_ID)
    if order_id is None:
        return OrderReference(symbol, None, client_id)
    if not INTEGER.fullmatch(order_id):
        raise Refusal(400, INVALID_REQUEST, "Invalid order id")
    return OrderReference(symbol, int(order_id), None)


def parse_order(values: Mapping[str, Parameter], known: Container[str]) -> ExecuteOrder:
    """An order to place.

    Raises:
        Refusal: a value of the wrong type (plain text), or something this exchange does not do.
    """
    payload = Payload(values, "OrderExecutePayload")
    _check_extras(values)
    return ExecuteOrder(
        symbol=payload.symbol(known),
        side=payload.required_member("side", Side),
        order_type=payload.required_member("orderType", OrderType),
        price=payload.decimal("price"),
        quantity=payload.decimal("quantity"),
        quote_quantity=payload.decimal("quoteQuantity"),
        time_in_force=payload.member("timeInForce", TimeInForce),
        post_only=payload.flag("postOnly"),
        reduce_only=payload.flag("reduceOnly"),
        client_id=payload.client_id(),
        self_trade_prevention=payload.member("selfTradePrevention", SelfTradePrevention),
        auto_lend=payload.flag("autoLend"),
        auto_lend_redeem=payload.flag("autoLendRedeem"),
        auto_borrow=payload.flag("autoBorrow"),
        auto_borrow_repay=payload.flag("autoBorrowRepay"),
        trigger_price=payload.decimal("triggerPrice"),
        trigger_quantity=payload.text("triggerQuantity"),
        trigger_by=payload.text("triggerBy"),
    )


def _check_extras(values: Mapping[str, Parameter]) -> None:
    if any(name.startswith(("stopLoss", "takeProfit", "slippageTolerance")) for name in values):
        # Ignoring them would place another order than the one that was asked for.
        said = "The local exchange has neither attached orders nor slippage tolerance"
        raise Refusal(400, "NOT_IMPLEMENTED", said)


def parse_batch(raw: object) -> list[dict[str, Parameter]]:
    """The orders of a batch, each as it is signed.

    Raises:
        Refusal: not a list of 1 to `MAX_BATCH_ORDERS` objects.
    """
    if not isinstance(raw, list):
        raise bad_payload(_wrong_type("array", raw))
    if not 1 <= len(raw) <= MAX_BATCH_ORDERS:
        said = f"A batch must hold between 1 and {MAX_BATCH_ORDERS} orders"
        raise Refusal(400, INVALID_REQUEST, said)
    return [signed_parameters(item, "OrderExecutePayload") for item in raw]
