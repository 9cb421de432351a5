"""REST replies of the server, most of them made before they are asked for."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from .market import ServedMarket, listing

_ACCOUNT = {
    "autoBorrowSettlements": False,
    "autoLend": False,
    "autoRealizePnl": False,
    "autoRepayBorrows": False,
    "borrowLimit": "0",
    "futuresMakerFee": "2",
    "futuresTakerFee": "5",
    "leverageLimit": "1",
    "limitOrders": 0,
    "liquidating": False,
    "positionLimit": "0",
    "spotMakerFee": "8",
    "spotTakerFee": "10",
    "triggerOrders": 0,
}
_FUNDS = {
    asset: {"available": "1000000", "locked": "0", "staked": "0"} for asset in ("USDC", "SOL")
}
_TICKER = {
    "firstPrice": "103.68",
    "high": "104.96",
    "lastPrice": "100.00",
    "low": "99.57",
    "priceChange": "-3.01",
    "priceChangePercent": "-0.029032",
    "quoteVolume": "1163648.1557",
    "trades": "3872",
    "volume": "11355.78",
}
_ABSENT = dict.fromkeys(
    (
        "reduceOnly",
        "relatedOrderId",
        "stopLossLimitPrice",
        "stopLossTriggerBy",
        "stopLossTriggerPrice",
        "strategyId",
        "takeProfitLimitPrice",
        "takeProfitTriggerBy",
        "takeProfitTriggerPrice",
        "triggerBy",
        "triggerPrice",
        "triggerQuantity",
        "triggeredAt",
    )
)

_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def _ok(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    ) + body


class Replies:
    """Answers to requests.

    Args:
        markets: by symbol; their books are asked when a snapshot is.
    """

    def __init__(self, markets: dict[str, ServedMarket]) -> None:
        self._markets = markets
        self.orders: dict[str, bytes] = {}
        encode = msgspec.json.encode
        self._fixed = {
            "/api/v1/markets": _ok(listing(list(markets))),
            "/api/v1/status": _ok(b'{"message":null,"status":"Ok"}'),
            "/api/v1/capital": _ok(encode(_FUNDS)),
            "/api/v1/borrowLend/positions": _ok(b"[]"),
            "/api/v1/account": _ok(encode(_ACCOUNT)),
            "/api/v1/tickers": _ok(encode([{"symbol": name, **_TICKER} for name in markets])),
            "/api/v1/position": _ok(b"[]"),
            "/wapi/v1/history/fills": _ok(b"[]"),
            "/wapi/v1/history/orders": _ok(b"[]"),
        }

    def reply(self, method: str, target: str, body: bytes) -> bytes:
        """The whole HTTP reply to a request."""
        path, query = urlsplit(target)[2:4]
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        if path == "/api/v1/order" and method == "POST":
            return _ok(self._place(msgspec.json.decode(body)))
        payload = self._asked(path, {key: values[0] for key, values in parse_qs(query).items()})
        return _NOT_FOUND if payload is None else _ok(payload)

    def _asked(self, path: str, parameters: dict[str, str]) -> bytes | None:
        match path:
            case "/api/v1/time":
                return b"%d" % (time.time() * 1000)
            case "/api/v1/depth":
                return self._markets[parameters["symbol"]].snapshot()
            case "/api/v1/ticker":
                return msgspec.json.encode({"symbol": parameters["symbol"], **_TICKER})
            case "/api/v1/order":
                return self.orders.get(parameters["clientId"])
            case "/api/v1/orders":
                return b"[%s]" % b",".join(self.orders.values())
        return None

    def _place(self, wanted: dict[str, Any]) -> bytes:
        order = msgspec.json.encode(
            {
                **_ABSENT,
                "clientId": wanted["clientId"],
                "createdAt": int(time.time() * 1000),
                "executedQuantity": "0",
                "executedQuoteQuantity": "0",
                "id": str(59_669_287_267 + len(self.orders)),
                "orderType": wanted["orderType"],
                "postOnly": bool(wanted.get("postOnly")),
                "price": wanted["price"],
                "quantity": wanted["quantity"],
                "selfTradePrevention": "RejectTaker",
                "side": wanted["side"],
                "status": "New",
                "symbol": wanted["symbol"],
                "timeInForce": "GTC",
            }
        )
        self.orders[str(wanted["clientId"])] = order
        return order
