"""Hummingbot's own connector suite, nothing skipped."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

from aioresponses import CallbackResult

from hummingbot.connector.exchange.backpack.api.signing import (
    generate_key_pair,
    signed_text,
    verify,
)
from hummingbot.connector.exchange.backpack.api.streams import (
    PRIVATE_EVENTS,
    frame_decoder,
    parse_frame,
)
from hummingbot.connector.exchange.backpack.backpack_environments import LIVE_REST_URL
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.backpack_translation import wire_client_id
from hummingbot.connector.test_support.exchange_connector_test import AbstractExchangeConnectorTests
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount

CREATED_MS = 1_795_000_000_000
API_KEY, API_SECRET = generate_key_pair(bytes(range(32)))
INSTRUCTIONS = {
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/order"): "orderQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("GET", "/wapi/v1/history/fills"): "fillHistoryQueryAll",
    ("GET", "/wapi/v1/history/orders"): "orderHistoryQueryAll",
}
NOT_FOUND = {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"}


def url(path):
    return LIVE_REST_URL + path


def pattern(path):
    return re.compile(rf"^{re.escape(url(path))}(\?.*)?$")


class BackpackExchangeTests(AbstractExchangeConnectorTests.ExchangeConnectorTests):
    """The suite, with replies and events as the exchange sends them."""

    @property
    def all_symbols_url(self):
        return url("/api/v1/markets")

    @property
    def latest_prices_url(self):
        return f"{url('/api/v1/ticker')}?symbol={self.exchange_trading_pair}"

    @property
    def network_status_url(self):
        return url("/api/v1/status")

    @property
    def trading_rules_url(self):
        return url("/api/v1/markets")

    @property
    def order_creation_url(self):
        return url("/api/v1/order")

    @property
    def balance_url(self):
        return url("/api/v1/capital")

    def market(self, symbol, market_type="SPOT", state="Open"):
        return {
            "baseSymbol": self.base_asset,
            "createdAt": "2026-01-21T06:34:54.691858",
            "filters": {
                "price": {"maxPrice": None, "minPrice": "0.01", "tickSize": "0.0001"},
                "quantity": {"maxQuantity": None, "minQuantity": "0.01", "stepSize": "0.000001"},
            },
            "marketType": market_type,
            "orderBookState": state,
            "quoteSymbol": self.quote_asset,
            "symbol": symbol,
            "visible": True,
        }

    @property
    def all_symbols_request_mock_response(self):
        return [self.market(self.exchange_trading_pair)]

    @property
    def latest_prices_request_mock_response(self):
        return {
            "firstPrice": "9900",
            "high": "10000.1",
            "lastPrice": str(self.expected_latest_price),
            "low": "9900",
            "priceChange": "99.9",
            "priceChangePercent": "0.010091",
            "quoteVolume": "1163648.1557",
            "symbol": self.exchange_trading_pair,
            "trades": "3872",
            "volume": "11355.78",
        }

    @property
    def all_symbols_including_invalid_pair_mock_response(self):
        invalid = self.market("CLOSED_PAIR", state="Closed")
        invalid["baseSymbol"], invalid["quoteSymbol"] = "CLOSED", "PAIR"
        return "CLOSED-PAIR", [self.market(self.exchange_trading_pair), invalid]

    @property
    def network_status_request_successful_mock_response(self):
        return {"message": None, "status": "Ok"}

    @property
    def trading_rules_request_mock_response(self):
        perpetual = self.market(f"{self.exchange_trading_pair}_PERP", market_type="PERP")
        return [perpetual, self.market(self.exchange_trading_pair)]

    @property
    def trading_rules_request_erroneous_mock_response(self):
        broken = self.market(self.exchange_trading_pair)
        del broken["filters"]
        return [broken]

    def order_row(self, order, status="New", executed="0", **changes):
        return {
            "clientId": wire_client_id(order.client_order_id),
            "createdAt": CREATED_MS,
            "executedQuantity": executed,
            "executedQuoteQuantity": str(Decimal(executed) * order.price),
            "id": order.exchange_order_id or self.expected_exchange_order_id,
            "orderType": "Limit",
            "postOnly": False,
            "price": str(order.price),
            "quantity": str(order.amount),
            "reduceOnly": None,
            "selfTradePrevention": "RejectTaker",
            "side": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "status": status,
            "symbol": self.exchange_symbol_for_tokens(order.base_asset, order.quote_asset),
            "timeInForce": "GTC",
            **changes,
        }

    def history_row(self, order, status, executed):
        return self.order_row(
            order,
            status,
            executed,
            createdAt="2026-11-18T10:00:00.123",
            expiryReason=None,
            quoteQuantity=str(order.price * order.amount),
            systemOrderType=None,
        )

    def fill_row(self, order, price, quantity):
        return {
            "clientId": str(wire_client_id(order.client_order_id)),
            "fee": str(self.expected_fill_fee.flat_fees[0].amount),
            "feeSymbol": self.expected_fill_fee.flat_fees[0].token,
            "isMaker": True,
            "orderId": order.exchange_order_id,
            "price": str(price),
            "quantity": str(quantity),
            "side": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "symbol": self.exchange_trading_pair,
            "systemOrderType": None,
            "timestamp": "2026-11-18T10:00:01.197",
            "tradeId": int(self.expected_fill_trade_id),
        }

    @property
    def order_creation_request_successful_mock_response(self):
        return {
            "clientId": 1,
            "createdAt": CREATED_MS,
            "executedQuantity": "0",
            "executedQuoteQuantity": "0",
            "id": self.expected_exchange_order_id,
            "orderType": "Limit",
            "postOnly": False,
            "price": "10000",
            "quantity": "100",
            "reduceOnly": None,
            "selfTradePrevention": "RejectTaker",
            "side": "Bid",
            "status": "New",
            "symbol": self.exchange_trading_pair,
            "timeInForce": "GTC",
        }

    @property
    def balance_request_mock_response_for_base_and_quote(self):
        return {
            self.base_asset: {"available": "10", "locked": "5", "staked": "0"},
            self.quote_asset: {"available": "2000", "locked": "0", "staked": "0"},
            "POINTS": {"available": "2", "locked": "0", "staked": "0"},
        }

    @property
    def balance_request_mock_response_only_base(self):
        return {self.base_asset: {"available": "10", "locked": "5", "staked": "0"}}

    def event(self, stream, data):
        frame = json.dumps({"data": data, "stream": stream})
        return parse_frame(frame, frame_decoder(PRIVATE_EVENTS))

    @property
    def balance_event_websocket_update(self):
        return self.event(
            "account.balanceUpdate",
            {
                "A": "10",
                "E": CREATED_MS * 1000 + 15,
                "L": "5",
                "S": "0",
                "T": CREATED_MS * 1000,
                "a": self.base_asset,
                "e": "balanceUpdate",
            },
        )

    @property
    def expected_latest_price(self):
        return 9999.9

    @property
    def expected_supported_order_types(self):
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]

    @property
    def expected_trading_rule(self):
        return TradingRule(
            trading_pair=self.trading_pair,
            min_order_size=Decimal("0.01"),
            min_price_increment=Decimal("0.0001"),
            min_base_amount_increment=Decimal("0.000001"),
        )

    @property
    def expected_logged_error_for_erroneous_trading_rule(self):
        row = json.dumps(self.trading_rules_request_erroneous_mock_response[0])
        return (
            "A market of Backpack is left out: GET /api/v1/markets: cannot be read "
            f"(Object missing required field `filters`): {row[:200]}"
        )

    @property
    def expected_exchange_order_id(self):
        return "59669287267"

    @property
    def is_order_fill_http_update_included_in_status_update(self):
        return True

    @property
    def is_order_fill_http_update_executed_during_websocket_order_event_processing(self):
        return False

    @property
    def expected_partial_fill_price(self):
        return Decimal(10500)

    @property
    def expected_partial_fill_amount(self):
        return Decimal("0.5")

    @property
    def expected_fill_fee(self):
        return DeductedFromReturnsTradeFee(
            percent_token=self.base_asset,
            flat_fees=[TokenAmount(token=self.base_asset, amount=Decimal("0.0008"))],
        )

    @property
    def expected_fill_trade_id(self):
        return "30000"

    def exchange_symbol_for_tokens(self, base_token, quote_token):
        return f"{base_token}_{quote_token}"

    def create_exchange_instance(self):
        return BackpackExchange(
            backpack_api_key=API_KEY,
            backpack_api_secret=API_SECRET,
            trading_pairs=[self.trading_pair],
        )

    # --- what the connector must have sent

    def validate_auth_credentials_present(self, request_call):
        """The signature is that of the parameters that were sent, under the right instruction."""
        headers = request_call.kwargs["headers"]
        body = request_call.kwargs.get("data")
        parameters = json.loads(body) if body else self.query_of(request_call)
        method = "GET" if body is None else ("POST" if "orderType" in parameters else "DELETE")
        text = signed_text(
            [(INSTRUCTIONS[method, self.path_of(request_call)], parameters)],
            timestamp_ms=int(headers["X-Timestamp"]),
            window_ms=int(headers["X-Window"]),
        )
        assert headers["X-API-Key"] == API_KEY
        assert verify(API_KEY, headers["X-Signature"], text)

    def called_url(self, request_call):
        # aioresponses keeps the arguments of the call, not the address: it is found by identity.
        for (_, called), calls in self._api_mock.requests.items():
            if any(call is request_call for call in calls):
                return called
        msg = "the request was not made"
        raise AssertionError(msg)

    def _all_executed_requests(self, api_mock, url):
        self._api_mock = api_mock
        return super()._all_executed_requests(api_mock, url)

    def path_of(self, request_call):
        return urlsplit(str(self.called_url(request_call))).path

    def query_of(self, request_call):
        return dict(self.called_url(request_call).query)

    def validate_order_creation_request(self, order, request_call):
        assert {
            "clientId": wire_client_id(order.client_order_id),
            "orderType": "Limit",
            "price": "10000",
            "quantity": "100",
            "side": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "symbol": self.exchange_trading_pair,
            "timeInForce": "GTC",
        } == json.loads(request_call.kwargs["data"])

    def validate_order_cancelation_request(self, order, request_call):
        assert {
            "orderId": order.exchange_order_id,
            "symbol": self.exchange_trading_pair,
        } == json.loads(request_call.kwargs["data"])

    def validate_order_status_request(self, order, request_call):
        if self.path_of(request_call) == "/wapi/v1/history/orders":
            assert order.exchange_order_id == self.query_of(request_call)["orderId"]
        else:
            assert self.query_of(request_call) == {"marketType": "SPOT"}

    def validate_trades_request(self, order, request_call):
        query = self.query_of(request_call)
        assert order.exchange_order_id == query["orderId"]
        assert self.exchange_trading_pair == query["symbol"]

    # --- what the exchange answers

    def configure_open_orders(self, mock_api, rows, callback=None):
        mock_api.get(pattern("/api/v1/orders"), body=json.dumps(rows), callback=callback)
        return pattern("/api/v1/orders")

    def configure_history(self, mock_api, rows, callback=None):
        mock_api.get(pattern("/wapi/v1/history/orders"), body=json.dumps(rows), callback=callback)
        return pattern("/wapi/v1/history/orders")

    def configure_fills(self, mock_api, rows, callback=None, status=200):
        mock_api.get(
            pattern("/wapi/v1/history/fills"),
            body=json.dumps(rows),
            status=status,
            callback=callback,
        )
        return pattern("/wapi/v1/history/fills")

    def configure_successful_cancelation_response(self, order, mock_api, callback=None):
        body = self.order_row(order, "Cancelled")
        mock_api.delete(url("/api/v1/order"), body=json.dumps(body), callback=callback)
        return url("/api/v1/order")

    def configure_erroneous_cancelation_response(self, order, mock_api, callback=None):
        mock_api.delete(url("/api/v1/order"), status=400, callback=callback)
        return url("/api/v1/order")

    def configure_order_not_found_error_cancelation_response(self, order, mock_api, callback=None):
        mock_api.delete(
            url("/api/v1/order"), status=404, body=json.dumps(NOT_FOUND), callback=callback
        )
        return url("/api/v1/order")

    def configure_one_successful_one_erroneous_cancel_all_response(
        self, successful_order, erroneous_order, mock_api
    ):
        def answer(_, **kwargs):
            asked = json.loads(kwargs["data"])["orderId"]
            if asked == successful_order.exchange_order_id:
                return CallbackResult(
                    body=json.dumps(self.order_row(successful_order, "Cancelled"))
                )
            return CallbackResult(status=400)

        mock_api.delete(url("/api/v1/order"), callback=answer, repeat=True)
        return [url("/api/v1/order")]

    def configure_completely_filled_order_status_response(self, order, mock_api, callback=None):
        opened = self.configure_open_orders(mock_api, [])
        row = self.history_row(order, "Filled", str(order.amount))
        mock_api.get(pattern("/api/v1/order"), status=404, body=json.dumps(NOT_FOUND), repeat=True)
        return [opened, self.configure_history(mock_api, [row], callback)]

    def configure_canceled_order_status_response(self, order, mock_api, callback=None):
        opened = self.configure_open_orders(mock_api, [])
        row = self.history_row(order, "Cancelled", "0")
        return [opened, self.configure_history(mock_api, [row], callback)]

    def configure_open_order_status_response(self, order, mock_api, callback=None):
        return [self.configure_open_orders(mock_api, [self.order_row(order)], callback)]

    def configure_http_error_order_status_response(self, order, mock_api, callback=None):
        """Absent from the open orders and from the history: the only evidence that counts."""
        opened = self.configure_open_orders(mock_api, [], callback)
        self.configure_history(mock_api, [])
        return opened

    def configure_partially_filled_order_status_response(self, order, mock_api, callback=None):
        row = self.order_row(order, "PartiallyFilled", str(self.expected_partial_fill_amount))
        return self.configure_open_orders(mock_api, [row], callback)

    def configure_order_not_found_error_order_status_response(self, order, mock_api, callback=None):
        opened = self.configure_open_orders(mock_api, [], callback)
        return [opened, self.configure_history(mock_api, [])]

    def configure_partial_fill_trade_response(self, order, mock_api, callback=None):
        row = self.fill_row(
            order, self.expected_partial_fill_price, self.expected_partial_fill_amount
        )
        return self.configure_fills(mock_api, [row], callback)

    def configure_erroneous_http_fill_trade_response(self, order, mock_api, callback=None):
        return self.configure_fills(mock_api, [], callback, status=400)

    def configure_full_fill_trade_response(self, order, mock_api, callback=None):
        row = self.fill_row(order, order.price, order.amount)
        return self.configure_fills(mock_api, [row], callback)

    # --- what the account stream sends

    def order_event(self, order, kind, status, **changes):
        data = {
            "E": CREATED_MS * 1000 + 15,
            "O": "USER",
            "Q": str(order.price * order.amount),
            "S": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "T": CREATED_MS * 1000,
            "V": "RejectTaker",
            "X": status,
            "Z": "0",
            "c": wire_client_id(order.client_order_id),
            "e": kind,
            "f": "GTC",
            "i": order.exchange_order_id,
            "o": "LIMIT",
            "p": f"{order.price}.00",
            "q": f"{order.amount}.00",
            "r": False,
            "s": self.exchange_trading_pair,
            "t": None,
            "y": False,
            "z": "0",
        }
        return self.event("account.orderUpdate", {**data, **changes})

    def order_event_for_new_order_websocket_update(self, order):
        return self.order_event(order, "orderAccepted", "New")

    def order_event_for_canceled_order_websocket_update(self, order):
        return self.order_event(order, "orderCancelled", "Cancelled")

    def order_event_for_full_fill_websocket_update(self, order):
        """The exchange tells a fill and the end of the order in one event."""

    def trade_event_for_full_fill_websocket_update(self, order):
        return self.order_event(
            order,
            "orderFill",
            "Filled",
            L=f"{order.price}.00",
            N=self.expected_fill_fee.flat_fees[0].token,
            Z=str(order.price * order.amount),
            l=f"{order.amount}.00",
            m=True,
            n=str(self.expected_fill_fee.flat_fees[0].amount),
            t=int(self.expected_fill_trade_id),
            z=f"{order.amount}.00",
        )

    def test_stream_times_are_read_as_microseconds(self):
        """A recorded unit: the update of an order carries seconds of the right year."""
        order = self.tracked_order()
        event = self.order_event_for_new_order_websocket_update(order)
        year = datetime.fromtimestamp(event.engine_time_us / 1_000_000, tz=UTC).year
        assert year == 2026

    def tracked_order(self):
        self.exchange.start_tracking_order(
            order_id="11",
            exchange_order_id=self.expected_exchange_order_id,
            trading_pair=self.trading_pair,
            order_type=OrderType.LIMIT,
            trade_type=TradeType.BUY,
            price=Decimal(10000),
            amount=Decimal(1),
        )
        return self.exchange.in_flight_orders["11"]
