"""Names of streams: which exist, and which error a name that does not exist gets.

Source: vendor's interface description, section Streams; recorded error frames.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from ..api.models import Symbol
from ..api.streams import DEPTH_WINDOWS, PRIVATE_PREFIX
from .statistics import INTERVALS_S

_WINDOW = re.compile(r"\d+ms", re.ASCII)


class StreamKind(StrEnum):
    """First part of a stream's name."""

    DEPTH = "depth"
    BOOK_TICKER = "bookTicker"
    TRADE = "trade"
    TICKER = "ticker"
    KLINE = "kline"
    MARK_PRICE = "markPrice"
    OPEN_INTEREST = "openInterest"
    LIQUIDATION = "liquidation"
    ORDER_UPDATE = "account.orderUpdate"
    BALANCE_UPDATE = "account.balanceUpdate"
    POSITION_UPDATE = "account.positionUpdate"
    RFQ_UPDATE = "account.rfqUpdate"

    @property
    def is_private(self) -> bool:
        """Whether it needs a signature."""
        return self.value.startswith(PRIVATE_PREFIX)


_WITHOUT_SYMBOL = {StreamKind.LIQUIDATION, StreamKind.BALANCE_UPDATE}


class StreamFault(Exception):
    """A request on the socket that is answered with an error frame."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_error() -> StreamFault:
    """Not JSON, or not a request."""
    return StreamFault(4002, "Parse error")


def invalid_signature() -> StreamFault:
    """A private stream without a valid signature."""
    return StreamFault(4003, "Invalid signature")


def invalid_stream() -> StreamFault:
    """No such kind of stream."""
    return StreamFault(4006, "Invalid stream")


def invalid_depth_window() -> StreamFault:
    """An aggregation window that is not offered."""
    return StreamFault(4008, "Invalid depth window")


@dataclass(frozen=True, slots=True)
class Topic:
    """A stream's name in parts; `detail` is the depth window or the candle interval, or empty."""

    name: str
    kind: StreamKind
    symbol: Symbol | None = None
    detail: str = ""


def parse_topic(name: str) -> Topic:
    """The parts of a name such as ``depth.200ms.SOL_USDC``; the market need not exist.

    Raises:
        StreamFault: no such kind of stream, or a window or interval that is not offered.
    """
    kind, rest = _split(name)
    if kind is StreamKind.DEPTH:
        window, _, symbol = rest.partition(".")
        if not _WINDOW.fullmatch(window):
            return Topic(name, kind, Symbol(rest))  # symbols may hold dots themselves
        if window not in DEPTH_WINDOWS:
            raise invalid_depth_window()
        return Topic(name, kind, Symbol(symbol), window)
    if kind is StreamKind.KLINE:
        interval, _, symbol = rest.partition(".")
        if interval not in INTERVALS_S:
            raise invalid_stream()
        return Topic(name, kind, Symbol(symbol), interval)
    return Topic(name, kind, Symbol(rest) if rest else None)


def _split(name: str) -> tuple[StreamKind, str]:
    for kind in StreamKind:
        if name == kind.value and (kind.is_private or kind in _WITHOUT_SYMBOL):
            return kind, ""
        if name.startswith(f"{kind.value}.") and kind not in _WITHOUT_SYMBOL:
            return kind, name[len(kind.value) + 1 :]
    raise invalid_stream()
