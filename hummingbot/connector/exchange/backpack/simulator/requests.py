"""Requests as they come in, and their queries read into typed values or refused.

What cannot be read is refused in plain text, as recorded, in the words of the exchange's web
framework. What can be read but makes no sense is for the engine to refuse. Bodies are read in
`payloads`. Nothing here changes any state.

Source: recorded plain-text errors; vendor's interface description for names, types and limits.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl

from ..api.endpoints import Parameter
from ..api.models import Symbol
from .events import Refusal

INVALID_REQUEST = "INVALID_CLIENT_REQUEST"
INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
"""Whole numbers that 64 bits hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request, free of any HTTP library. Header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str = ""

    @property
    def operation(self) -> str:
        """Method and path, such as ``POST /api/v1/order``."""
        return f"{self.method} {self.path}"


def bad_parameter(name: str, reason: str) -> Refusal:
    """Refusal of a query parameter."""
    return Refusal(400, None, f"failed to parse parameter `{name}`: {reason}")


def unreadable(kind: str, reason: str) -> str:
    """Why a value is not of a kind, in the words of the exchange."""
    return f'failed to parse "{kind}": {reason}'


def unknown_symbol() -> Refusal:
    """Refusal of a symbol in a query."""
    return Refusal(400, INVALID_REQUEST, "Invalid market symbol")


class Query:
    """The parameters of a query, read one by one."""

    __slots__ = ("_values",)

    def __init__(self, raw: str) -> None:
        self._values: dict[str, list[str]] = {}
        for key, value in parse_qsl(raw, keep_blank_values=True, errors="replace"):
            self._values.setdefault(key, []).append(value)

    def parameters(self) -> dict[str, Parameter]:
        """As they are signed: a repeated key keeps all its values."""
        return {
            key: values[0] if len(values) == 1 else values for key, values in self._values.items()
        }

    def text(self, name: str) -> str | None:
        """A parameter as it is; ``None`` if absent."""
        values = self._values.get(name)
        return values[0] if values else None

    def required(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise bad_parameter(name, 'Type "string" expects an input value.')
        return value

    def symbol(self, known: Container[str]) -> Symbol:
        """The required market."""
        value = self.required("symbol")
        if value not in known:
            raise unknown_symbol()
        return Symbol(value)

    def optional_symbol(self, known: Container[str]) -> Symbol | None:
        """The market, if any is given."""
        return None if self.text("symbol") is None else self.symbol(known)

    def integer(
        self, name: str, *, minimum: int | None = None, maximum: int | None = None
    ) -> int | None:
        """A whole number within bounds; ``None`` if absent."""
        value = self.text(name)
        if value is None:
            return None
        if not INTEGER.fullmatch(value):
            raise bad_parameter(name, unreadable("integer", "invalid digit found in string"))
        number = int(value)
        if minimum is not None and number < minimum:
            raise bad_parameter(name, f"verification failed. minimum({minimum}, exclusive: false)")
        if maximum is not None and number > maximum:
            raise bad_parameter(name, f"verification failed. maximum({maximum}, exclusive: false)")
        return number

    def choice[E: StrEnum](self, name: str, kind: type[E], title: str = "") -> E | None:
        """A member of an enumeration; ``None`` if absent."""
        value = self.text(name)
        return None if value is None else _checked_member(name, value, kind, title)

    def choices[E: StrEnum](self, name: str, kind: type[E]) -> list[E]:
        """The members of an enumeration that a repeated parameter names; empty if absent."""
        return [_checked_member(name, value, kind, "") for value in self._values.get(name, [])]

    def one_of(self, name: str, allowed: Container[str], title: str) -> str | None:
        """One of some words; ``None`` if absent."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise bad_parameter(name, not_a_member(title))
        return value


def not_a_member(title: str) -> str:
    """Why a word is none of an enumeration."""
    return unreadable(title, "Expect a valid enumeration value.")


def member_of[E: StrEnum](value: str, kind: type[E]) -> E | None:
    """The member that a word stands for, ``None`` if there is none."""
    # Not `kind(value)`: some enumerations of the wire layer take unknown words on purpose.
    return next((member for member in kind if member.value == value), None)


def _checked_member[E: StrEnum](name: str, value: str, kind: type[E], title: str) -> E:
    member = member_of(value, kind)
    if member is None:
        raise bad_parameter(name, not_a_member(title or kind.__name__))
    return member
