"""The soak run: what it compares and draws, a short run, and one with a broken connector."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side, TimeInForce
from hummingbot.connector.exchange.backpack.simulator.admin import account_truth
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.fault_core import FAULT_METHODS
from hummingbot.connector.exchange.backpack.simulator.fault_script import parse_fault
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot_backpack import soak
from hummingbot_backpack.soak_books import BookChecks
from hummingbot_backpack.soak_chaos import FaultStatistics
from hummingbot_backpack.soak_check import (
    FillRow,
    Funds,
    OrderRow,
    differences,
    end_of,
    shortened,
    truth_of,
    wrong_lives,
)
from hummingbot_backpack.soak_exchange import SYMBOLS
from hummingbot_backpack.soak_faults import RECIPES, FaultDice
from hummingbot_backpack.soak_report import fault_table

SOL = "SOL_USDC"


# --- what is compared -----------------------------------------------------------------------------


@pytest.fixture
def truth():
    """The exchange's side of an account with one order of each fate."""
    engine = Engine(known_markets(), clock_us=lambda: 1_790_000_000_000_000)
    for name in ("main", "other"):
        engine.open_account(
            name,
            {"USDC": Decimal(10_000), "SOL": Decimal(100)},
            maker_fee_bps=Decimal(8),
            taker_fee_bps=Decimal(10),
        )

    def place(account, side, price, quantity, time_in_force=TimeInForce.GTC):
        order = ExecuteOrder(
            symbol=SOL,
            side=side,
            order_type=OrderType.LIMIT,
            price=Decimal(price),
            quantity=Decimal(quantity),
            time_in_force=time_in_force,
        )
        return engine.place(account, order)

    place("other", Side.ASK, "100.00", "1")
    place("main", Side.BID, "100.00", "0.4")  # filled
    place("main", Side.BID, "100.00", "2", TimeInForce.IOC)  # filled in part, the rest expired
    cancelled = place("main", Side.BID, "99.00", "1")
    engine.cancel("main", SOL, order_id=cancelled.order_id)
    place("main", Side.BID, "98.00", "1")  # open
    return truth_of(account_truth(engine, "main"))


def test_the_exchanges_side_is_read(truth):
    assert [row.end for row in truth.orders.values()] == ["Completed", "Cancelled", "Cancelled", ""]
    assert [row.executed_quantity for row in truth.orders.values()] == [
        Decimal(text) for text in ("0.4", "0.6", "0", "0")
    ]
    assert [fill.quantity for fill in truth.fills] == [Decimal("0.4"), Decimal("0.6")]
    assert truth.fills[0].fee == Decimal("0.0004")
    assert truth.open_ids == {list(truth.orders)[-1]}
    assert truth.balances["USDC"] == Funds(Decimal(9_802), Decimal(9_900))


def test_two_sides_that_agree_have_no_differences(truth):
    told = replace(truth, fills=list(reversed(truth.fills)))
    assert differences(told, truth) == []


def first(rows):
    return next(iter(rows))


WRONGS = {
    "order .* is lost: the exchange has it": lambda t: t.orders.pop(first(t.orders)),
    "order 1 was told, and the exchange has none": lambda t: t.orders.update(
        {"1": OrderRow("1", Decimal(1), Decimal(0), Decimal(0), "")}
    ),
    "order .*: told .*end='Failure'.*, true .*end='Completed'": lambda t: t.orders.update(
        {first(t.orders): t.orders[first(t.orders)]._replace(end="Failure")}
    ),
    "order .*: told .*executed_quantity": lambda t: t.orders.update(
        {first(t.orders): t.orders[first(t.orders)]._replace(executed_quantity=Decimal("0.3"))}
    ),
    "not told: FillRow": lambda t: t.fills.pop(),
    "told 2 times: FillRow": lambda t: t.fills.append(t.fills[0]),
    "told and not true: FillRow": lambda t: t.fills.append(
        FillRow("1", "2", Decimal(1), Decimal(1), "SOL", Decimal(0))
    ),
    "told and not true: FillRow.*fee=Decimal": lambda t: t.fills.append(
        t.fills.pop()._replace(fee=Decimal("0.1"))
    ),
    "open orders: only told .'1'.": lambda t: t.open_ids.add("1"),
    "open orders: only told .., only true .'6": lambda t: t.open_ids.clear(),
    "USDC: told Funds": lambda t: t.balances.update(USDC=Funds(Decimal(1), Decimal(9_900))),
    "SOL: told None": lambda t: t.balances.pop("SOL"),
}


@pytest.mark.parametrize("said", WRONGS)
def test_each_kind_of_difference_is_named(truth, said):
    told = replace(
        truth,
        orders=dict(truth.orders),
        fills=list(truth.fills),
        open_ids=set(truth.open_ids),
        balances=dict(truth.balances),
    )
    WRONGS[said](told)
    assert any(re.match(said, line) for line in differences(told, truth))


@pytest.mark.parametrize(
    ("names", "is_right"),
    [
        (["Failure"], True),
        (["Created"], True),
        (["Created", "Filled", "Filled", "Completed"], True),
        (["Created", "Filled", "Cancelled"], True),
        (["Created", "Created"], False),
        (["Filled", "Created"], False),
        (["Created", "Cancelled", "Cancelled"], False),
        (["Created", "Cancelled", "Filled"], False),
        (["Created", "Completed", "Cancelled"], False),
        (["Cancelled"], False),
    ],
)
def test_a_life_tells_each_thing_once_and_in_order(names, is_right):
    assert (wrong_lives({"HBOT1": names}) == []) is is_right
    assert end_of(names) == next((n for n in names if n not in {"Created", "Filled"}), "")


def test_many_problems_are_counted():
    assert shortened(["a"] * 3) == ["a"] * 3
    assert shortened(["a"] * 9)[-1] == "... and 4 more of these"


# --- what is drawn --------------------------------------------------------------------------------


def test_every_fault_of_the_exchange_is_drawn():
    assert RECIPES.keys() == FAULT_METHODS.keys()
    dice = FaultDice(Random(1), SYMBOLS)
    drawn = [dice.draw() for _ in range(2 * len(RECIPES))]
    assert {strike.name for strike in drawn[: len(RECIPES)]} == RECIPES.keys()
    assert [strike.name for strike in drawn].count("drop-ws") == 2


@pytest.mark.parametrize("name", RECIPES)
def test_every_drawn_fault_makes_sense_and_ends(name):
    dice = FaultDice(Random(2), SYMBOLS)
    for _ in range(50):
        strike = dice.make(name)
        plans = [parse_fault(text) for text in strike.texts]
        for plan in plans:
            assert plan.kind.is_instant or plan.for_s is not None
        assert plans[0].for_s == pytest.approx(strike.length_s or None, abs=0.06)


def test_the_same_seed_draws_the_same():
    def texts(seed):
        dice = FaultDice(Random(seed), SYMBOLS)
        return [dice.draw().texts for _ in range(40)]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


# --- books ----------------------------------------------------------------------------------------


class Book:
    """The part of Hummingbot's order book that is compared."""

    def __init__(self, bids, asks, update_id):
        self._bids, self._asks = bids, asks
        self.snapshot_uid, self.last_diff_uid = 5, update_id

    def bid_entries(self):
        return [SimpleNamespace(price=p, amount=q) for p, q in self._bids.items()]

    def ask_entries(self):
        return [SimpleNamespace(price=p, amount=q) for p, q in self._asks.items()]


class Exchange:
    """An exchange whose book stands still."""

    async def book(self, _):
        return {"bids": [["99.5", "1"]], "asks": [["100.50", "2"]], "lastUpdateId": "9"}


@pytest.mark.parametrize(
    ("bids", "update_id", "ready", "outcome"),
    [
        ({99.5: 1.0}, 9, True, (True, 1, 0)),
        ({99.5: 1.1}, 9, True, (False, 1, 1)),
        ({99.5: 1.0, 99.4: 1.0}, 9, True, (False, 1, 1)),
        ({99.4: 1.0}, 9, True, (False, 1, 1)),
        ({}, 9, False, (False, 0, 0)),
        ({}, 8, True, (False, 0, 0)),
        ({}, 10, True, (False, 0, 0)),
    ],
)
async def test_a_book_is_compared_at_the_same_update(bids, update_id, ready, outcome):
    book = Book(bids, {100.5: 2.0}, update_id)
    connector = SimpleNamespace(ready=ready, order_books={"SOL-USDC": book})
    checks = BookChecks(connector, Exchange(), {"SOL-USDC": SOL})
    is_right = await checks.check("SOL-USDC")
    assert (is_right, checks.compared, len(checks.wrong)) == outcome


async def test_the_empty_book_of_a_closed_market_is_not_compared():
    connector = SimpleNamespace(ready=True, order_books={"SOL-USDC": Book({}, {}, 9)})
    checks = BookChecks(connector, Exchange(), {"SOL-USDC": SOL})
    assert not await checks.check("SOL-USDC")
    assert not await checks.are_right(0.01)
    assert (checks.compared, checks.wrong) == (0, [])


async def test_a_book_that_stands_still_while_ready_is_wrong(monkeypatch):
    monkeypatch.setattr("hummingbot_backpack.soak_books._LONGEST_BEHIND_S", 0.05)
    connector = SimpleNamespace(ready=True, order_books={"SOL-USDC": Book({99.5: 1.0}, {}, 8)})
    checks = BookChecks(connector, Exchange(), {"SOL-USDC": SOL})
    checks.hidden_until_s = float("inf")
    await checks.check("SOL-USDC")
    await asyncio.sleep(0.1)
    await checks.check("SOL-USDC")
    assert checks.wrong == [], "a fault may hide what happens"
    checks.hidden_until_s = 0.0
    await asyncio.sleep(0.1)
    await checks.check("SOL-USDC")
    assert re.match("SOL-USDC: ready, and at 8 for", checks.wrong[0])


# --- command line ---------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_fault_and_one_for_all():
    rows = {
        "outage": FaultStatistics(2, [3.0, 5.0], [0.1, 0.3]),
        "answer": FaultStatistics(1, [0.0], []),
    }
    lines = fault_table(rows)
    assert lines[2].split() == ["answer", "1", "0.00", "0.00", "-", "-"]
    assert lines[3].split() == ["outage", "2", "4.00", "5.00", "0.20", "0.30"]
    assert lines[4].split() == ["all", "3", "3.00", "5.00", "0.20", "0.30"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--minutes", "0"], "not a number of minutes"),
        (["--minutes", "nan"], "not a number of minutes"),
        (["--pairs", "11"], "not a number from 1 to 10"),
        (["--messages-per-second", "-1"], "not a number above 0"),
        (["--folder", "."], "not a new or empty folder"),
        (["--seed", "one"], "invalid int value"),
    ],
)
def test_bad_arguments_are_named(capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        soak.parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_help_needs_no_environment_and_no_folder(tmp_path):
    script = Path(__file__).parents[2] / "scripts" / "soak"
    shown = subprocess.run(
        [script, "--help"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("usage: soak")
    assert "--messages-per-second" in shown.stdout


def test_a_fault_that_is_none_is_named(capsys):
    assert soak.main(["--only", "drop-sw"]) == 2
    assert "no such fault: drop-sw; known are: delay-replies" in capsys.readouterr().out


# --- runs -----------------------------------------------------------------------------------------

# Polls come more often than once a minute, so that the end is not waited for that long.
START = """
import sys
from hummingbot_backpack import soak, soak_run
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
BackpackExchange.LONG_POLL_INTERVAL = 5.0
"""
RUN = "sys.exit(soak.main(sys.argv[1:]))"

# A connector with every fault that a soak run is to find.
SABOTAGE = """
import asyncio
from hummingbot.core.data_type.order_book_row import OrderBookRow

soak_run._AGREED_WITHIN_S = soak_run._CANCELLED_WITHIN_S = 1.0
make = soak_run.make_connector

def broken(ready, pairs):
    connector = make(ready, pairs)
    tracker, lost = connector._order_tracker, set()
    process = tracker.process_trade_update

    def forgetful(update):
        if len(lost) < 2:
            lost.add(update.trade_id)
        if update.trade_id not in lost:
            process(update)

    tracker.process_trade_update = forgetful
    tracker._trigger_cancelled_event = lambda order: [cancelled(order) for _ in range(2)]
    cancelled = type(tracker)._trigger_cancelled_event.__get__(tracker)
    source, tasks, hoard = connector._orderbook_ds, [], []
    message = source.on_message

    def corrupting(payload):
        message(payload)
        hoard.extend([payload] for _ in range(20))
        book = connector.order_books.get(pairs[0])
        if book is not None and connector.ready:
            book.apply_diffs([OrderBookRow(1.0, 1.0, 1)], [], book.last_diff_uid)
            if connector.in_flight_orders and len(tasks) < 5:
                tasks.append(asyncio.ensure_future(asyncio.sleep(600)))

    source.on_message = corrupting
    return connector

soak_run.make_connector = broken
"""


def run(code, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, "--folder", folder, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        timeout=240,
    )


@pytest.mark.timeout(260)
def test_a_short_run_agrees(tmp_path):
    """Twenty-five seconds of all faults, then both sides tell the same."""
    ended = run(START + RUN, tmp_path / "soak", "--minutes", "0.4", "--seed", "1")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("Everything agrees.\n")
    compared, wrong = re.search(r"(\d+) comparisons, (\d+) wrong", ended.stdout).groups()
    created, filled = re.search(r"(\d+) Created, (\d+) Filled", ended.stdout).groups()
    assert (int(compared) > 50, int(wrong)) == (True, 0)
    assert int(created) > 20
    assert int(filled) > 0
    assert re.search(r"^all +\d+", ended.stdout, re.MULTILINE)


@pytest.mark.timeout(260)
def test_a_broken_connector_is_found(tmp_path):
    """Lost fills, events told twice, a wrong book, a leak: each is said, and exit 1."""
    folder = tmp_path / "soak"
    arguments = ("--minutes", "0.3", "--only", "none", "--actions-per-second", "10")
    ended = run(START + SABOTAGE + RUN, folder, *arguments)

    assert ended.returncode == 1, ended.stdout + ended.stderr
    _, said = ended.stdout.split("This does not hold:")
    for problem in (
        "not told: FillRow",
        "Cancelled Cancelled",
        "bids at .* unlike the exchange's at .*1.0, 1.0",
        "tasks grew from",
        "objects grew from",
    ):
        assert re.search(problem, said), f"{problem}: {said}"
    assert str(folder) in said
