"""The market-making script, on Hummingbot's own paper exchange: no connector of ours involved."""

import asyncio
import importlib.util
from decimal import Decimal

import pytest
from pydantic import ValidationError

from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.test_support.mock_paper_exchange import MockPaperExchange
from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.trade_fee import TradeFeeSchema
from hummingbot.core.event.events import OrderCancelledEvent, OrderFilledEvent
from hummingbot_backpack import overlay

PAIR = "SOL-USDC"
START_S = 1_700_000_000.0


def load_script():
    """Load the script as Hummingbot does: by file, not as part of a package."""
    spec = importlib.util.spec_from_file_location(
        "scripts_simple_pmm",
        overlay.tree() / "scripts" / "simple_pmm.py",
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()


class Market(MockPaperExchange):
    """A paper exchange that confirms cancels when told to, and knows post-only orders."""

    def __init__(self) -> None:
        super().__init__(trade_fee_schema=TradeFeeSchema())
        self.set_balanced_order_book(
            trading_pair=PAIR,
            mid_price=100,
            min_price=1,
            max_price=200,
            price_step_size=1,
            volume_step_size=10,
        )
        self.set_balance("SOL", 100)
        self.set_balance("USDC", 10_000)
        self.placed = []
        self.cancelled = []

    def supported_order_types(self):
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER]

    @property
    def ready(self):
        return True

    def buy(self, trading_pair, amount, order_type=OrderType.MARKET, price=None, **kwargs):
        return self._place("buy", amount, order_type, price)

    def sell(self, trading_pair, amount, order_type=OrderType.MARKET, price=None, **kwargs):
        return self._place("sell", amount, order_type, price)

    def _place(self, side, amount, order_type, price):
        self.placed.append((side, amount, order_type, price))
        return f"{side}-{len(self.placed)}"

    def cancel(self, trading_pair, client_order_id):
        self.cancelled.append(client_order_id)


class Bot:
    """The strategy on a clock that ticks when told to."""

    def __init__(self, market: Market, **settings) -> None:
        self.market = market
        self.config = script.SimplePMMConfig(
            exchange=market.name,
            trading_pair=PAIR,
            order_amount=Decimal(1),
            order_refresh_time=5,
            **settings,
        )
        script.SimplePMM.init_markets(self.config)
        self.strategy = script.SimplePMM({market.name: market}, self.config)
        self.clock = Clock(ClockMode.BACKTEST, 1, START_S, START_S + 1000)
        self.clock.add_iterator(market)
        self.clock.add_iterator(self.strategy)
        self.now_s = START_S

    def tick(self, seconds: int = 1) -> None:
        self.now_s += seconds
        self.clock.backtest_til(self.now_s)

    def active(self) -> list[str]:
        orders = self.strategy.get_active_orders(self.market.name)
        return sorted(order.client_order_id for order in orders)

    def confirm_cancel(self, order_id: str) -> None:
        event = OrderCancelledEvent(self.now_s, order_id)
        self.market.trigger_event(self.market.MARKET_ORDER_CANCELLED_EVENT_TAG, event)


@pytest.fixture
async def market():
    market = Market()
    # The fee schema and the name come from the registry; the paper exchange is not in it.
    settings = AllConnectorSettings.get_connector_settings()
    settings[market.name] = settings["backpack"]
    yield market
    del settings[market.name]


@pytest.fixture
async def bot(market):
    bot = Bot(market)
    yield bot
    await stop(bot)


async def stop(bot):
    await bot.strategy.on_stop()
    await asyncio.sleep(0)


def test_the_defaults_make_a_valid_configuration():
    config = script.SimplePMMConfig()
    assert (config.exchange, config.trading_pair) == ("backpack", PAIR)
    assert config.script_file_name == "simple_pmm.py"
    assert config.update_markets({}) == {"backpack": {PAIR}}
    assert config.update_markets({"backpack": {"BTC-USDC"}}) == {"backpack": {"BTC-USDC", PAIR}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"exchange": "backpack_perpetual"},
        {"order_amount": 0},
        {"order_amount": "NaN"},
        {"bid_spread": -0.1},
        {"bid_spread": 1},
        {"ask_spread": 1.5},
        {"order_refresh_time": 0},
        {"price_type": "best"},
    ],
)
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        script.SimplePMMConfig(**wrong)


async def test_it_quotes_both_sides_around_the_mid_price_post_only(market, bot):
    bot.tick(2)
    assert market.placed == [
        ("buy", Decimal(1), OrderType.LIMIT_MAKER, Decimal("99.9")),
        ("sell", Decimal(1), OrderType.LIMIT_MAKER, Decimal("100.1")),
    ]


async def test_it_uses_plain_limit_orders_where_post_only_is_not_known(market, bot):
    market.supported_order_types = lambda: [OrderType.LIMIT]
    bot.tick(2)
    assert {order_type for _, _, order_type, _ in market.placed} == {OrderType.LIMIT}


async def test_it_leaves_the_quotes_alone_until_the_refresh_time(market, bot):
    bot.tick(2)
    bot.tick(4)
    assert market.cancelled == []
    assert len(market.placed) == 2


async def test_it_places_new_quotes_only_when_the_old_ones_are_gone(market, bot):
    bot.tick(2)
    bot.tick(5)
    assert sorted(market.cancelled) == ["buy-1", "sell-2"]
    bot.confirm_cancel("buy-1")
    bot.tick(3)
    assert bot.active() == ["sell-2"]
    assert len(market.placed) == 2
    assert len(market.cancelled) == 2

    bot.confirm_cancel("sell-2")
    bot.tick(1)
    assert bot.active() == ["buy-3", "sell-4"]


async def test_it_quotes_the_side_it_can_pay_for(market, bot):
    market.set_balance("USDC", 99)
    bot.tick(2)
    assert [side for side, *_ in market.placed] == ["sell"]
    assert "not enough USDC" in bot.strategy.format_status()


async def test_it_waits_without_a_price(market, caplog):
    bot = Bot(market, price_type="last")
    bot.tick(20)
    assert market.placed == []
    told = [record for record in caplog.records if "no last price" in record.getMessage()]
    assert len(told) == 1
    await stop(bot)


async def test_a_tight_quote_stays_on_its_side_of_the_book(market):
    bot = Bot(market, bid_spread=0, ask_spread=0)
    bot.tick(2)
    prices = {side: price for side, _, _, price in market.placed}
    best_bid, best_ask = market.get_price(PAIR, False), market.get_price(PAIR, True)
    assert prices["buy"] < best_ask
    assert prices["sell"] > best_bid
    await stop(bot)


async def test_it_stops_quoting_when_it_is_stopped(market):
    bot = Bot(market)
    await stop(bot)
    bot.tick(20)
    assert market.placed == []


async def test_the_status_counts_fills(market, bot):
    bot.tick(2)
    fee = None
    for side, order_id, price in (
        (TradeType.BUY, "buy-1", Decimal("99.9")),
        (TradeType.SELL, "sell-2", Decimal("100.1")),
    ):
        event = OrderFilledEvent(
            bot.now_s, order_id, PAIR, side, OrderType.LIMIT, price, Decimal("0.5"), fee
        )
        market.trigger_event(market.MARKET_ORDER_FILLED_EVENT_TAG, event)
    status = bot.strategy.format_status()
    assert "Fills: 2, volume 100 USDC" in status
    assert "Bought 0.5 SOL, sold 0.5 SOL" in status
    assert "Mid price: 100" in status
