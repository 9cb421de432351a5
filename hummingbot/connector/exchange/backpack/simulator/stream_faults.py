"""Faults of the streams: connections that break or go dead, frames that are lost, late or wrong."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum

import msgspec

from .fault_core import Fault, Site, named_fault
from .streams import FrameFault
from .topics import (
    StreamFault,
    StreamKind,
    Topic,
    invalid_depth_window,
    invalid_signature,
    invalid_stream,
    parse_error,
)

_DEPTH = f"{StreamKind.DEPTH.value}."
_FAR = 2  # so many times a price of the book is beyond its other side


class RefusalReason(StrEnum):
    """Why a subscription is refused, and with which error frame."""

    PARSE_ERROR = "parse-error"
    INVALID_SIGNATURE = "invalid-signature"
    INVALID_STREAM = "invalid-stream"
    INVALID_DEPTH_WINDOW = "invalid-depth-window"

    def error(self) -> StreamFault:
        """The error frame: 4002, 4003, 4006 or 4008."""
        return _REFUSALS[self]()


_REFUSALS: dict[RefusalReason, Callable[[], StreamFault]] = {
    RefusalReason.PARSE_ERROR: parse_error,
    RefusalReason.INVALID_SIGNATURE: invalid_signature,
    RefusalReason.INVALID_STREAM: invalid_stream,
    RefusalReason.INVALID_DEPTH_WINDOW: invalid_depth_window,
}


class StreamFaults:
    """The faults of WebSocket connections and of what leaves on them.

    Wherever a `topic` is asked for it is the name of a stream such as ``depth.SOL_USDC``, ``None``
    for all; `times` is how many frames are hit, ``None`` for all while the block lasts.

    Args:
        site: whose connections they are.

    Attributes:
        frames: what is done to each frame, one after the other.
        admissions: what is asked before a subscription; raises `StreamFault` to refuse it.
    """

    def __init__(self, site: Site) -> None:
        self.frames: list[FrameFault] = []
        self.admissions: list[Callable[[list[Topic]], None]] = []
        self._site = site
        self._refusing_sockets: list[Fault] = []

    # --- connections ---

    @named_fault("drop-ws")
    def drop_websockets(self) -> int:
        """Cut every WebSocket connection now, without a close frame.

        Returns:
            How many.
        """
        return self._site.drop_connections()

    @named_fault("refuse-ws")
    @contextmanager
    def refuse_websockets(self) -> Iterator[Fault]:
        """Answer new WebSocket connections with 503; open ones stay."""
        fault = Fault(None, None)
        self._refusing_sockets.append(fault)
        try:
            yield fault
        finally:
            self._refusing_sockets.remove(fault)

    def refuses_websocket(self) -> bool:
        """Whether a new connection is refused; if so it is counted."""
        refused = [fault.strikes("") for fault in self._refusing_sockets]
        return any(refused)

    @named_fault("half-open")
    @contextmanager
    def half_open(self) -> Iterator[Fault]:
        """Let the connections that are open go dead: nothing is read, sent or answered.

        Nothing is closed either, as if a network in between had forgotten them. New connections
        work. When the block ends the dead ones are cut.
        """
        fault = Fault(None, None)
        dead = self._site.open_connections()
        for connection in dead:
            fault.strikes("")
            connection.freeze()
        try:
            yield fault
        finally:
            for connection in dead:
                connection.cut()

    @named_fault("refuse-subscriptions")
    @contextmanager
    def refuse_subscriptions(
        self,
        topic: str | None = None,
        *,
        reason: RefusalReason = RefusalReason.INVALID_SIGNATURE,
        times: int | None = 1,
    ) -> Iterator[Fault]:
        """Answer subscriptions of a stream, or of any private one, with an error frame."""
        fault = Fault(None, times)

        def refuse(wanted: list[Topic]) -> None:
            hit = any(t.kind.is_private if topic is None else t.name == topic for t in wanted)
            if hit and fault.strikes(""):
                raise reason.error()

        self.admissions.append(refuse)
        try:
            yield fault
        finally:
            self.admissions.remove(refuse)

    # --- frames: which leave, and when ---

    @named_fault("skip-frames")
    @contextmanager
    def skip_frames(self, topic: str | None = None, *, times: int | None = 1) -> Iterator[Fault]:
        """Lose the next frames of a stream such as ``depth.SOL_USDC``."""
        with self._frames(topic, times, lambda _: []) as fault:
            yield fault

    @named_fault("silence")
    @contextmanager
    def silence(self) -> Iterator[Fault]:
        """Send no data while sockets stay open and pings are answered: a half-dead exchange."""
        with self._frames(None, None, lambda _: []) as fault:
            yield fault

    @named_fault("duplicate-frames")
    @contextmanager
    def duplicate_frames(
        self, topic: str | None = None, *, times: int | None = 1
    ) -> Iterator[Fault]:
        """Send the next frames of a stream such as ``account.orderUpdate`` twice."""
        with self._frames(topic, times, lambda data: [data, data]) as fault:
            yield fault

    @named_fault("swap-frames")
    @contextmanager
    def swap_frames(self, topic: str | None = None, *, times: int | None = 1) -> Iterator[Fault]:
        """Send a frame after the one that follows it on its stream: out of order.

        One that nothing has followed leaves when the block ends.
        """
        fault = Fault(topic, times)
        held: dict[tuple[str, str], bytes] = {}

        def swapped(name: str, account_id: str, data: bytes) -> list[bytes]:
            late = held.pop((name, account_id), None)
            if late is not None:
                return [data, late]
            if fault.strikes(name):
                held[name, account_id] = data
                return []
            return [data]

        try:
            with self._altering(swapped):
                yield fault
        finally:
            for (name, account_id), data in held.items():
                self._site.send_frame(name, account_id, data)

    @named_fault("delay-frames")
    @contextmanager
    def delay_frames(self, delay_s: float, topic: str | None = None) -> Iterator[Fault]:
        """Send frames of a stream late, in their order; those left over leave at the end."""
        fault = Fault(topic, None)
        held: list[tuple[str, str, bytes]] = []

        def release() -> None:
            if held:
                self._site.send_frame(*held.pop(0))

        def delayed(name: str, account_id: str, data: bytes) -> list[bytes]:
            if not fault.strikes(name):
                return [data]
            held.append((name, account_id, data))
            asyncio.get_running_loop().call_later(delay_s, release)
            return []

        try:
            with self._altering(delayed):
                yield fault
        finally:
            while held:
                release()

    # --- frames: what they say ---

    @named_fault("garble-frames")
    @contextmanager
    def garble_frames(self, topic: str | None = None, *, times: int | None = 1) -> Iterator[Fault]:
        """Cut the data of the next frames of a stream in half: they cannot be read."""
        with self._frames(topic, times, lambda data: [data[: len(data) // 2]]) as fault:
            yield fault

    @named_fault("cross-books")
    @contextmanager
    def cross_books(self, symbol: str | None = None, *, times: int | None = 1) -> Iterator[Fault]:
        """Let the next depth frames of a market tell a bid far above all asks, and no ask."""
        fault = Fault(None if symbol is None else f"{_DEPTH}{symbol}", times)

        def crossed(name: str, _: str, data: bytes) -> list[bytes]:
            if not name.startswith(_DEPTH):
                return [data]
            event = msgspec.json.decode(data)
            rows = event["b"] + event["a"]
            if not rows or not fault.strikes(name):
                return [data]
            price, quantity = max(rows, key=lambda row: Decimal(row[0]))
            one = str(Decimal(1).quantize(Decimal(quantity)))
            bid = [str(Decimal(price) * _FAR), one]
            return [msgspec.json.encode(event | {"a": [], "b": [*event["b"], bid]})]

        with self._altering(crossed):
            yield fault

    @named_fault("unknown-order-state")
    @contextmanager
    def unknown_order_state(
        self, state: str = "Suspended", *, times: int | None = 1
    ) -> Iterator[Fault]:
        """Tell the next order events with a state that no client knows."""

        def renamed(data: bytes) -> list[bytes]:
            return [msgspec.json.encode(msgspec.json.decode(data) | {"X": state})]

        with self._frames(StreamKind.ORDER_UPDATE.value, times, renamed) as fault:
            yield fault

    # --- machinery ---

    @contextmanager
    def _frames(
        self, topic: str | None, times: int | None, alter: Callable[[bytes], list[bytes]]
    ) -> Iterator[Fault]:
        fault = Fault(topic, times)

        def altered(name: str, _: str, data: bytes) -> list[bytes]:
            return alter(data) if fault.strikes(name) else [data]

        with self._altering(altered):
            yield fault

    @contextmanager
    def _altering(self, alter: FrameFault) -> Iterator[None]:
        self.frames.append(alter)
        try:
            yield
        finally:
            self.frames.remove(alter)
