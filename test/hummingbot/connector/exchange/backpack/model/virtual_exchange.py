"""The local exchange without its sockets: engine, gateway and streams, by a virtual clock."""

from decimal import Decimal

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side, Symbol
from hummingbot.connector.exchange.backpack.api.signing import generate_key_pair
from hummingbot.connector.exchange.backpack.simulator.account_operations import AccountOperations
from hummingbot.connector.exchange.backpack.simulator.authentication import Authenticator
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import (
    OrderEvent,
    OrderEventKind,
    Refusal,
)
from hummingbot.connector.exchange.backpack.simulator.gateway import Gateway
from hummingbot.connector.exchange.backpack.simulator.limits import RateLimit
from hummingbot.connector.exchange.backpack.simulator.market_operations import MarketOperations
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.statistics import Statistics
from hummingbot.connector.exchange.backpack.simulator.streams import Streams

SYMBOL = Symbol("SOL_USDC")
ACCOUNT = "main"
_OTHERS = "others"
_MARKETS = [market for market in known_markets() if market.symbol == SYMBOL]
_ALL = 1_000_000


class VirtualExchange:
    """What is true."""

    def __init__(self, clock):
        clock_us = clock.time_us
        self.engine = Engine(_MARKETS, clock_us=clock_us)
        self.engine.open_account(
            ACCOUNT,
            {"SOL": Decimal(10_000), "USDC": Decimal(1_000_000)},
            maker_fee_bps=Decimal(8),
            taker_fee_bps=Decimal(10),
        )
        self.engine.open_account(
            _OTHERS, {}, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0), unlimited=True
        )
        self.api_key, self.api_secret = generate_key_pair(bytes(range(32)))
        self.authenticator = Authenticator({self.api_key: ACCOUNT}, lambda: clock_us() // 1000)
        statistics = Statistics()
        self.streams = Streams(self.engine, statistics, clock_us)
        markets = MarketOperations(self.engine, statistics, clock_us)
        unlimited = RateLimit(None, clock_us)
        self._gateway = Gateway(
            markets.routes() | AccountOperations(self.engine).routes(),
            self.authenticator,
            unlimited,
            unlimited,
        )
        self.answer = self._gateway.answer
        # Orders of the same account that the connector did not place.
        self.foreign_ids = set()
        self.violations = []
        self.engine.subscribe(self._on_event)
        for price, side in (("98", Side.BID), ("102", Side.ASK)):
            self.trade_of_others(side, Decimal(price), Decimal(5_000))

    def _on_event(self, event):
        if not isinstance(event, OrderEvent) or event.kind is not OrderEventKind.CANCELLED:
            return
        if event.order.order_id in self.foreign_ids:
            self.violations.append(f"somebody else's order was cancelled: {event.order}")

    # === what others do

    def trade_of_others(self, side, price, quantity):
        """Somebody quotes or takes; what nobody would trade with is refused."""
        try:
            self.engine.place(_OTHERS, _order(side, price, quantity))
        except Refusal:
            return

    def place_by_hand(self, side, price, quantity, client_id=None):
        """The account's owner, or another bot, places an order that is not the connector's."""
        try:
            order = self.engine.place(ACCOUNT, _order(side, price, quantity, client_id))
        except Refusal:
            return
        self.foreign_ids.add(order.order_id)

    def ours_open(self):
        """Open orders that the connector placed, oldest first."""
        return [
            order
            for order in self.engine.open_orders(ACCOUNT)
            if order.order_id not in self.foreign_ids
        ]

    def cancel_by_hand(self, order):
        """The account's owner cancels an order of the connector."""
        self.engine.cancel(ACCOUNT, SYMBOL, order_id=order.order_id)

    def expire(self, order, reason):
        """The exchange itself ends a resting order."""
        expire(self.engine, ACCOUNT, SYMBOL, order.order_id, reason)

    # === the truth about the connector's orders

    def orders(self):
        """Every order that the connector placed, by its id as text."""
        rows, _ = self.engine.order_history(ACCOUNT, limit=_ALL)
        return {str(o.order_id): o for o in rows if o.order_id not in self.foreign_ids}

    def fills(self):
        """Every fill of these orders."""
        rows, _ = self.engine.fills(ACCOUNT, limit=_ALL)
        return [fill for fill in rows if fill.order_id not in self.foreign_ids]

    def funds(self):
        """Asset to available and total."""
        balances = self.engine.balances(ACCOUNT)
        return {asset: (free, free + locked) for asset, (free, locked) in balances.items()}


def expire(engine, account, symbol, order_id, reason):
    """The exchange itself ends a resting order."""
    record = engine._accounts[account].open[order_id]
    engine._execution.take_out(engine._venues[symbol], record, OrderEventKind.EXPIRED, reason)
    engine._execution.flush()


def _order(side, price, quantity, client_id=None):
    return ExecuteOrder(
        symbol=SYMBOL,
        side=side,
        order_type=OrderType.LIMIT if price else OrderType.MARKET,
        price=price,
        quantity=quantity,
        client_id=client_id,
    )
