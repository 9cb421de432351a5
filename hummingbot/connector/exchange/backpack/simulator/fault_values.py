"""How the values in a fault script are read, by a parameter's name or by its type.

Each reader raises `ValueError` with what it wants instead, to be read after "is not".
"""

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import get_args

from ..api.endpoints import ENDPOINTS
from .markets import known_markets
from .topics import StreamFault, parse_topic

type Reader = Callable[[str], object]

_DURATION = re.compile(r"(-?\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MS_PER_S = 1_000
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)
_ALL = "all"
_YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class FaultParameter:
    """One parameter of a fault: its name in scripts and in code, and how its text is read."""

    name: str
    keyword: str
    read: Reader
    shape: str
    is_required: bool


def parameter_of(parameter: inspect.Parameter) -> FaultParameter:
    """A method's parameter as scripts see it."""
    keyword = parameter.name
    kind = parameter.annotation
    if isinstance(kind, UnionType):  # ``str | None``: what may be left out
        kind = next(member for member in get_args(kind) if member is not type(None))
    stem, _, unit = keyword.rpartition("_")
    if keyword in _BY_NAME:
        name, (read, shape) = keyword, _BY_NAME[keyword]
    elif unit in {"s", "ms"}:
        name, (read, shape) = stem, (_delay_seconds if unit == "s" else _milliseconds, "DURATION")
    elif issubclass(kind, StrEnum):
        name, (read, shape) = keyword, (_member_of(kind), "|".join(member.value for member in kind))
    else:
        name, (read, shape) = keyword, _BY_TYPE[kind]
    name = name.removeprefix("is_").replace("_", "-")
    is_required = parameter.default is inspect.Parameter.empty
    return FaultParameter(name, keyword, read, shape, is_required)


def listed(names: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(names)


def nearest(name: str, known: Collection[str]) -> str:
    """A hint at the name that may have been meant, or nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration, such as 20s, 500ms or 2m")
    return float(match[1]) * _SECONDS[match[2]]


def _positive_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds <= 0:
        raise ValueError("a duration above 0, such as 20s, 500ms or 2m")
    return seconds


def _delay_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds < 0:
        raise ValueError("a duration, such as 20s, 500ms or 2m")
    return seconds


def _milliseconds(text: str) -> int:
    return round(_seconds(text) * _MS_PER_S)


def _factor(text: str) -> float:
    if not _NUMBER.fullmatch(text) or float(text) <= 0:
        raise ValueError("a factor above 0, such as 1.01")
    return float(text)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("a whole number")
    return int(text[:9])


def _probability(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not 0 < float(text) <= 1:
        raise ValueError("a probability above 0, at most 1, such as 0.1")
    return float(text)


def _times(text: str) -> int | None:
    if text == _ALL:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise ValueError(f"a number of times above 0, or {_ALL}")
    return int(text[:9])


def _yes_no(text: str) -> bool:
    if text not in _YES_NO:
        raise ValueError("yes or no")
    return _YES_NO[text]


def _status(text: str) -> int:
    if not re.fullmatch(r"[2-5]\d\d", text, re.ASCII):
        raise ValueError("an HTTP status from 200 to 599")
    return int(text)


def _operation(text: str) -> str:
    operations = [f"{endpoint.method.value} {endpoint.path}" for endpoint in ENDPOINTS]
    if text not in operations:
        raise ValueError(
            f"an operation{nearest(text, operations)}; known are: {listed(operations)}"
        )
    return text


def _topic(text: str) -> str:
    try:
        return parse_topic(text).name
    except StreamFault:
        raise ValueError(
            "the name of a stream, such as depth.SOL_USDC or account.orderUpdate"
        ) from None


def _symbol(text: str) -> str:
    symbols = [market.symbol for market in known_markets()]
    if text not in symbols:
        raise ValueError(f"a market{nearest(text, symbols)}; known are: {listed(symbols)}")
    return text


def _member_of(kind: type[StrEnum]) -> Reader:
    def member(text: str) -> StrEnum:
        found = next((m for m in kind if m.value == text), None)
        if found is None:
            raise ValueError(f"one of {listed(m.value for m in kind)}")
        return found

    return member


_BY_NAME: dict[str, tuple[Reader, str]] = {
    "operation": (_operation, "'METHOD /PATH'"),
    "topic": (_topic, "STREAM"),
    "symbol": (_symbol, "SYMBOL"),
    "status": (_status, "STATUS"),
    "times": (_times, "N|all"),
    "rate": (_factor, "FACTOR"),
}
_BY_TYPE: dict[object, tuple[Reader, str]] = {
    str: (str, "TEXT"),
    bytes: (str, "TEXT"),
    bool: (_yes_no, "yes|no"),
    int: (_whole, "N"),
}

SCHEDULE: dict[str, tuple[str, Reader]] = {
    "after": ("after_s", _delay_seconds),
    "every": ("every_s", _positive_seconds),
    "for": ("for_s", _positive_seconds),
    "probability": ("probability", _probability),
    "seed": ("seed", _whole),
}
"""When a fault strikes: the name in scripts, the field of a plan, and how it is read."""
