"""The market-making script: what it sends to an exchange, tick by tick."""

import asyncio
import importlib.util
from decimal import Decimal

import pytest
from pydantic import ValidationError

from hummingbot.connector.exchange_base import ExchangeBase
from hummingbot.connector.markets_recorder import MarketsRecorder
from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_row import OrderBookRow
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount
from hummingbot.core.event.events import MarketEvent, OrderCancelledEvent, OrderFilledEvent
from hummingbot.core.network_iterator import NetworkStatus
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


class Market(ExchangeBase):
    """An exchange that notes what it is told and does nothing by itself."""

    name = "backpack"
    ready = True
    network_status = NetworkStatus.CONNECTED

    def __init__(self) -> None:
        super().__init__()
        self.book = OrderBook()
        self.book.apply_snapshot(
            [OrderBookRow(99.5, 10, 1), OrderBookRow(99, 10, 1)],
            [OrderBookRow(100.5, 10, 1), OrderBookRow(101, 10, 1)],
            1,
        )
        self.balances = {"SOL": Decimal(100), "USDC": Decimal(10_000)}
        self.types = [OrderType.LIMIT, OrderType.LIMIT_MAKER]
        self.placed = []
        self.cancelled = []

    def supported_order_types(self):
        return self.types

    def get_order_book(self, trading_pair):
        return self.book

    def get_order_price_quantum(self, trading_pair, price):
        return Decimal("0.01")

    def get_order_size_quantum(self, trading_pair, order_size):
        return Decimal("0.01")

    def get_fee(self, base, quote, order_type, side, amount, price, is_maker=None):
        return DeductedFromReturnsTradeFee(percent=Decimal("0.0008"))

    def get_balance(self, currency):
        return self.balances[currency]

    get_available_balance = get_balance

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

    def open_orders(self) -> list[str]:
        orders = self.strategy.order_tracker.tracked_limit_orders
        return sorted(order.client_order_id for _, order in orders)

    def confirm_cancel(self, order_id: str) -> None:
        event = OrderCancelledEvent(self.now_s, order_id)
        self.market.trigger_event(MarketEvent.OrderCancelled, event)


class Recorder:
    """Stands for Hummingbot's database, which has nothing to remember."""

    def get_all_executors(self):
        return []

    def get_all_positions(self):
        return []

    def get_executors_by_controller(self, controller_id=None):
        return []

    def store_or_update_executor(self, executor):
        raise AssertionError("this strategy has no executors")


@pytest.fixture
async def market(monkeypatch):
    monkeypatch.setattr(MarketsRecorder, "_shared_instance", Recorder())
    return Market()


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
    market.types = [OrderType.LIMIT]
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
    assert bot.open_orders() == ["sell-2"]
    assert len(market.placed) == 2
    assert len(market.cancelled) == 2

    bot.confirm_cancel("sell-2")
    bot.tick(1)
    assert bot.open_orders() == ["buy-3", "sell-4"]


async def test_it_quotes_the_side_it_can_pay_for(market, bot):
    market.balances["USDC"] = Decimal(99)
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


async def test_a_quote_is_rounded_to_the_tick_away_from_the_price(market):
    bot = Bot(market, bid_spread="0.00014", ask_spread="0.00014")
    bot.tick(2)
    assert [price for *_, price in market.placed] == [Decimal("99.98"), Decimal("100.02")]
    assert "Quotes: bid 1 at 99.98, ask 1 at 100.02\n" in bot.strategy.format_status()
    await stop(bot)


async def test_the_two_quotes_never_trade_with_one_another(market):
    bot = Bot(market, bid_spread=0, ask_spread=0)
    bot.tick(2)
    assert [price for *_, price in market.placed] == [Decimal(100), Decimal("100.01")]
    await stop(bot)


def fill(market, bot, side, order_id, price, *, amount="0.5", fee=None):
    trade_fee = fee or DeductedFromReturnsTradeFee(percent=Decimal(0))
    values = (PAIR, side, OrderType.LIMIT, Decimal(price), Decimal(amount), trade_fee)
    market.trigger_event(MarketEvent.OrderFilled, OrderFilledEvent(bot.now_s, order_id, *values))


def flat(asset, amount):
    return DeductedFromReturnsTradeFee(flat_fees=[TokenAmount(asset, Decimal(amount))])


async def test_the_status_counts_fills(market, bot):
    bot.tick(2)
    assert "Profit and loss: 0 USDC after fees of 0 USDC\n" in bot.strategy.format_status() + "\n"
    fill(market, bot, TradeType.BUY, "buy-1", "99.9")
    fill(market, bot, TradeType.SELL, "sell-2", "100.1")
    status = bot.strategy.format_status()
    assert "Fills: 2, volume 100 USDC\n" in status
    assert "Bought and sold: 0.5 SOL, 0.5 SOL\n" in status
    assert "Mid price: 100 USDC\n" in status
    assert "Profit and loss: 0.1 USDC after fees of 0 USDC" in status


@pytest.mark.parametrize(
    ("fee", "told"),
    [
        (flat("SOL", "0.001"), "-0.05 USDC after fees of 0.1 USDC"),
        (flat("USDC", "0.04"), "0.01 USDC after fees of 0.04 USDC"),
        (flat("USDC", "-0.04"), "0.09 USDC after fees of -0.04 USDC"),
        (flat("BNB", "0.2"), "0.05 USDC after fees of 0 USDC and 0.2 BNB"),
        (
            DeductedFromReturnsTradeFee(percent=Decimal("0.002")),
            "-0.0499 USDC after fees of 0.0999",
        ),
    ],
    ids=["base asset", "quote asset", "rebate", "another asset", "percentage"],
)
async def test_the_profit_is_that_of_now_after_fees(market, bot, fee, told):
    bot.tick(2)
    fill(market, bot, TradeType.BUY, "buy-1", "99.9", fee=fee)
    assert f"Profit and loss: {told}" in bot.strategy.format_status()


async def test_the_status_tells_the_health_of_a_connector_that_knows_it(market, bot):
    bot.tick(2)
    assert "Connection" not in bot.strategy.format_status()
    market.health = "market data 0.1 s ago"
    assert "  Connection: market data 0.1 s ago" in bot.strategy.format_status()
