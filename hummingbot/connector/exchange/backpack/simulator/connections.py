"""One reader of streams: what it asked for, and its socket."""

import asyncio
import logging

from .frames import PING, Frame, pong

_log = logging.getLogger(__name__)


class Connection:
    """Writes frames to one socket, without waiting and without growing memory.

    Frames of one turn of the event loop go out in one write. A reader that does not keep up is cut
    off.

    Args:
        transport: the socket; frames are written to it whole.
        window_bits: compression agreed on, 0 for none.
        max_buffered_bytes: how much may wait for the reader.
    """

    def __init__(
        self, transport: asyncio.Transport, *, window_bits: int, max_buffered_bytes: int
    ) -> None:
        self._transport = transport
        self._window_bits = window_bits
        self._max_buffered_bytes = max_buffered_bytes
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._pinger: asyncio.TimerHandle | None = None
        self._last_pong_s = self._loop.time()
        self._is_frozen = False
        self.topics: set[tuple[str, str]] = set()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    @property
    def is_frozen(self) -> bool:
        """Whether it is dead without being closed."""
        return self._is_frozen

    def freeze(self) -> None:
        """Read and write nothing any more, and say nothing of it."""
        self.release()
        self._is_frozen = True
        self._transport.pause_reading()

    def send(self, frame: Frame) -> None:
        """Queue a frame; it leaves at the end of this turn of the event loop."""
        self._send(frame.encoded(self._window_bits))

    def _send(self, encoded: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(encoded)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._is_frozen or self._transport.is_closing():
            return
        self._transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))
        if self._transport.get_write_buffer_size() > self._max_buffered_bytes:
            _log.warning("a reader of %d streams does not keep up: cut off", len(self.topics))
            self.cut()

    def answer_ping(self, payload: bytes) -> None:
        """Answer the reader's ping."""
        self._send(pong(payload))

    def keep_alive(self, first_s: float, interval_s: float, patience_s: float) -> None:
        """Ping after `first_s`, then every `interval_s`; cut who is silent for `patience_s`."""

        def ping() -> None:
            if self.is_closed:
                return
            if self._loop.time() - self._last_pong_s > patience_s:
                _log.info("a reader does not answer pings: cut off")
                self.cut()
                return
            self._send(PING)
            self._pinger = self._loop.call_later(interval_s, ping)

        self._pinger = self._loop.call_later(first_s, ping)

    def saw_pong(self) -> None:
        """The reader answered."""
        self._last_pong_s = self._loop.time()

    def cut(self) -> None:
        """End the connection without a word, like a broken network."""
        self.release()
        self._transport.abort()

    def release(self) -> None:
        """Stop the timer; the socket is someone else's to close."""
        if self._pinger is not None:
            self._pinger.cancel()
