"""Balances, lent funds and fees of the account; events that cannot be read."""

import asyncio
import json
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_balances
from hummingbot.connector.exchange.backpack.api.streams import BalanceUpdate
from hummingbot.connector.exchange.backpack.simulator import wire_account
from hummingbot.connector.exchange.backpack.simulator.local import AccountSettings
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee

PAIR = "SOL-USDC"
CAPITAL = "GET /api/v1/capital"
LENT = "GET /api/v1/borrowLend/positions"
ACCOUNT = "GET /api/v1/account"
PLACE = "POST /api/v1/order"
OPEN_ORDERS = "GET /api/v1/orders"


def funds(**assets):
    return json.dumps(
        {
            asset: {"available": available, "locked": locked, "staked": "0"}
            for asset, (available, locked) in assets.items()
        }
    )


def lent(asset, quantity):
    position = {
        "cumulativeInterest": "0.001",
        "estLiquidationPrice": "0",
        "id": "123",
        "imf": "0.1",
        "imfFunction": {"base": "0.1", "factor": "0.00001", "type": "sqrt"},
        "markPrice": "1",
        "mmf": "0.05",
        "mmfFunction": {"base": "0.05", "factor": "0.00001", "type": "sqrt"},
        "netExposureNotional": quantity,
        "netExposureQuantity": quantity,
        "netQuantity": quantity,
        "symbol": asset,
    }
    return json.dumps([position])


@pytest.fixture
def quick_check(monkeypatch):
    """Give an event of the funds a fifth of a second to follow that of an order."""
    monkeypatch.setattr(backpack_balances, "_EVENT_GRACE_S", 0.2)


async def test_pseudo_assets_are_no_balances(trader, exchange):
    """The exchange lists POINTS among the funds."""
    body = funds(USDC=("5", "2"), POINTS=("3", "0"))
    with exchange.faults.answer(200, body, CAPITAL):
        await trader.connector._update_balances()
    assert trader.connector.get_all_balances() == {"USDC": 7}
    assert trader.connector.available_balances == {"USDC": 5}


async def test_pseudo_assets_of_events_are_no_balances_either(trader):
    """POINTS may change while the bot runs."""
    before = trader.connector.get_all_balances()
    await trader.connector._on_event(
        BalanceUpdate(
            asset="POINTS",
            available=Decimal(3),
            locked=Decimal(0),
            staked=Decimal(0),
            event_time_us=1,
            engine_time_us=1,
        )
    )
    assert trader.connector.get_all_balances() == before


async def test_lent_funds_count_as_available(trader, exchange, eventually, calls):
    """They leave the balances when auto-lending is on, and an order may take them back."""
    connector = trader.connector
    with exchange.faults.answer(200, lent("USDC", "250.5"), LENT, times=None):
        await connector._update_balances()
        assert connector.available_balances["USDC"] == Decimal("100250.5")
        assert connector.get_balance("USDC") == Decimal("100250.5")
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
        other_id = connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal("100.50"))
        await trader.open(order_id)
        await trader.open(other_id)
        await eventually(lambda: connector.available_balances["USDC"] == Decimal("100151.0"))
    assert [b'"autoLendRedeem":true' in call.body for call in calls.of(PLACE)] == [True, False]


async def test_lent_funds_that_an_order_takes_back_are_not_counted_twice(
    quick_check, trader, exchange, eventually, calls
):
    """They are among the balances again; the event says so, but not that nothing is lent now."""
    connector = trader.connector
    with exchange.faults.answer(200, lent("USDC", "1000"), LENT, times=None):
        await connector._update_balances()
    totals = set()
    with exchange.faults.answer(200, "[]", LENT, times=None):
        calls.all.clear()
        await trader.open(connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(99)))
        exchange.engine.deposit("main", "USDC", Decimal(1000))

        def is_told():
            totals.add(connector.get_balance("USDC"))
            return connector.available_balances["USDC"] == Decimal(101_000 - 99)

        await eventually(is_told)
    assert totals == {101_000}
    assert 1 <= calls.count(LENT) <= 2


async def test_funds_that_are_lent_as_soon_as_they_come_are_still_there(
    quick_check, trader, exchange, quote, eventually, calls
):
    """With auto-lending the balances show nothing of what a fill brings."""
    connector, engine = trader.connector, exchange.engine
    account = wire_account.account((Decimal(8), Decimal(10)), 0) | {"autoLend": True}
    with exchange.faults.answer(200, json.dumps(account), ACCOUNT):
        await connector._update_trading_fees()
    order_id = connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
    await trader.open(order_id)
    held, _ = engine.balances("main")["SOL"]
    shown = set()
    with exchange.faults.answer(200, lent("SOL", str(held + 2)), LENT, times=None):
        quote("Ask", "99.95", "2")
        lent_now, _ = engine.balances("main")["SOL"]
        engine.deposit("main", "SOL", -lent_now)

        def is_told():
            shown.add(connector.available_balances["SOL"])
            return held + 2 in shown

        await eventually(is_told)
        assert shown <= {held, held + 2}
        calls.all.clear()
        connector.sell(PAIR, held + 2, OrderType.LIMIT, Decimal("100.50"))
        await eventually(lambda: calls.count(PLACE))
    assert b'"autoLendRedeem":true' in calls.of(PLACE)[0].body


async def test_event_of_lent_funds_while_they_are_asked_for_leads_to_another_question(
    quick_check, trader, exchange, eventually, calls
):
    """The answer that is under way may be older than the event."""
    connector = trader.connector
    with exchange.faults.answer(200, lent("USDC", "1000"), LENT, times=None):
        await connector._update_balances()
        with exchange.faults.delay_replies(0.5, CAPITAL, times=1) as late:
            exchange.engine.deposit("main", "USDC", Decimal(1))
            await late.wait_hit()
            exchange.engine.deposit("main", "USDC", Decimal(2))
        await eventually(lambda: connector.get_balance("USDC") == 101_003)


async def test_events_of_funds_in_the_wrong_order_leave_the_newest(
    quick_check, trader, exchange, eventually, calls
):
    """The older one is not believed, and the question that it leads to settles it."""
    connector = trader.connector
    calls.all.clear()
    with exchange.faults.swap_frames("account.balanceUpdate") as fault:
        exchange.engine.deposit("main", "USDC", Decimal(1))
        await fault.wait_hit()
        exchange.engine.deposit("main", "USDC", Decimal(2))
        await eventually(lambda: connector.get_balance("USDC") == 100_003)
        seen = set()

        def is_asked():
            seen.add(connector.get_balance("USDC"))
            return calls.count(CAPITAL)

        await eventually(is_asked)
    assert seen == {100_003}


async def test_funds_are_known_when_the_exchanges_clock_is_set_back(
    quick_check, trader, exchange, eventually, agree
):
    """Its events look older than those before, and are asked about."""
    exchange.engine.deposit("main", "USDC", Decimal(1))
    await eventually(lambda: trader.connector.get_balance("USDC") == 100_001)
    with exchange.faults.clock_skew(-60_000):
        exchange.engine.deposit("main", "USDC", Decimal(2))
        await eventually(lambda: trader.connector.get_balance("USDC") == 100_003)
        exchange.engine.deposit("main", "USDC", Decimal(4))
        await eventually(lambda: trader.connector.get_balance("USDC") == 100_007)
    await agree(trader)


async def test_borrowed_funds_are_not_taken_for_lent_ones(trader, exchange):
    """A negative position is a debt."""
    with exchange.faults.answer(200, lent("USDC", "-250.5"), LENT):
        await trader.connector._update_balances()
    assert trader.connector.available_balances["USDC"] == 100_000


async def test_last_good_values_stay_when_one_request_fails(trader, exchange):
    """Without an answer about lent funds the last one counts; without balances, an error."""
    connector = trader.connector
    with exchange.faults.answer(200, lent("USDC", "250.5"), LENT):
        await connector._update_balances()
    with exchange.faults.server_error(LENT):
        await connector._update_balances()
    assert connector.available_balances["USDC"] == Decimal("100250.5")
    with exchange.faults.server_error(CAPITAL), pytest.raises(OSError, match="SERVER_ERROR"):
        await connector._update_balances()
    assert connector.available_balances["USDC"] == Decimal("100250.5")


@pytest.mark.parametrize("exchange_settings", [{"accounts": (AccountSettings(balances={}),)}])
async def test_account_without_any_funds_gets_ready(exchange, start_trader, eventually):
    """Hummingbot waits for a balance; a new account lists none."""
    trader = await start_trader(exchange)
    assert trader.connector.get_all_balances() == {"USDC": 0}
    exchange.engine.deposit("main", "SOL", Decimal(5))
    await eventually(lambda: trader.connector.get_balance("SOL") == 5)


async def test_deposit_is_told_by_the_stream(trader, exchange, eventually, agree):
    """And an asset that runs out shows zero."""
    exchange.engine.deposit("main", "BTC", Decimal("0.5"))
    await eventually(lambda: trader.connector.get_balance("BTC") == Decimal("0.5"))
    exchange.engine.deposit("main", "BTC", Decimal("-0.5"))
    await eventually(lambda: trader.connector.get_balance("BTC") == 0)
    await agree(trader)


# === fees


@pytest.mark.parametrize(
    "exchange_settings", [{"maker_fee_bps": Decimal("-0.5"), "taker_fee_bps": Decimal("4.5")}]
)
@pytest.mark.parametrize(
    ("order_type", "is_maker", "percent"),
    [
        (OrderType.LIMIT, None, "0.00045"),
        (OrderType.MARKET, None, "0.00045"),
        (OrderType.LIMIT_MAKER, None, "-0.00005"),
        (OrderType.LIMIT, True, "-0.00005"),
        (OrderType.LIMIT_MAKER, False, "0.00045"),
    ],
)
@pytest.mark.parametrize("trade_type", [TradeType.BUY, TradeType.SELL])
async def test_fees_are_the_accounts(trader, eventually, order_type, is_maker, percent, trade_type):
    """Basis points of the account, as fractions; a maker of this account gets a rebate."""
    connector = trader.connector
    await eventually(lambda: connector._account is not None)
    fee = connector.get_fee(
        "SOL", "USDC", order_type, trade_type, Decimal(1), Decimal(100), is_maker
    )
    assert isinstance(fee, DeductedFromReturnsTradeFee)
    assert fee.percent == Decimal(percent)


async def test_fees_before_the_account_is_known_are_the_default(trader):
    """Tier 1 of the exchange, or what the user has configured."""
    connector = trader.connector
    connector._account = None
    fee = connector.get_fee("SOL", "USDC", OrderType.LIMIT, TradeType.BUY, Decimal(1), Decimal(100))
    assert fee.percent == Decimal("0.001")


@pytest.mark.parametrize(
    "exchange_settings", [{"maker_fee_bps": Decimal(-2), "taker_fee_bps": Decimal(0)}]
)
async def test_rebates_are_recorded_as_the_exchange_pays_them(trader, quote, agree):
    """A negative fee of a maker's fill."""
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.95"))
    await trader.open(order_id)
    quote("Ask", "99.95", "2")
    await trader.done(order_id)
    (fill,) = trader.events.fills()
    assert fill.trade_fee.flat_fees[0].amount == Decimal("-0.0004")
    await agree(trader)


# === events that cannot be read


def data_source_of(trader):
    return trader.connector._user_stream_tracker.data_source


@pytest.mark.parametrize(
    "payload",
    [
        '{"data":{"e":"orderFill"},"stream":"account.orderUpdate"}',
        '{"data":{"e":"orderReborn"},"stream":"account.orderUpdate"}',
        '{"data":{"A":"1","L":"x","a":"USDC","e":"balanceUpdate"},"stream":"account.balanceUpdate"}',
        "not json",
        "{}",
    ],
)
async def test_event_that_cannot_be_read_leads_to_a_question(
    trader, calls, agree, eventually, payload
):
    """What it means is asked for and not guessed; the stream stays up."""
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    await trader.open(order_id)
    asked = calls.count(OPEN_ORDERS)
    data_source_of(trader).on_message(payload)
    await eventually(lambda: calls.count(OPEN_ORDERS) > asked)
    assert trader.connector.ready
    assert data_source_of(trader).stream.connects == 1
    assert trader.events.names(order_id) == ["Created"]
    await agree(trader)


async def test_order_state_that_is_not_known_changes_nothing(trader, calls, agree, eventually):
    """A state of a later version of the exchange is not taken for a failure."""
    order_id = trader.connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal("99.50"))
    order = await trader.open(order_id)
    event = {
        "E": 1795000000123500,
        "S": "Bid",
        "T": 1795000000123400,
        "X": "Hibernating",
        "Z": "0",
        "e": "orderCancelled",
        "i": order.exchange_order_id,
        "o": "LIMIT",
        "s": "SOL_USDC",
        "z": "0",
    }
    asked = calls.count(OPEN_ORDERS)
    data_source_of(trader).on_message(json.dumps({"data": event, "stream": "account.orderUpdate"}))
    await eventually(lambda: calls.count(OPEN_ORDERS) > asked)
    assert order.is_open
    assert trader.events.names(order_id) == ["Created"]
    await agree(trader)


async def test_event_of_anothers_order_is_ignored(trader, place, agree, eventually):
    """Orders placed by hand on the same account make events too."""
    stranger = place("main", "Bid", "99.95", "1", client_id=77)
    place("maker", "Ask", "99.95", "1")
    await eventually(lambda: trader.connector.get_balance("SOL") > 1000)
    assert trader.events.order_ids() == set()
    await agree(trader, others=[stranger.order_id])


async def test_funds_are_asked_for_when_the_undocumented_stream_does_not_tell_them(
    quick_check, exchange, trader, calls, quote, agree, eventually
):
    """Long before the next poll, once for many orders."""
    with exchange.faults.skip_frames("account.balanceUpdate", times=None):
        before = calls.count(CAPITAL)
        for _ in range(5):
            trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.95"))
        await eventually(lambda: len(exchange.engine.open_orders("main")) == 5)
        quote("Ask", "99.95", "3")
        await agree(trader)
        assert 1 <= calls.count(CAPITAL) - before <= 3


async def test_no_funds_are_asked_for_while_events_tell_them(
    quick_check, exchange, trader, calls, quote, eventually
):
    """Balances cost no request as long as the stream works."""
    before = calls.count(CAPITAL)
    trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.95"))
    await eventually(lambda: exchange.engine.open_orders("main"))
    check = await eventually(lambda: trader.connector._check)
    await check
    assert calls.count(CAPITAL) == before


async def test_answer_that_was_overtaken_does_not_bring_old_funds_back(
    exchange, trader, quote, eventually
):
    """Two questions at once; the first one's answer comes last."""
    connector = trader.connector
    with exchange.faults.skip_frames("account.balanceUpdate", times=None):
        with exchange.faults.delay_replies(0.5, CAPITAL, times=1) as late:
            slow = asyncio.ensure_future(connector._update_balances())
            await late.wait_hit()
            connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("100.20"))
            await eventually(lambda: exchange.engine.fills("main", limit=1)[0])
            await connector._update_balances()
            told = connector.get_balance("SOL")
            await slow
        assert connector.get_balance("SOL") == told
        assert told == sum(exchange.engine.balances("main")["SOL"])
