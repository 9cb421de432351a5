"""The parts of the demo that need no process: command line, comparison, view, logs."""

import datetime
import json
import os
import signal
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.api.models import (
    Fill,
    HistoricOrder,
    OrderStatus,
    OrderType,
    Side,
)
from hummingbot_backpack import demo, demo_log, demo_summary, demo_view
from hummingbot_backpack.demo_interrupt import Interrupt
from hummingbot_backpack.demo_processes import Ready
from hummingbot_backpack.demo_summary import End, ExchangeBooks, Row

PAIR = "SOL-USDC"
MOMENT = datetime.datetime(2026, 11, 21, 9, 52)  # noqa: DTZ001 (naive UTC, as on the wire)


# === command line


def test_the_defaults_are_two_minutes_of_simple_pmm_in_a_temporary_home():
    options = demo.parse([])
    assert (options.minutes, options.strategy, options.home) == (2.0, "simple_pmm", None)
    assert (options.order_amount, options.spread) == (Decimal("0.5"), Decimal("0.0005"))
    assert (options.refresh_time_s, options.port) == (5, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--minutes", "0"], "is not a number of minutes"),
        (["--minutes", "nan"], "is not a number of minutes"),
        (["--minutes", "soon"], "is not a number of minutes"),
        (["--strategy", "other"], "invalid choice"),
        (["--order-amount", "0"], "is not an amount"),
        (["--order-amount", "0.005"], "is not an amount"),
        (["--order-amount", "x"], "is not a number"),
        (["--spread", "1"], "is not a fraction"),
        (["--spread", "inf"], "is not a number"),
        (["--refresh-time", "0"], "is not a whole number of seconds"),
        (["--refresh-time", "1.5"], "is not a whole number of seconds"),
        (["--port", "65536"], "is not a TCP port"),
        (["--seed", "x"], "invalid int"),
        (["surprise"], "unrecognized arguments"),
    ],
)
def test_arguments_without_sense_are_refused_in_words(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        demo.parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_another_connector_than_ours_is_noticed(monkeypatch, tmp_path):
    assert demo.installation_problem() is None
    monkeypatch.setattr("hummingbot_backpack.overlay.tree", lambda: tmp_path)
    assert "the Backpack plugin is not active" in demo.installation_problem()


# === the two sides


def fill(side, price, quantity, fee, fee_symbol, order_id="1"):
    return Fill(
        order_id=order_id,
        symbol="SOL_USDC",
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        fee=Decimal(fee),
        fee_symbol=fee_symbol,
        is_maker=True,
        timestamp_utc=MOMENT,
    )


def order(order_id, status, executed="0"):
    return HistoricOrder(
        id=order_id,
        symbol="SOL_USDC",
        side=Side.BID,
        order_type=OrderType.LIMIT,
        status=status,
        created_at_utc=MOMENT,
        executed_quantity=Decimal(executed),
    )


FILLS = [
    fill(Side.BID, "100.10", "0.5", "0.0004", "SOL", "1"),
    fill(Side.ASK, "100.40", "0.3", "0.024096", "USDC", "2"),
]
BOOKS = ExchangeBooks(
    before={"SOL": Decimal(100), "USDC": Decimal(10_000)},
    after={"SOL": Decimal("100.1996"), "USDC": Decimal("9980.045904")},
    orders=[order("1", OrderStatus.FILLED, "0.5"), order("2", OrderStatus.CANCELLED, "0.3")],
    fills=FILLS,
)
# What Hummingbot prints of the same, valued at 100.25.
HISTORY = {
    "market": "backpack",
    "pair": PAIR,
    "trades": 2,
    "buys": 1,
    "sells": 1,
    "base_vol": 0.2,
    "quote_vol": -19.93,
    "trade_pnl": 0.12,
    "fees": 0.064196,
    "total_pnl": 0.055804,
}
RECORDS = {
    "price": "100.25",
    "markets": [HISTORY],
    "volume": "80.17",
    "orders": {"1": "BuyOrderCompleted", "2": "OrderCancelled"},
}


def records(**changes):
    return demo_summary.parse_records(json.dumps(RECORDS | changes))


def test_equal_accounts_agree_in_every_figure():
    rows = demo_summary.compare(records(), BOOKS, PAIR)
    assert [row.name for row in rows if not row.agrees] == []
    assert {row.name.strip(): row.texts for row in rows} == {
        "orders placed": ("2", "2"),
        "filled": ("1", "1"),
        "cancelled": ("1", "1"),
        "fills": ("2", "2"),
        "of them buying": ("1", "1"),
        "volume, USDC": ("80.17", "80.17"),
        "SOL bought less sold": ("0.2", "0.2"),
        "USDC received less paid": ("-19.93", "-19.93"),
        "PnL before fees, USDC": ("0.12", "0.12"),
        "fees, USDC": ("0.064196", "0.064196"),
        "PnL after fees, USDC": ("0.055804", "0.055804"),
    }


def test_the_exchanges_profit_is_the_change_of_the_balances():
    """A fee that the fill history does not show is seen in what is left."""
    poorer = ExchangeBooks(
        before=BOOKS.before,
        after=BOOKS.after | {"USDC": BOOKS.after["USDC"] - Decimal("0.000001")},
        orders=BOOKS.orders,
        fills=BOOKS.fills,
    )
    (row,) = [row for row in demo_summary.compare(records(), poorer, PAIR) if not row.agrees]
    assert (
        row.difference == "PnL after fees, USDC: 0.055804 for Hummingbot, 0.055803 on the exchange."
    )


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({"volume": "80.170001"}, ["volume, USDC"]),
        ({"markets": [HISTORY | {"fees": 0.06419600000000001}]}, ["fees, USDC"]),
        ({"markets": [HISTORY | {"trades": 1}]}, ["fills"]),
        ({"markets": [HISTORY | {"total_pnl": float("nan")}]}, ["PnL after fees, USDC"]),
        ({"orders": {"1": "BuyOrderCompleted"}}, ["orders placed", "  cancelled"]),
        ({"price": "100.26"}, ["PnL before fees, USDC", "fees, USDC", "PnL after fees, USDC"]),
    ],
)
def test_the_smallest_difference_is_seen(changes, differ):
    rows = demo_summary.compare(records(**changes), BOOKS, PAIR)
    assert [row.name for row in rows if not row.agrees] == differ
    text = demo_summary.table(rows, {"lost orders": 0})
    assert text.count("<- differ") == len(differ)


def test_a_bot_without_a_fill_agrees_with_an_exchange_without_one():
    books = ExchangeBooks(before=BOOKS.before, after=dict(BOOKS.before), orders=[], fills=[])
    nothing = records(markets=[], volume="0", orders={})
    assert all(row.agrees for row in demo_summary.compare(nothing, books, PAIR))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(RECORDS | {"markets": [{"market": "backpack", "error": "TimeoutError"}]}),
        json.dumps(RECORDS | {"markets": [HISTORY, HISTORY]}),
        json.dumps(RECORDS | {"price": "much"}),
        json.dumps(RECORDS | {"orders": None}),
    ],
)
def test_a_history_that_is_none_is_not_taken_for_one(text):
    with pytest.raises(ValueError, match="Hummingbot's history cannot be read"):
        demo_summary.parse_records(text)


@pytest.mark.parametrize(
    ("status", "executed", "end"),
    [
        (OrderStatus.NEW, "0", End.OPEN),
        (OrderStatus.PARTIALLY_FILLED, "0.1", End.OPEN),
        (OrderStatus.FILLED, "0.5", End.FILLED),
        (OrderStatus.CANCELLED, "0", End.CANCELLED),
        (OrderStatus.EXPIRED, "0", End.FAILED),
        (OrderStatus.EXPIRED, "0.1", End.CANCELLED),
        (OrderStatus.TRIGGER_FAILED, "0", End.FAILED),
    ],
)
def test_what_became_of_an_order_on_the_exchange(status, executed, end):
    books = ExchangeBooks(before={}, after={}, orders=[order("1", status, executed)], fills=[])
    assert books.ends() == {"1": end}


@pytest.mark.parametrize(
    ("event", "end"),
    [
        ("BuyOrderCreated", End.OPEN),
        ("OrderFilled", End.OPEN),
        ("SellOrderCompleted", End.FILLED),
        ("OrderCancelled", End.CANCELLED),
        ("OrderFailure", End.FAILED),
    ],
)
def test_what_became_of_an_order_for_hummingbot(event, end):
    assert records(orders={"1": event}).orders == {"1": end}


def test_an_order_is_lost_when_the_two_sides_do_not_tell_the_same_of_it():
    ours = {"1": End.FILLED, "2": End.OPEN, "3": End.CANCELLED}
    theirs = {"1": End.FILLED, "2": End.FILLED, "4": End.OPEN}
    assert demo_summary.lost_orders(ours, theirs) == [
        "Order 2 is open for Hummingbot and filled on the exchange.",
        "Order 3 of Hummingbot's records never was on the exchange.",
        "Order 4 (open) is not in Hummingbot's records.",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+2"), "100"),
        (Decimal("-0.50"), "-0.5"),
        (Decimal("-0"), "0"),
        (-0.0, "0"),
        (1e-07, "0.0000001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (7, "7"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_plain_digits_and_all_of_them(value, text):
    assert demo_summary.number(value) == text


def test_a_float_agrees_with_the_decimal_that_it_stands_for_and_no_other():
    assert Row("x", 0.1, Decimal("0.1")).agrees
    assert not Row("x", 0.1 + 0.2, Decimal("0.3")).agrees
    assert not Row("x", Decimal("0.1"), Decimal("0.10000000000000000001")).agrees


def test_the_table_shows_both_sides_below_one_another():
    rows = [Row("orders", 12, 12), Row("fees, USDC", 0.25, Decimal("0.2500001"))]
    assert demo_summary.table(rows, {"lost orders": 0}).splitlines() == [
        "               Hummingbot   exchange",
        "  orders               12         12",
        "  fees, USDC         0.25  0.2500001   <- differ",
        "  lost orders           0",
    ]


# === the view

STATUS = """
  Balances:
    Exchange Asset  Total Balance  Available Balance
    backpack   SOL       99.5000            99.5000

  No active maker orders.

  Mid price: 100.705 USDC
  Quotes: bid 0.5 at 100.66, ask 0.5 at 100.78
  Spreads: 0.0500% below, 0.0500% above
  Fills: 3, volume 151.135 USDC
  Profit and loss: -0.02 USDC after fees of 0.12 USDC
  Connection: market data 0.0 s ago, account 2.5 s ago, reconnects 0, gaps 0"""


def test_the_status_is_shown_in_a_few_labelled_lines():
    snapshot = {
        "format_status": STATUS,
        "balances": {"backpack": {"USDC": 10050.25, "SOL": 99.5, "BTC": 1e-05}},
    }
    assert demo_view.status_block(65.2, snapshot, 80).splitlines() == [
        "  1:05  Mid price        100.705 USDC",
        "        Quotes           bid 0.5 at 100.66, ask 0.5 at 100.78",
        "        Fills            3, volume 151.135 USDC",
        "        Profit and loss  -0.02 USDC after fees of 0.12 USDC",
        "        Balances         0.00001 BTC, 99.5 SOL, 10050.25 USDC",
        "        Connection       market data 0.0 s ago, account 2.5 s ago, reconnects 0,",
        "                         gaps 0",
    ]


def test_a_strategy_with_another_status_is_shown_as_it_is():
    text = "\n  Waiting for backpack to be ready.\n    (order books)\n"
    assert demo_view.status_block(5, {"format_status": text}, 80).splitlines() == [
        "  0:05  Waiting for backpack to be ready.",
        "          (order books)",
    ]


def test_a_bot_that_does_not_answer_has_no_status():
    assert demo_view.status_block(5, {}, 80) == "  0:05  no status yet"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (2, "2 minutes"),
        (1, "1 minute"),
        (0.5, "30 seconds"),
        (1.5, "1 minute 30 seconds"),
        (61 / 60, "1 minute 1 second"),
    ],
)
def test_durations_are_told_in_words(minutes, words):
    assert demo_view.duration(minutes) == words


# === logs, secrets, signals

LOG = """\
2026-11-21 09:52:06,280 - 26577 - root - INFO - Starting V2 script strategy: simple_pmm
2026-11-21 09:52:07,001 - 26577 - hummingbot.core.x - WARNING - Something - odd
2026-11-21 09:52:08,003 - 26577 - hummingbot.core.x - ERROR - Something broke.
Traceback (most recent call last):
  File "x.py", line 1, in <module>
OSError: WARNING
2026-11-21 09:55:16,046 WARNING hummingbot.x.simulator: a warning of the exchange
2026-11-21 09:55:16,047 INFO __main__: stopping
"""


def test_the_log_is_searched_for_what_would_worry_a_person(tmp_path):
    (tmp_path / "bot.log").write_text(LOG)
    report = demo_log.report_of([tmp_path / "bot.log", tmp_path / "missing.log"])
    assert report.tracebacks == 1
    assert report.errors == ["Something broke."]
    assert report.warnings == ["Something - odd", "a warning of the exchange"]


def test_the_same_line_about_many_orders_is_told_once():
    texts = [
        "It is slow.",
        "Order HBOTSSLUC660c6b00260f7042cfc124d3e53 was not placed.",
        "Order HBOTSSLUC660c6b011a4c7042cfc124d3e53 was not placed.",
        "Order 60000000216 is unknown.",
    ]
    assert demo_log.digest(texts) == [
        "Order ... was not placed. (2 times)",
        "It is slow.",
        "Order ... is unknown.",
    ]


def test_a_key_is_found_in_whatever_file_it_is(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/data.sqlite").write_bytes(b"\x00\xffabc=SECRET=\x00")
    (tmp_path / "clean.log").write_text("SECRE T")
    assert list(demo_log.files_with(["SECRET="], [tmp_path])) == [tmp_path / "deep/data.sqlite"]


def test_the_keys_stay_out_of_every_text():
    ready = Ready("http://x", "ws://x", api_key="KEY", api_secret="SECRET")
    assert "KEY" not in repr(ready)
    assert "SECRET" not in repr(ready)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_the_earlier_handlers_come_back(number, monkeypatch, tmp_path):
    before = signal.getsignal(number)
    output = tmp_path / "output"
    with output.open("w") as stdout, Interrupt() as interrupt:
        monkeypatch.setattr("sys.stdout", stdout)
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert interrupt.requested
    monkeypatch.undo()
    assert signal.getsignal(number) is before
    assert output.read_text().split("\n") == [
        *("", "Stopping early."),
        *("", "Stopping already; this takes some seconds.", ""),
    ]
