"""Markets of the server: books that change by one level a message, as the exchange's do."""

import msgspec

LEVELS = 200  # of a side, at the start
_MID_TICKS = 10_000
_TICKS_A_UNIT = 100
_TOUCHED = 20  # so many levels next to the middle change
_REMOVED_EVERY = 11
_SIDES = (("bids", -1), ("asks", 1))
_TIME_US = 1_788_367_430_247_487
_SHORT = 126  # WebSocket payloads up to 125 bytes have their length in one byte

_BASES = ("SOL", "BTC", "ETH", "JUP", "PYTH", "WIF", "BONK", "JTO", "RAY", "ORCA")


def symbols(count: int) -> list[str]:
    """The exchange's names of the first markets."""
    return [f"{_BASES[i % len(_BASES)]}{i // len(_BASES) or ''}_USDC" for i in range(count)]


def text_frame(payload: bytes) -> bytes:
    """A WebSocket text message from a server."""
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


class ServedMarket:
    """One market: the true book, its messages and its snapshot."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.update_id = 4_330_000_000
        self._trade_id = 0
        self.has_new_touch = False
        self._levels = {
            side: {_MID_TICKS + sign * n: "12.34" for n in range(1, LEVELS + 1)}
            for side, sign in _SIDES
        }

    def next_diff(self) -> bytes:
        """Change one level, one time in six the best one; the WebSocket message that tells it."""
        self.update_id += 1
        n = self.update_id
        name, sign = _SIDES[n & 1]
        distance = 1 if n % 12 < 2 else 1 + n * 7 // 2 % _TOUCHED  # noqa: PLR2004 (two of twelve)
        ticks = _MID_TICKS + sign * distance
        side = self._levels[name]
        self.has_new_touch = ticks * sign <= self._best(name) * sign
        quantity = "0.00" if n % _REMOVED_EVERY == 0 else f"{n % 997 / 100 + 0.01:.2f}"
        if n % _REMOVED_EVERY:
            side[ticks] = quantity
        else:
            side.pop(ticks, None)
        row = f'["{_price(ticks)}","{quantity}"]'
        asks, bids = (row, "") if sign > 0 else ("", row)
        return text_frame(
            f'{{"data":{{"E":{_TIME_US + n},"T":{_TIME_US + n},"U":{n},"a":[{asks}],"b":[{bids}],'
            f'"e":"depth","s":"{self.symbol}","u":{n}}},"stream":"depth.{self.symbol}"}}'.encode()
        )

    def touch(self) -> bytes:
        """The WebSocket message of the best prices, which the exchange sends when they change."""
        bid, ask = self._best("bids"), self._best("asks")
        n = self.update_id
        return text_frame(
            f'{{"data":{{"A":"{self._levels["asks"][ask]}","B":"{self._levels["bids"][bid]}",'
            f'"E":{_TIME_US + n},"T":{_TIME_US + n},"a":"{_price(ask)}","b":"{_price(bid)}",'
            f'"e":"bookTicker","s":"{self.symbol}","u":{n}}},'
            f'"stream":"bookTicker.{self.symbol}"}}'.encode()
        )

    def _best(self, side: str) -> int:
        return min(self._levels[side]) if side == "asks" else max(self._levels[side])

    def trade(self) -> bytes:
        """The WebSocket message of a public trade."""
        self._trade_id += 1
        return text_frame(
            f'{{"data":{{"E":{_TIME_US},"T":{_TIME_US},"a":"1","b":"2","e":"trade","m":false,'
            f'"p":"100.00","q":"1.00","s":"{self.symbol}","t":{self._trade_id}}},'
            f'"stream":"trade.{self.symbol}"}}'.encode()
        )

    def snapshot(self) -> bytes:
        """Body of the depth operation: both sides ascending."""
        sides = (
            ",".join(f'["{_price(t)}","{q}"]' for t, q in sorted(self._levels[side].items()))
            for side in ("asks", "bids")
        )
        asks, bids = sides
        return (
            f'{{"asks":[{asks}],"bids":[{bids}],"lastUpdateId":"{self.update_id}",'
            f'"timestamp":{_TIME_US}}}'
        ).encode()

    def levels(self) -> dict[str, dict[str, str]]:
        """The true book: price to quantity of each side."""
        return {
            side: {_price(ticks): quantity for ticks, quantity in levels.items()}
            for side, levels in self._levels.items()
        }


def listing(names: list[str]) -> bytes:
    """Body of the market list."""
    rows = [_row(name) for name in names]
    return msgspec.json.encode(rows)


def _row(symbol: str) -> dict[str, object]:
    base, quote = symbol.split("_")
    return {
        "symbol": symbol,
        "baseSymbol": base,
        "quoteSymbol": quote,
        "marketType": "SPOT",
        "orderBookState": "Open",
        "visible": True,
        "createdAt": "2025-01-21T06:34:54.691858",
        "filters": {
            "price": {
                "minPrice": "0.01",
                "maxPrice": None,
                "tickSize": "0.01",
                "minMultiplier": "0.25",
                "maxMultiplier": "2",
                "minImpactMultiplier": "0.99",
                "maxImpactMultiplier": "1.01",
                "meanMarkPriceBand": {"maxMultiplier": "1.03", "minMultiplier": "0.97"},
                "meanPremiumBand": None,
            },
            "quantity": {"minQuantity": "0.01", "maxQuantity": None, "stepSize": "0.01"},
        },
        "fundingInterval": None,
        "openInterestLimit": "0",
    }


def _price(ticks: int) -> str:
    return f"{ticks // _TICKS_A_UNIT}.{ticks % _TICKS_A_UNIT:02d}"
