"""WebSocket frames of the server, built once for all who get them.

Frames of a server are not masked, so the same bytes suit every reader. A compressed frame never
refers to an earlier one (RFC 7692 allows that to every sender), so it is shared as well.
"""

import zlib

_FINAL_TEXT = 0x81
_FINAL_PING = 0x89
_FINAL_PONG = 0x8A
_COMPRESSED = 0x40
_SHORT = 126
_MEDIUM = 1 << 16
_TAIL = b"\x00\x00\xff\xff"

PING = bytes([_FINAL_PING, 0])


class Frame:
    """One text message, ready for the socket."""

    __slots__ = ("_deflated", "_payload", "plain")

    def __init__(self, payload: bytes) -> None:
        self.plain = _header(_FINAL_TEXT, len(payload)) + payload
        self._payload = payload
        self._deflated: dict[int, bytes] = {}

    def encoded(self, window_bits: int) -> bytes:
        """Bytes for a reader that agreed on a compression window; 0 stands for no compression."""
        if not window_bits:
            return self.plain
        known = self._deflated.get(window_bits)
        if known is None:
            compressor = zlib.compressobj(wbits=-window_bits)
            body = compressor.compress(self._payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
            body = body.removesuffix(_TAIL)
            known = _header(_FINAL_TEXT | _COMPRESSED, len(body)) + body
            self._deflated[window_bits] = known
        return known


def pong(payload: bytes) -> bytes:
    """Answer to a ping with the same payload (at most 125 bytes)."""
    return _header(_FINAL_PONG, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length < _SHORT:
        return bytes((first, length))
    if length < _MEDIUM:
        return bytes((first, _SHORT)) + length.to_bytes(2)
    return bytes((first, _SHORT + 1)) + length.to_bytes(8)
